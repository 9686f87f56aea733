"""Chunks as text: prefixes, labels, times, JSON lines, colours, bytes that are no text."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from kapp.logs.store import Chunk, Missed, Span
from kapp.logs.view import LogView, ViewOptions

TIME = datetime(2026, 11, 23, 18, 29, 16, 123456, tzinfo=UTC)


def chunk(data: bytes, resource: str = "web", label: str = "", level: str = "info") -> Chunk:
    return Chunk(1, Span(1, resource, label, "web-0"), TIME, level, data, 0, data.count(b"\n"))


def test_one_resource_needs_no_prefix() -> None:
    view = LogView(resources=["web"])
    assert view.render(chunk(b"one\n\ntwo\n")) == "one\n\ntwo\n"


def test_several_resources_are_told_apart_and_aligned() -> None:
    view = LogView(resources=["web", "database"])
    assert view.render(chunk(b"hello\n")) == "     web │ hello\n"
    assert view.render(chunk(b"hello\n", "database")) == "database │ hello\n"
    assert view.render(chunk(b"hello\n", "a-longer-name")) == "a-longer-name │ hello\n"
    assert view.render(chunk(b"hello\n")) == "          web │ hello\n"


def test_containers_are_told_apart_once_there_are_two() -> None:
    view = LogView()
    assert view.render(chunk(b"a\n", label="main")) == "a\n"
    assert view.render(chunk(b"b\n", label="sidecar")) == "[sidecar] b\n"
    assert view.render(chunk(b"c\n", label="main")) == "[main] c\n"


def test_prefixes_and_times_on_request() -> None:
    view = LogView(ViewOptions(prefix=True, timestamps=True))
    assert view.render(chunk(b"a\n")) == "web │ 2026-11-23T18:29:16.123Z a\n"


def test_each_line_has_its_own_time() -> None:
    stamps = b"2026-11-23T18:29:14.987654321Z\n2026-11-23T18:29:15Z"
    one = chunk(b"a\nb\n")._replace(stamps=stamps)
    view = LogView(ViewOptions(timestamps=True))
    assert view.render(one) == "2026-11-23T18:29:14.987Z a\n2026-11-23T18:29:15.000Z b\n"
    lines = LogView(ViewOptions(json=True)).render(one).splitlines()
    assert [json.loads(line)["time"] for line in lines] == [
        "2026-11-23T18:29:14.987Z",
        "2026-11-23T18:29:15.000Z",
    ]


def test_json_lines() -> None:
    view = LogView(ViewOptions(json=True, color=True))
    lines = view.render(chunk(b"\x1b[31mred\x1b[0m\nb\xff\n", label="main", level="warn"))
    assert [json.loads(line) for line in lines.splitlines()] == [
        {
            "time": "2026-11-23T18:29:16.123Z",
            "resource": "web",
            "level": "warn",
            "message": message,
            "source": "main",
            "pod": "web-0",
        }
        for message in ("red", "b\ufffd")
    ]
    assert json.loads(view.render(Missed("web", 3)))["resource"] == "web"


@pytest.mark.parametrize(("color", "expected"), [(False, "red\n"), (True, "\x1b[31mred\x1b[0m\n")])
def test_a_programs_own_colours_are_for_terminals(color: bool, expected: str) -> None:
    view = LogView(ViewOptions(color=color))
    assert view.render(chunk(b"\x1b[31mred\x1b[0m\r\n")) == expected


def test_colours() -> None:
    view = LogView(ViewOptions(color=True, prefix=True))
    line = view.render(chunk(b"bad\n", level="error"))
    assert line.endswith("│ \x1b[31mbad\x1b[0m\n")
    assert "web\x1b[0m │" in line


def test_what_was_dropped_is_said() -> None:
    view = LogView(resources=["web", "db"])
    assert (
        view.render(Missed("web", 1)) == "web │ … 1 line was dropped here: more than kapp keeps\n"
    )
    assert "12 lines were" in view.render(Missed("web", 12))
