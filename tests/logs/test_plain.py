"""Programs colour their lines; they do not steer the terminal of whoever reads them."""

from __future__ import annotations

import pytest

from kapp.logs.plain import for_terminal, without_controls


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain, \u00e4 and \ttab", "plain, \u00e4 and \ttab"),
        ("\x1b[31mred", "\x1b[31mred\x1b[0m"),  # it would colour the next line's prefix
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 back\x08 null\x00 c1\x9b2J", "bell back null c1"),
        ("10%\r50%\r100%\r", "100%"),
        ("broken off \x1b[3", "broken off 3"),
        ("\x1b", ""),
        ("\r", ""),
    ],
)
def test_a_line_for_a_terminal(line: str, expected: str) -> None:
    assert for_terminal(line) == expected


def test_a_line_for_a_pipe() -> None:
    assert without_controls("\x1b[1;31mred\x1b[0m\x1b]0;t\x07 \x0c") == "red \x0c"
    assert without_controls("plain") == "plain"
