"""What the log store holds and gives to readers (pure): chunks of whole lines, and their parts."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias


class Span(NamedTuple):
    """A source of lines: a container, a build.

    `label` tells it from others of its resource, `pod` from those of the same label.
    """

    id: int
    resource: str
    label: str
    pod: str = ""


class Chunk(NamedTuple):
    """Whole lines of one span.

    `time` is that of the last line; `first_line` counts the resource's lines before it, ever;
    `stamps` are the times of all lines as their writer noted them (RFC 3339, a newline between
    two), or empty.
    """

    seq: int
    span: Span
    time: datetime
    level: str
    data: bytes
    first_line: int
    lines: int
    stamps: bytes = b""


class Missed(NamedTuple):
    """Lines of a resource that were dropped before this reader came to them."""

    resource: str
    lines: int


Entry: TypeAlias = Chunk | Missed


def lines_of(chunk: Chunk) -> list[bytes]:
    """The lines, without their newlines.

    Not `splitlines`: form feeds and the like are text, and the count must be the store's.
    """
    return chunk.data.removesuffix(b"\n").split(b"\n")


def stamps_of(chunk: Chunk) -> list[bytes]:
    """Each line's own time, as noted; empty if none was."""
    return chunk.stamps.split(b"\n") if chunk.stamps else []


def chosen(chunk: Chunk, indices: Sequence[int]) -> Chunk | None:
    """Some of the lines, by index; None if it is none of them."""
    if len(indices) == chunk.lines:
        return chunk
    if not indices:
        return None
    lines, stamps = lines_of(chunk), stamps_of(chunk)
    return chunk._replace(
        data=b"".join([lines[index] + b"\n" for index in indices]),
        stamps=b"\n".join([stamps[index] for index in indices]) if stamps else b"",
        first_line=chunk.first_line + indices[0],
        lines=len(indices),
    )


def last_lines(chunk: Chunk, count: int) -> Chunk | None:
    """The last `count` lines."""
    return chosen(chunk, range(max(chunk.lines - count, 0), chunk.lines))


def lines_since(chunk: Chunk, moment: datetime) -> Chunk | None:
    """The lines from `moment` on; without times of their own, all have the chunk's."""
    if chunk.time < moment:
        return None
    stamps = stamps_of(chunk)
    first = bisect_left(stamps, moment, key=lambda stamp: time_of(stamp) or chunk.time)
    return chosen(chunk, range(first, chunk.lines)) if stamps else chunk


def time_of(stamp: bytes) -> datetime | None:
    """A noted time; None if it only looks like one."""
    try:
        moment = datetime.fromisoformat(stamp.decode("ascii", "replace"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
