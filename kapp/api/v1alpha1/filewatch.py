"""FileWatch: files and directories, and what changed in them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.v1alpha1.meta import DisableSource, DisableStatus, Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

NEWEST_EVENTS = 20
"""How many events a status keeps, as in Tilt: enough to see what a burst was."""


class IgnoreDef(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Files that do not count.

    Attributes:
        base_path: Directory that the patterns are relative to.
        patterns: Patterns as in a .dockerignore file; none means everything below basePath.
    """

    base_path: str
    patterns: list[str] = []


class FileWatchSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What to watch.

    Attributes:
        watched_paths: Absolute paths; a directory is watched with all below it; what does not
            exist yet is waited for.
        listed_directories: Absolute paths of directories of which only the direct entries count.
        ignores: Files that do not count.
        disable_source: Where to read whether to watch at all.
    """

    watched_paths: list[str]
    listed_directories: list[str] = []
    ignores: list[IgnoreDef] = []
    disable_source: DisableSource | None = None


class FileEvent(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Changes that happened together.

    Attributes:
        time: When the last of them was seen.
        seen_files: Absolute paths, sorted.
    """

    time: Time
    seen_files: list[str] = []


class FileWatchStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What was seen.

    Attributes:
        monitor_start_time: When watching began.
        last_event_time: When the newest event happened.
        file_events: The newest events, oldest first.
        error: Why files cannot be watched.
        disable_status: Whether watching is disabled.
    """

    monitor_start_time: Time = ""
    last_event_time: Time = ""
    file_events: list[FileEvent] = []
    error: str = ""
    disable_status: DisableStatus | None = None


class FileWatch(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """Files and directories, and what changed in them.

    Attributes:
        spec: What to watch.
        status: What was seen.
    """

    KIND: ClassVar[str] = "FileWatch"
    PLURAL: ClassVar[str] = "filewatches"

    spec: FileWatchSpec
    status: FileWatchStatus = msgspec.field(default_factory=FileWatchStatus)


def _check(obj: FileWatch) -> Iterable[Cause]:
    if not obj.spec.watched_paths:
        yield Cause("spec.watchedPaths", "Required value", "FieldValueRequired")
    for index, path in enumerate(obj.spec.watched_paths):
        if not os.path.isabs(path):
            yield Cause(
                f"spec.watchedPaths[{index}]", f'Invalid value: "{path}": must be an absolute path'
            )
    for index, ignore in enumerate(obj.spec.ignores):
        if not os.path.isabs(ignore.base_path):
            yield Cause(
                f"spec.ignores[{index}].basePath",
                f'Invalid value: "{ignore.base_path}": must be an absolute path',
            )


def _paths(obj: Object, _now: Any) -> int:
    return len((obj.get("spec") or {}).get("watchedPaths") or ())


def _last_file(obj: Object, _now: Any) -> str:
    events = (obj.get("status") or {}).get("fileEvents") or ()
    return events[-1]["seenFiles"][-1] if events and events[-1].get("seenFiles") else ""


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        FileWatch,
        short_names=("fw",),
        columns=(
            Column("Paths", _paths, "integer", "How many paths are watched."),
            Column("Last Event", field("status.lastEventTime"), description="Newest event."),
            Column("Error", field("status.error"), description="What is wrong."),
            Column("Last File", _last_file, description="A file of that event.", priority=1),
        ),
        check=_check,
    )
