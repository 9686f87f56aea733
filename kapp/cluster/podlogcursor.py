"""Where a container's log was read to, so that a new request goes on without loss or repetition.

Pure: chunks of a response with `timestamps=true` in, complete lines without timestamps out. Used by
`podlogs.py`, one cursor for each container.

How resuming works: the server's `sinceTime` has whole seconds, so what comes back begins with lines
already read. They are dropped up to the last line delivered, which is known by its timestamp and
by how many lines carried that timestamp. Should that line not come (the container was restarted,
or its file rotated away), the first line newer than all delivered *strays*: it and what follows is
held until `resume`, so that what lies between can be read first, by a `branch`, from the log of the
container's previous instance. A line that broke off in the middle comes again, or, if nobody has
it any more, never: it is then delivered as it was.

What a kubelet has to say itself ("unable to retrieve container logs for …") comes as a last line
without a timestamp: that is no line of the container, but a `remark`.

Source of the format: pkg/kubelet/kuberuntime/logs/logs.go (`2006-01-02T15:04:05.000000000Z07:00`,
a space, the line). Other servers trim zeros of the fraction, or give an offset; both are read.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from kapp.machinery.objects import format_time

MAX_LINE_BYTES = 256 * 1024
"""Of one line; what is over is cut and said. A line without end must not fill the memory."""

_CUT = b" [line cut by kapp]"
_STAMP_BYTES = 64
"""No timestamp is longer."""

_NANOSECONDS = 1_000_000_000


class LogBatch(NamedTuple):
    """Complete lines, each ending in a newline, timestamps taken off.

    `time` is the last line's timestamp as the server wrote it, "" if it had none; `stamps` are
    those of all lines, separated by newlines.
    """

    data: bytes
    lines: int
    time: str
    stamps: bytes


class LogCursor:
    """Reads responses in sequence: `begin`, `feed`…, `end`, and again.

    Attributes:
        strayed: whether lines are held, since the last one delivered did not come before them.
        remark: what the server said last instead of a line, "" once another response begins.
    """

    def __init__(self, since: datetime | None = None) -> None:
        self._since = since
        self._last = b""  # timestamp of the last line delivered
        self._last_count = 0  # lines delivered with it
        self._newest = -1  # greatest timestamp delivered, in nanoseconds
        self._skipping = False
        self._skip_count = 0  # lines with `_last` still to be dropped
        self._broken_off = b""  # the beginning of a line that a response ended in
        self._partial: list[bytes] = []
        self._partial_bytes = 0
        self._line_is_cut = False
        self.strayed = False
        self.remark = ""
        self._held: list[bytes] = []

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever delivered."""
        return not self._last

    @property
    def since_time(self) -> str:
        """The `sinceTime` of the next request, "" for the whole log."""
        if self._last:
            moment = datetime.fromtimestamp(timestamp_ns(self._last) // _NANOSECONDS).astimezone()
            return format_time(moment)
        return format_time(self._since) if self._since else ""

    def begin(self) -> None:
        """A new response starts; the incomplete line of the one before should come again."""
        self.strayed, self._held, self.remark = False, [], ""
        partial = b"".join(self._partial)
        # Not if lines already delivered were still coming, or not even its timestamp had come
        if b" " in partial and not self._skipping and not self._is_remark(partial):
            self._broken_off = partial
        self._drop_partial()
        self._skipping = bool(self._last)
        self._skip_count = self._last_count

    def feed(self, chunk: bytes) -> LogBatch | None:
        """The new lines that `chunk` completes, None if there are none."""
        head, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._hold(chunk)
            return None
        if self._partial:
            head = b"".join((*self._partial, head))
        cut = self._line_is_cut
        self._drop_partial()
        if rest:
            self._hold(rest)
        lines = head.split(b"\n")
        if cut:
            lines[0] = lines[0][:MAX_LINE_BYTES] + _CUT
        return self._deliver(lines)

    def end(self) -> LogBatch | None:
        """The log is over: its last line counts even without a newline."""
        line = b"".join(self._partial)
        if self._line_is_cut:
            line = line[:MAX_LINE_BYTES] + _CUT
        self._drop_partial()
        if line:
            return self._deliver([line])
        broken_off, self._broken_off = self._broken_off, b""
        return self._deliver([broken_off]) if broken_off else None

    def branch(self) -> LogCursor:
        """A cursor that goes on after the last line delivered, in another log: `begin` it."""
        other = LogCursor(self._since)
        other._last, other._last_count = self._last, self._last_count
        other._newest, other._broken_off = self._newest, self._broken_off
        return other

    def adopt(self, other: LogCursor) -> None:
        """What a branch delivered counts as delivered by this one."""
        self._last, self._last_count = other._last, other._last_count
        self._newest, self._broken_off = other._newest, other._broken_off

    @property
    def found(self) -> bool:
        """Whether what was delivered before `begin` was found again."""
        return not (self._skipping or self.strayed)

    def resume(self) -> LogBatch | None:
        """Deliver what was held."""
        held, self._held = self._held, []
        self.strayed = self._skipping = False
        return self._deliver(held)

    def _hold(self, piece: bytes) -> None:
        """Keep the beginning of a line, as much of it as a line may have."""
        room = MAX_LINE_BYTES - self._partial_bytes
        if len(piece) > room:
            self._line_is_cut = True
            piece = piece[: max(room, 0)]
        self._partial_bytes += len(piece)
        if piece or not self._partial:
            self._partial.append(piece)

    def _drop_partial(self) -> None:
        self._partial.clear()
        self._partial_bytes = 0
        self._line_is_cut = False

    def _deliver(self, lines: list[bytes]) -> LogBatch | None:
        while lines and self._is_remark(lines[-1]):
            self.remark = lines.pop().decode("utf-8", "replace")
        if self.strayed:
            self._held += lines
            return None
        if self._skipping:
            lines = self._skip(lines)
        if not lines:
            return None
        if self._broken_off:
            if not lines[0].startswith(self._broken_off):
                lines.insert(0, self._broken_off)
            self._broken_off = b""
        last, stamps = lines[-1].partition(b" ")[0], b""
        if not _is_timestamp(last):
            last = b""  # a server that ignores `timestamps`: the text is all there is
        if last:
            self._remember(last, lines)
            parts = [line.partition(b" ") for line in lines]
            stamps = b"\n".join([part[0] for part in parts])
            lines = [part[2] for part in parts]
        lines.append(b"")
        return LogBatch(b"\n".join(lines), len(lines) - 1, last.decode(), stamps)

    def _is_remark(self, line: bytes) -> bool:
        """Whether a line has no timestamp, though this server gives them."""
        return bool(self._last) and not _is_timestamp(line[:_STAMP_BYTES].partition(b" ")[0])

    def _remember(self, last: bytes, lines: list[bytes]) -> None:
        if last != self._last:
            self._last, self._last_count = last, 0
        prefix = last + b" "
        for line in reversed(lines):
            if not (line.startswith(prefix) or line == last):
                break
            self._last_count += 1
        # Two streams of a container: their lines may be a little out of order.
        greatest = max(lines).partition(b" ")[0]
        self._newest = max(self._newest, timestamp_ns(last), timestamp_ns(greatest))

    def _skip(self, lines: list[bytes]) -> list[bytes]:
        for index, line in enumerate(lines):
            stamp = line.partition(b" ")[0]
            if stamp == self._last:
                self._skip_count -= 1
                if self._skip_count <= 0:
                    self._skipping = False
                    return lines[index + 1 :]
            elif not _is_timestamp(stamp) or timestamp_ns(stamp) > self._newest:
                self.strayed, self._held = True, lines[index:]
                break
        return []


def _is_timestamp(text: bytes) -> bool:
    return len(text) >= 20 and text[4:5] == b"-" and text[10:11] == b"T" and text[:4].isdigit()


def timestamp_ns(text: bytes) -> int:
    """Nanoseconds since 1970 of an RFC 3339 timestamp; 0 if it is none."""
    whole, dot, rest = text.decode("ascii", "replace").partition(".")
    digits = ""
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole += rest[len(digits) :]
    try:
        seconds = int(datetime.fromisoformat(whole).timestamp())
    except ValueError:
        return 0
    return seconds * _NANOSECONDS + int((digits + "000000000")[:9])
