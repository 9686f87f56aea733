"""How bad a line is."""

from __future__ import annotations

import pytest

from kapp.logs.levels import is_at_least, level_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-26 10:00:00,000 ERROR db: gone", "error"),
        ("time=2026-11-26T10:00:00Z level=warning msg=slow", "warn"),
        ('{"severity":"CRITICAL","message":"no"}', "error"),
        ("E1126 10:00:00.000000       1 main.go:7] failed", "error"),
        ("[debug] starting", "debug"),
        ("warning: deprecated", "warn"),
        ("GET /error HTTP/1.1 200", "info"),
        ("GET /ERROR HTTP/1.1 200", "info"),
        ("an error is no level in a sentence", "info"),
    ],
)
def test_levels(line: str, expected: str) -> None:
    assert level_of(line) == expected


def test_what_the_writer_said_is_never_lowered() -> None:
    assert level_of("INFO all is well", "error") == "error"
    assert is_at_least("error", "warn")
    assert not is_at_least("info", "warn")
