"""A container instance's log on disk: written line by line as kubelet's runtime writes it.

Line format (CRI, k8s.io/kubernetes/pkg/kubelet/kuberuntime/logs): `TIME STREAM TAG TEXT`, TIME in
RFC 3339 with nine fractional digits (so that text order is time order, and no two lines share one),
TAG `F` for a whole line, `P` for a piece without its newline. When a file is full it becomes
`<name>.1` and the one before that is dropped: a log takes at most twice `MAX_FILE_BYTES`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

MAX_FILE_BYTES = 10 * 1024 * 1024  # kubelet's containerLogMaxSize
_READ_BYTES = 1 << 16
_MAX_LINE_BYTES = 16 * 1024  # containerd splits longer lines


class Line(NamedTuple):
    """One entry; `text` has no newline, `whole` tells whether one followed it."""

    time: bytes
    stream: bytes
    whole: bool
    text: bytes


def parse_line(raw: bytes) -> Line:
    """Read back one line of the file (without its newline)."""
    moment, stream, tag, text = raw.split(b" ", 3)
    return Line(moment, stream, tag == b"F", text)


def timestamp(nanoseconds: int) -> bytes:
    """RFC 3339 in UTC with nine fractional digits."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


class LogFile:
    """Writes one container instance's output, and tells those who follow it.

    Args:
        path: the file; its directory is created.
        now_ns: wall time in nanoseconds since the epoch.
    """

    def __init__(
        self, path: Path, now_ns: Callable[[], int], max_bytes: int = MAX_FILE_BYTES
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.generation = 0
        self.closed = asyncio.Event()
        self._now_ns = now_ns
        self._max_bytes = max_bytes
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._last_ns = 0
        self._pending: dict[bytes, bytes] = {}
        self._readers: dict[int, bytes] = {}
        self._listeners: list[Callable[[bytes, bytes], None]] = []
        self._changed: list[asyncio.Event] = []

    @property
    def old_path(self) -> Path:
        """Where the part before the last rotation is."""
        return self.path.with_name(self.path.name + ".1")

    def attach(self, descriptor: int, stream: bytes) -> None:
        """Take over the reading end of a pipe or terminal; it is closed at its end."""
        os.set_blocking(descriptor, False)
        self._readers[descriptor] = stream
        asyncio.get_running_loop().add_reader(descriptor, self._read, descriptor)

    def subscribe(self, listener: Callable[[bytes, bytes], None]) -> Callable[[], None]:
        """Hear raw output (stream, bytes) as it comes; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(self) -> tuple[asyncio.Event, Callable[[], None]]:
        """An event that is set at each write and at the end, and how to stop watching."""
        event = asyncio.Event()
        self._changed.append(event)
        return event, lambda: self._changed.remove(event)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last process left the terminal
        if data:
            self.write(self._readers[descriptor], data)
        else:
            self._end(descriptor)

    def _end(self, descriptor: int) -> None:
        stream = self._readers.pop(descriptor)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        if rest := self._pending.pop(stream, b""):
            self._append([(stream, b"P", rest)])
        if not self._readers:
            self._finish()

    def write(self, stream: bytes, data: bytes) -> None:
        """Append output of a stream."""
        for listener in list(self._listeners):
            listener(stream, data)
        *lines, rest = (self._pending.pop(stream, b"") + data).split(b"\n")
        entries = []
        for line in lines:
            while len(line) > _MAX_LINE_BYTES:
                entries.append((stream, b"P", line[:_MAX_LINE_BYTES]))
                line = line[_MAX_LINE_BYTES:]
            entries.append((stream, b"F", line))
        while len(rest) > _MAX_LINE_BYTES:
            entries.append((stream, b"P", rest[:_MAX_LINE_BYTES]))
            rest = rest[_MAX_LINE_BYTES:]
        if rest:
            self._pending[stream] = rest
        self._append(entries)

    def _append(self, entries: list[tuple[bytes, bytes, bytes]]) -> None:
        if not entries:
            return
        moment = max(self._now_ns(), self._last_ns + 1)
        second = moment // 1_000_000_000
        prefix = timestamp(second * 1_000_000_000)[:20]
        chunks = []
        for number, (stream, tag, text) in enumerate(entries, start=moment):
            if number // 1_000_000_000 != second:
                second = number // 1_000_000_000
                prefix = timestamp(second * 1_000_000_000)[:20]
            nanoseconds = b"%09dZ" % (number % 1_000_000_000)
            chunks.append(b"%b%b %b %b %b\n" % (prefix, nanoseconds, stream, tag, text))
        self._last_ns = moment + len(entries) - 1
        data = b"".join(chunks)
        if self._size and self._size + len(data) > self._max_bytes:
            self._rotate()
        self._file.write(data)
        self._size += len(data)
        self._tell()

    def _rotate(self) -> None:
        self._file.close()
        os.replace(self.path, self.old_path)
        self._file = self.path.open("ab", buffering=0)
        self._size = 0
        self.generation += 1

    def _tell(self) -> None:
        for event in self._changed:
            event.set()

    def _finish(self) -> None:
        if not self.closed.is_set():
            self._file.close()
            self.closed.set()
            self._tell()

    def close(self) -> None:
        """Read what is there, then stop writing, even if somebody holds the other end open."""
        for descriptor in list(self._readers):
            for _ in range(16):  # at most 1 MiB: a pipe holds 64 KiB unless it is being refilled
                self._read(descriptor)
                if descriptor not in self._readers:
                    break
        for descriptor in list(self._readers):
            self._end(descriptor)
        self._finish()
