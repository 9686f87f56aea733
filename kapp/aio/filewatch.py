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

# Long enough for a tool that saves several files, too short for a person to notice.
COMPLETE_SETTLE_S = 0.01
# An editor that truncates, writes and closes, or removes and creates, does so within this.
UNFINISHED_SETTLE_S = 0.04
# Changes that never stop (a build that writes into a watched tree) are still reported this often.
MAX_SETTLE_S = 0.3
# A file that is written to all the while and never closed is reported in the end, as it is then.
MAX_UNFINISHED_S = 2.0

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
    """

    path: str
    complete: bool
    structural: bool
    directory: bool


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
        backend: makes the backend.
    """

    def __init__(
        self,
        paths: Iterable[str],
        listed: Iterable[str],
        on_change: Callable[[list[str]], None],
        *,
        ignored: Callable[[str], bool] = lambda _: False,
        backend: MakeBackend = system_backend,
    ) -> None:
        self._paths = frozenset(paths)
        self._listed = frozenset(listed)
        self._on_change = on_change
        self._ignored = ignored
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._first_change_at = 0.0
        self._settled_at = 0.0
        self._changed: set[str] = set()
        self._unfinished: set[str] = set()
        # Where a link leads: a change there is a change of the path that was asked for.
        self._aliases: dict[str, str] = {}
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
        self._aliases, self._trees, self._missing = {}, set(), set()
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
        if any(change.structural and self._may_move(change) for change in changes):
            self._rearm()
        for change in changes:
            for path in self._asked_for(change):
                self._changed.add(path)
                if change.complete:
                    self._unfinished.discard(path)
                else:
                    self._unfinished.add(path)
        if self._changed:
            self._schedule()

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
            or any(missing.startswith(f"{path}/") for missing in self._missing)
        )

    def _asked_for(self, change: EntryChange) -> Iterable[str]:
        path = self._aliases.get(change.path, change.path)
        if self._ignored(path):
            return
        if path in self._paths:
            yield path
        elif self._in_tree(path) or (change.structural and os.path.dirname(path) in self._listed):
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
        self._settled_at = now + (UNFINISHED_SETTLE_S if self._unfinished else COMPLETE_SETTLE_S)
        self._set_timer()

    def _set_timer(self) -> None:
        most_s = MAX_UNFINISHED_S if self._changed <= self._unfinished else MAX_SETTLE_S
        due = min(self._settled_at, self._first_change_at + most_s)
        self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._timer = None
        changed = set(self._changed)
        if self._loop.time() < self._settled_at and not changed <= self._unfinished:
            changed -= self._unfinished
        self._changed -= changed
        self._unfinished &= self._changed
        if self._changed:
            self._set_timer()
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
