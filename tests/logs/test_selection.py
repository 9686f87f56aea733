"""Lines that are as bad as asked for, with what belongs to them."""

from __future__ import annotations

from datetime import UTC, datetime

from kapp.logs.chunks import Chunk, Span
from kapp.logs.selection import AtLeast

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def chunk(text: str, span: int = 1, level: str = "info") -> Chunk:
    data = text.encode()
    return Chunk(1, Span(span, "web", "main"), NOW, level, data, 0, data.count(b"\n"))


def selected(select: AtLeast, one: Chunk) -> str:
    found = select(one)
    return found.data.decode() if found is not None else ""


def test_a_traceback_is_one_piece() -> None:
    failure = (
        "Traceback (most recent call last):\n"
        '  File "/app.py", line 1, in main\n'
        "    run()\n"
        "psycopg.errors.OperationalError: no route to host\n"
    )
    java = 'Exception in thread "main" java.lang.Error: x\n\tat a.b.C.main(C.java:5)\n'
    text = f"INFO starting\n  indented\n{failure}{java}serving\n"
    assert selected(AtLeast("error"), chunk(text)) == failure + java


def test_a_line_is_judged_without_its_colours() -> None:
    text = "\x1b[31mERROR\x1b[0m no\n\x1b[32mINFO\x1b[0m yes\n"
    assert selected(AtLeast("warn"), chunk(text)) == "\x1b[31mERROR\x1b[0m no\n"


def test_what_belongs_together_is_known_by_span_and_over_chunks() -> None:
    select = AtLeast("error")
    assert selected(select, chunk("ERROR: one\n")) == "ERROR: one\n"
    assert selected(select, chunk("\tof another\n", span=2)) == ""
    assert selected(select, chunk("\tmore\n")) == "\tmore\n"


def test_what_the_writer_said_counts() -> None:
    assert selected(AtLeast("warn"), chunk("gone\n", level="warn")) == "gone\n"
