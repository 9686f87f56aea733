"""Parts of chunks: each line keeps its own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kapp.logs.chunks import Chunk, Span, chosen, last_lines, lines_since, time_of

NOW = datetime(2026, 11, 23, 18, 29, 16, tzinfo=UTC)
STAMPS = [b"2026-11-23T18:29:%02d.5Z" % second for second in (13, 14, 15)]
CHUNK = Chunk(
    7, Span(1, "web", "main"), NOW, "info", b"a\n\x0c\nc\n", 10, 3, b"\n".join(STAMPS)
)  # fmt: skip


def test_lines_by_index() -> None:
    assert chosen(CHUNK, range(3)) is CHUNK
    assert chosen(CHUNK, []) is None
    part = chosen(CHUNK, [1, 2])
    assert part is not None
    assert (part.data, part.lines, part.first_line) == (b"\x0c\nc\n", 2, 11)
    assert part.stamps.split(b"\n") == STAMPS[1:]
    assert last_lines(CHUNK, 1) == chosen(CHUNK, [2])
    assert last_lines(CHUNK, 0) is None
    assert last_lines(CHUNK, 9) is CHUNK


@pytest.mark.parametrize(("seconds", "lines"), [(4, 3), (2, 2), (1, 1), (0.5, 1), (-1, None)])
def test_lines_since_a_moment(seconds: float, lines: int | None) -> None:
    part = lines_since(CHUNK, NOW - timedelta(seconds=seconds))
    assert (part.lines if part else None) == lines
    unstamped = CHUNK._replace(stamps=b"")
    assert lines_since(unstamped, NOW - timedelta(seconds=seconds)) == (
        unstamped if seconds >= 0 else None
    )


def test_what_only_looks_like_a_time() -> None:
    assert time_of(b"2026-13-45T00:00:00Z") is None
    assert time_of(b"2026-11-23T18:29:16,123") is None  # a program's own, without a zone
    assert time_of(b"2026-11-23T19:29:16.123456789+01:00") == NOW + timedelta(microseconds=123456)
