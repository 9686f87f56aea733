"""FileWatch: turns changes of files into `status.fileEvents`.

Woken by its own objects, and by the watcher of each. Holds one `PathWatcher` per object, made again
whenever the spec changes; what a watcher saw is held only until it is in the status.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable
from datetime import datetime

import msgspec

from kapp.aio.filewatch import PathWatcher
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.filewatch import (
    NEWEST_EVENTS,
    FileEvent,
    FileWatch,
    FileWatchSpec,
    FileWatchStatus,
    IgnoreDef,
)
from kapp.controllers.disabling import disable_status
from kapp.errors import KappError
from kapp.machinery.objects import ObjectKey, format_micro_time


class _Watch(msgspec.Struct):
    """A running watcher, what it was made for, and what it saw that is not in the status yet."""

    uid: str
    spec: FileWatchSpec
    watcher: PathWatcher
    seen: list[tuple[datetime, list[str]]]


class FileWatchReconciler:
    """Reconciles FileWatches.

    Args:
        objects: kapp's API.
        enqueue: wakes a key.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        enqueue: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._enqueue = enqueue
        self._now = now
        self._watches: dict[str, _Watch] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Watch what the spec says, and write down what was seen."""
        obj = await self._objects.get(FileWatch, key.name)
        if obj is None:
            self._stop(key.name)
            return None
        before = encode(obj)
        status = obj.status
        status.disable_status = await disable_status(
            self._objects, obj.spec.disable_source, status.disable_status, self._now()
        )
        status.error = ""
        if status.disable_status is not None and status.disable_status.disabled:
            self._stop(key.name)
        else:
            self._follow(key, obj)
        await self._objects.write_status(obj, before)
        return None

    def close(self) -> None:
        """Stop every watcher."""
        for name in list(self._watches):
            self._stop(name)

    def _stop(self, name: str) -> None:
        if (watch := self._watches.pop(name, None)) is not None:
            watch.watcher.close()

    def _follow(self, key: ObjectKey, obj: FileWatch) -> None:
        watch = self._watches.get(key.name)
        if watch is None or watch.uid != obj.metadata.uid or watch.spec != obj.spec:
            seen = watch.seen if watch is not None else []
            self._stop(key.name)
            try:
                watch = self._start(key, obj, seen)
            except KappError as error:
                obj.status.error = error.one_line()
                return
            obj.status.monitor_start_time = format_micro_time(self._now())
        _record(obj.status, watch.seen)
        watch.seen.clear()

    def _start(
        self, key: ObjectKey, obj: FileWatch, seen: list[tuple[datetime, list[str]]]
    ) -> _Watch:
        def on_change(paths: list[str]) -> None:
            seen.append((self._now(), paths))
            self._enqueue(key)

        spec = obj.spec
        watcher = PathWatcher(
            spec.watched_paths, spec.listed_directories, on_change, ignored=ignoring(spec.ignores)
        )
        watch = _Watch(obj.metadata.uid, spec, watcher, seen)
        self._watches[key.name] = watch
        return watch


def _record(status: FileWatchStatus, seen: list[tuple[datetime, list[str]]]) -> None:
    events = [FileEvent(time=format_micro_time(time), seen_files=paths) for time, paths in seen]
    if events:
        status.file_events = [*status.file_events, *events][-NEWEST_EVENTS:]
        status.last_event_time = events[-1].time


def ignoring(ignores: list[IgnoreDef]) -> Callable[[str], bool]:
    """Whether a path is ignored, by the rules of `spec.ignores`.

    Patterns are those of .dockerignore: relative to basePath, a match of a directory covers what is
    below it, `**` spans directories, a leading `!` takes back, the last match counts.
    """
    if not ignores:
        return lambda _: False

    def ignored(path: str) -> bool:
        return any(_matches(path, ignore) for ignore in ignores)

    return ignored


def _matches(path: str, ignore: IgnoreDef) -> bool:
    base = ignore.base_path.rstrip("/")
    if path != base and not path.startswith(f"{base}/"):
        return False
    if not ignore.patterns:
        return True
    relative = os.path.relpath(path, base)
    parts = relative.split("/")
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    result = False
    for pattern in ignore.patterns:
        wanted = not pattern.startswith("!")
        clean = pattern.removeprefix("!").strip("/")
        if any(_glob(prefix, clean) for prefix in prefixes):
            result = wanted
    return result


def _glob(path: str, pattern: str) -> bool:
    return _glob_parts(path.split("/"), pattern.split("/"))


def _glob_parts(parts: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_glob_parts(parts[count:], patterns[1:]) for count in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatchcase(parts[0], patterns[0])
        and _glob_parts(parts[1:], patterns[1:])
    )
