"""What resources print, as bytes, within a budget.

Writers open a span (one container, one build) and append bytes; the store cuts them at newlines
into chunks with one global sequence. Readers take chunks in that order, from memory, at their own
pace: nothing is kept for them, so a slow one cannot hold back the engine. What was dropped before a
reader came to it is counted in lines and told to it.

Invariants:
- A chunk is whole lines of one span. Each span's bytes come out in the order they went in.
- A resource holds at most its budget; its oldest chunks go first, other resources' never.
- Redaction sees whole lines, before anything is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import datetime

from kapp.logs.chunks import Chunk, Entry, Missed, Span, last_lines, lines_since

__all__ = ["Chunk", "Entry", "LogStore", "Missed", "Span"]

BUDGET_BYTES = 4 * 1024 * 1024
"""Per resource: some 40 000 lines, more than anyone scrolls; 200 talkative resources are not told
apart from a leak otherwise."""

_CHUNK_OVERHEAD_BYTES = 300
"""What a chunk costs beside its bytes (measured: tuple, integers, bytes object, deque slot):
counted, so that many short lines cannot pass the budget."""

_MAX_PARTIAL_BYTES = 256 * 1024
"""Of a line without end; it is cut here, as in a pod's log."""


class _Resource:
    __slots__ = ("chunks", "lines", "size")

    def __init__(self) -> None:
        self.chunks: deque[Chunk] = deque()
        self.size = 0
        self.lines = 0  # ever appended


class LogStore:
    """See the module's text. Not for use from other threads.

    Args:
        now: wall time, for chunks whose writer gives none.
        budget_bytes: per resource.

    Attributes:
        redact: takes secrets out of whole lines; set by whoever knows them.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self.redact: Callable[[bytes], bytes] | None = None
        self._now = now
        self._budget = budget_bytes
        self._resources: dict[str, _Resource] = {}
        self._partial: dict[int, bytes] = {}
        self._next_seq = 1
        self._next_span = 1
        self._readers: set[asyncio.Event] = set()

    @property
    def resources(self) -> list[str]:
        """Those that have written, in the order of their first line."""
        return list(self._resources)

    def dropped(self, resource: str) -> int:
        """Lines of `resource` that were dropped to keep its budget."""
        held = self._resources.get(resource)
        if held is None:
            return 0
        return held.chunks[0].first_line if held.chunks else held.lines

    # -- writing

    def open(self, resource: str, label: str = "", pod: str = "") -> Span:
        """A new span; nothing is shown until it is written to."""
        span = Span(self._next_span, resource, label, pod)
        self._next_span += 1
        return span

    def append(
        self,
        span: Span,
        data: bytes,
        *,
        level: str = "info",
        time: datetime | None = None,
        stamps: bytes = b"",
    ) -> None:
        """Add bytes; an incomplete last line is held until its end comes, or `close`.

        `time` is that of the last line, now if it is None. `stamps` are the times of the lines, as
        in `Chunk`; they come with whole lines only.
        """
        held = self._partial.pop(span.id, b"")
        if held:
            data = held + data
        if not data.endswith(b"\n"):
            data, newline, rest = data.rpartition(b"\n")
            data += newline
            if len(rest) > _MAX_PARTIAL_BYTES:
                data, rest = data + rest + b"\n", b""
            if rest:
                self._partial[span.id] = rest
        if data:
            self._add(span, data, level, time, stamps)

    def close(self, span: Span) -> None:
        """The span is over: its incomplete last line is a line."""
        rest = self._partial.pop(span.id, b"")
        if rest:
            self._add(span, rest + b"\n", "info", None)

    def forget(self, resource: str) -> None:
        """The resource is gone: let go of what it printed."""
        self._resources.pop(resource, None)

    def _add(
        self, span: Span, data: bytes, level: str, time: datetime | None, stamps: bytes = b""
    ) -> None:
        if self.redact is not None:
            data = self.redact(data)
        held = self._resources.get(span.resource)
        if held is None:
            held = self._resources[span.resource] = _Resource()
        lines = data.count(b"\n")
        held.chunks.append(
            Chunk(self._next_seq, span, time or self._now(), level, data, held.lines, lines, stamps)
        )
        self._next_seq += 1
        held.lines += lines
        held.size += _size(held.chunks[-1])
        while held.size > self._budget and len(held.chunks) > 1:
            held.size -= _size(held.chunks.popleft())
        for event in self._readers:
            event.set()

    # -- reading

    async def read(
        self,
        resources: Collection[str] | None = None,
        *,
        since: datetime | None = None,
        tail: int | None = None,
        select: Callable[[Chunk], Chunk | None] = lambda chunk: chunk,
        follow: bool = False,
    ) -> AsyncGenerator[Entry, None]:
        """What is kept, in order; with `follow`, also what comes, until the caller stops.

        Args:
            resources: only these; None for all, those to come included.
            since: only lines from then on.
            tail: only the last so many lines of what is kept.
            select: leaves lines out, before they are counted for `tail`.
            follow: go on for ever.
        """
        wanted = None if resources is None else frozenset(resources)
        wake = asyncio.Event()
        self._readers.add(wake)
        try:
            position = _Position()
            first = self._after(position, wanted)
            if since is not None:
                first = _since(first, since)
            first = _selected(first, select)
            if tail is not None:
                first = _last_lines(first, tail)
            for entry in first:
                yield entry
            while follow:
                wake.clear()
                for entry in _selected(self._after(position, wanted), select):
                    yield entry
                await wake.wait()
        finally:
            self._readers.discard(wake)

    def _after(self, position: _Position, wanted: frozenset[str] | None) -> list[Entry]:
        """What is newer than `position`, which is moved to the newest."""
        missed: list[Entry] = []
        chunks: list[Chunk] = []
        for name, held in self._resources.items():
            if wanted is not None and name not in wanted:
                continue
            if not held.chunks or held.chunks[-1].seq <= position.seq:
                continue
            new: list[Chunk] = []
            for chunk in reversed(held.chunks):
                if chunk.seq <= position.seq:
                    break
                new.append(chunk)
            lost = new[-1].first_line - position.lines.get(name, 0)
            if lost > 0:
                missed.append(Missed(name, lost))
            position.lines[name] = held.lines
            chunks += new
        chunks.sort()
        position.seq = self._next_seq - 1
        return [*missed, *chunks]


class _Position:
    """How far a reader has come: globally, and in lines of each resource."""

    def __init__(self) -> None:
        self.seq = 0
        self.lines: dict[str, int] = {}


def _size(chunk: Chunk) -> int:
    return len(chunk.data) + len(chunk.stamps) + _CHUNK_OVERHEAD_BYTES


def _since(entries: list[Entry], moment: datetime) -> list[Entry]:
    """Lines from `moment` on; what was dropped is told where what follows it is wanted whole."""
    whole: dict[str, bool] = {}
    kept: list[Entry] = []
    for entry in entries:
        if isinstance(entry, Chunk):
            wanted = lines_since(entry, moment)
            whole.setdefault(entry.span.resource, wanted is entry)
            kept += [wanted] if wanted is not None else []
        else:
            kept.append(entry)
    return [e for e in kept if isinstance(e, Chunk) or whole.get(e.resource, True)]


def _selected(entries: list[Entry], select: Callable[[Chunk], Chunk | None]) -> list[Entry]:
    found = (entry if isinstance(entry, Missed) else select(entry) for entry in entries)
    return [entry for entry in found if entry is not None]


def _last_lines(entries: list[Entry], count: int) -> list[Entry]:
    """The last `count` lines; what was asked to be left out was not missed."""
    kept: list[Entry] = []
    for entry in reversed(entries):
        if count <= 0:
            break
        if isinstance(entry, Missed):
            continue
        if (wanted := last_lines(entry, count)) is not None:
            kept.append(wanted)
            count -= wanted.lines
    return kept[::-1]
