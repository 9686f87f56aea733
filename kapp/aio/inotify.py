"""File events from Linux's inotify, in the event loop: no thread, no polling, no delay.

A save is seen in microseconds and an idle engine costs nothing, which a watcher that polls its own
queue cannot give both of. `kapp.aio.filewatch` decides what the events mean.

Source: inotify(7).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Callable, Collection

from kapp.aio.filewatch import EntryChange
from kapp.errors import KappError

_MODIFY = 0x2
_CLOSE_WRITE = 0x8
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_CREATE = 0x100
_DELETE = 0x200
_DELETE_SELF = 0x400
_MOVE_SELF = 0x800
_OVERFLOW = 0x4000
_IGNORED = 0x8000
_IS_DIR = 0x40000000
_ONLY_DIRECTORIES = 0x01000000

_STRUCTURAL = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_EVENTS = _MODIFY | _CLOSE_WRITE | _STRUCTURAL

_HEADER = struct.Struct("iIII")
# Room for a thousand events with short names; the kernel keeps the rest for the next read.
_READ_BYTES = 65536


class InotifyBackend:
    """Implements `kapp.aio.filewatch.Backend`; made in a running loop.

    Raises KappError, also from `watch`, where the system's limits are reached.
    """

    def __init__(self, on_entries: Callable[[list[EntryChange]], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._file < 0:
            raise _error("files cannot be watched")
        self._on_entries = on_entries
        self._directories: dict[int, str] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._read)

    def watch(self, directories: Collection[str]) -> None:
        """Watch the entries of exactly these directories."""
        kept: dict[int, str] = {}
        for directory in directories:
            descriptor = self._libc.inotify_add_watch(
                self._file, os.fsencode(directory), _EVENTS | _ONLY_DIRECTORIES
            )
            if descriptor >= 0:
                kept[descriptor] = directory
            elif ctypes.get_errno() == errno.ENOSPC:
                raise _error(f"{directory} cannot be watched")
        for descriptor in self._directories.keys() - kept.keys():
            self._libc.inotify_rm_watch(self._file, descriptor)
        self._directories = kept

    def close(self) -> None:
        """Stop. Safe to call twice."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _read(self) -> None:
        try:
            data = os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return
        changes = []
        offset = 0
        while offset < len(data):
            descriptor, mask, _cookie, length = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
            offset += length
            if mask & _IGNORED:
                continue
            if mask & _OVERFLOW:
                for lost in self._directories.values():
                    changes += _everything(lost)
            elif (directory := self._directories.get(descriptor)) is not None:
                path = f"{directory.rstrip('/')}/{name}" if name else directory
                changes.append(_change(path, mask))
        if changes:
            self._on_entries(changes)


def _everything(directory: str) -> list[EntryChange]:
    """What may have happened when events were lost: something to each entry."""
    changes = [EntryChange(directory, True, True, True)]
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        changes += [EntryChange(one.path, True, True, one.is_dir()) for one in entries]
    return changes


def _change(path: str, mask: int) -> EntryChange:
    directory = bool(mask & (_IS_DIR | _DELETE_SELF | _MOVE_SELF))
    complete = directory or bool(mask & (_CLOSE_WRITE | _MOVED_TO))
    return EntryChange(
        path, complete, bool(mask & _STRUCTURAL), directory, created=bool(mask & _CREATE)
    )


def _error(what: str) -> KappError:
    code = ctypes.get_errno()
    hints = {
        errno.ENOSPC: "raise the limit: sysctl fs.inotify.max_user_watches=524288",
        errno.EMFILE: "raise the limit: sysctl fs.inotify.max_user_instances=1024",
    }
    return KappError(f"{what}: {os.strerror(code)}", hint=hints.get(code, ""))
