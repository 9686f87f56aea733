"""Which of some paths changed: files, whole trees, directory listings, and what is not there yet.

A file is watched through its directory, so that a rename over it, a deletion and a re-creation are
seen; what does not exist is waited for through its nearest existing ancestor. Changes that happen
together are reported together: a file that was closed or renamed into place is complete and is
reported almost at once, one that is still being written (or was removed, as editors do before they
write the new one) a little later.

`PathWatcher` holds the rules; a backend reports what happens to the entries of directories.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol

from kapp.aio import checkouts
from kapp.aio.links import LinkFinder

# Long enough for a tool that saves several files, too short for a person to notice.
COMPLETE_SETTLE_S = 0.01
# An editor that removes a file and creates it again does so within this.
UNFINISHED_SETTLE_S = 0.04
# Whoever has a file open and writes to it closes it in the end; only a file that stays open, and is
# not written to for so long, is taken as it is.
WRITING_SETTLE_S = 0.25
# Changes that never stop (a build that writes into a watched tree) are still reported this often.
MAX_SETTLE_S = 0.3
# A file that is written to all the while and never closed is reported in the end, as it is then.
MAX_UNFINISHED_S = 2.0
# Somebody who is busy changing files does not pause for so long; until then, it is looked again and
# again whether they are done.
BUSY_SETTLE_S = 0.5
BUSY_LOOK_S = 0.01

# The event loop may call this much too early.
_TIMER_GRAIN_S = 0.001

# A name of its own, so that a type checker looks at both branches that depend on it.
_PLATFORM: str = sys.platform
# Version control's own files change without any source changing.
_SKIPPED_DIRECTORIES = frozenset({".git", ".hg", ".svn"})


class EntryChange(NamedTuple):
    """Something happened to a directory's entry.

    Attributes:
        path: the entry.
        complete: False while more is to be expected.
        structural: it appeared or went.
        directory: it is a directory, so what must be watched may have changed.
        created: there was no such entry before.
    """

    path: str
    complete: bool
    structural: bool
    directory: bool
    created: bool = False


class Backend(Protocol):
    """Reports changes of the entries of directories, to the callback it was made with."""

    def watch(self, directories: Collection[str]) -> None:
        """Watch the entries of exactly these; those that do not exist are ignored."""
        ...

    def close(self) -> None:
        """Stop. Safe to call twice."""
        ...


MakeBackend = Callable[[Callable[[list[EntryChange]], None]], Backend]


def system_backend(on_entries: Callable[[list[EntryChange]], None]) -> Backend:
    """The best that this system has."""
    if _PLATFORM == "linux":
        from kapp.aio.inotify import InotifyBackend

        return InotifyBackend(on_entries)
    from kapp.aio.filethread import ThreadBackend

    return ThreadBackend(on_entries)


class PathWatcher:
    """Watches until `close()`.

    Args:
        paths: absolute paths of files, or of directories with all below them.
        listed: absolute paths of directories of which only the direct entries count.
        on_change: called in the event loop with the changed paths, sorted.
        ignored: whether a path does not count.
        busy: whether somebody may be in the middle of changing these paths.
        backend: makes the backend.
    """

    def __init__(
        self,
        paths: Iterable[str],
        listed: Iterable[str],
        on_change: Callable[[list[str]], None],
        *,
        ignored: Callable[[str], bool] = lambda _: False,
        busy: Callable[[Collection[str]], bool] = checkouts.in_progress,
        backend: MakeBackend = system_backend,
    ) -> None:
        self._paths = frozenset(paths)
        self._listed = frozenset(listed)
        self._on_change = on_change
        self._ignored = ignored
        self._busy = busy
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._first_change_at = 0.0
        self._last_change_at = 0.0
        self._changed: set[str] = set()
        # Of the changed ones those that did not exist before.
        self._created: set[str] = set()
        # Changes of which more is to be expected, and until when.
        self._unfinished: dict[str, float] = {}
        # Where a link leads: a change there is a change of the path that was asked for.
        self._aliases: dict[str, str] = {}
        # Links on the way to a path: one that is replaced is a change of the path.
        self._links: dict[str, set[str]] = {}
        self._trees: set[str] = set()
        self._missing: set[str] = set()
        self._directories: set[str] = set()
        self._backend = backend(self._on_entries)
        self._arm()

    def close(self) -> None:
        """Stop; nothing is reported afterwards. Safe to call twice."""
        self._backend.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Watch every directory that can tell about the paths, as things are now."""
        directories: set[str] = set()
        self._aliases, self._links, self._trees, self._missing = {}, {}, set(), set()
        links = LinkFinder()
        for path in self._paths | self._listed:
            for link in links.on_the_way_to(path):
                self._links.setdefault(link, set()).add(path)
                directories.add(os.path.dirname(link))
        for path in self._paths:
            real = os.path.realpath(path)
            if real != path:
                self._aliases[real] = path
            for one in {path, real}:
                directories.add(_nearest_directory(os.path.dirname(one)))
            if os.path.isdir(real):
                self._trees.update((path, real))
                directories.update(_tree(real))
            elif not os.path.exists(real):
                self._missing.add(path)
        for path in self._listed:
            directories.update(
                (_nearest_directory(path), _nearest_directory(os.path.dirname(path)))
            )
            if not os.path.isdir(path):
                self._missing.add(path)
        self._directories = directories
        self._backend.watch(directories)

    def _on_entries(self, changes: list[EntryChange]) -> None:
        replaced = [
            change for change in changes if change.structural and change.path in self._links
        ]
        self._note(replaced)
        if any(change.structural and self._may_move(change) for change in changes):
            self._rearm()
        self._note(changes)
        if self._changed:
            self._schedule()

    def _note(self, changes: Iterable[EntryChange]) -> None:
        for change in changes:
            for path in self._asked_for(change):
                if change.created and path not in self._changed:
                    self._created.add(path)
                elif path in self._created and change.structural and not change.created:
                    self._forget(path)  # a file that somebody needed for a moment
                    continue
                self._changed.add(path)
                if change.complete:
                    self._unfinished.pop(path, None)
                else:
                    settle_s = UNFINISHED_SETTLE_S if change.structural else WRITING_SETTLE_S
                    self._unfinished[path] = self._loop.time() + settle_s

    def _forget(self, path: str) -> None:
        self._changed.discard(path)
        self._created.discard(path)
        self._unfinished.pop(path, None)

    def _rearm(self) -> None:
        before, missing = self._directories, self._missing
        self._arm()
        self._changed.update(missing ^ self._missing)
        for directory in self._directories - before:
            if not self._in_tree(directory):
                continue
            # What was written before its directory was watched made no event.
            names = _names(directory)
            paths = (os.path.join(directory, name) for name in names)
            self._changed.update(path for path in paths if not self._ignored(path))

    def _may_move(self, change: EntryChange) -> bool:
        """Whether other directories must be watched now: one came or went, or a link did."""
        path = change.path
        return (
            change.directory
            or path in self._paths
            or path in self._aliases
            or path in self._links
            or any(missing.startswith(f"{path}/") for missing in self._missing)
        )

    def _asked_for(self, change: EntryChange) -> Iterable[str]:
        if change.structural and change.path in self._links:
            yield from (path for path in self._links[change.path] if not self._ignored(path))
        path = self._aliases.get(change.path, change.path)
        if self._ignored(path):
            return
        if path in self._paths:
            yield path
        elif self._in_tree(path):
            yield path
        elif os.path.dirname(path) in self._listed and (
            change.structural or path in self._unfinished
        ):
            yield path

    def _in_tree(self, path: str) -> bool:
        if not self._trees:
            return False
        parent = path
        while parent not in self._trees:
            name = os.path.basename(parent)
            up = os.path.dirname(parent)
            if up == parent or name in _SKIPPED_DIRECTORIES:
                return False
            parent = up
        return True

    def _schedule(self) -> None:
        now = self._loop.time()
        if self._timer is None:
            self._first_change_at = now
        else:
            self._timer.cancel()
        self._last_change_at = now
        self._set_timer()

    def _set_timer(self) -> None:
        if self._changed <= self._unfinished.keys():
            due = min(*self._unfinished.values(), self._first_change_at + MAX_UNFINISHED_S)
        else:
            settle_s = UNFINISHED_SETTLE_S if self._unfinished else COMPLETE_SETTLE_S
            due = min(self._last_change_at + settle_s, self._first_change_at + MAX_SETTLE_S)
        self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._timer = None
        now = self._loop.time() + _TIMER_GRAIN_S
        if now < self._last_change_at + BUSY_SETTLE_S and self._busy(self._changed):
            self._timer = self._loop.call_later(BUSY_LOOK_S, self._flush)
            return
        if now < self._first_change_at + MAX_UNFINISHED_S:
            unfinished = {path: due for path, due in self._unfinished.items() if due > now}
        else:
            unfinished = {}
        changed = self._changed - unfinished.keys()
        self._changed &= unfinished.keys()
        self._unfinished = unfinished
        self._created &= self._changed
        if self._changed:
            self._set_timer()
        if changed:
            self._on_change(sorted(changed))


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _nearest_directory(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _tree(root: str) -> Iterable[str]:
    for directory, names, _files in os.walk(root):
        names[:] = [name for name in names if name not in _SKIPPED_DIRECTORIES]
        yield directory
