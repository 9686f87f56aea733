"""Aligns columns as kubectl does, remembering their widths from one flush to the next.

Cells end with a tab, lines with a newline; the last cell of a line belongs to no column. Widths
count characters. Source: github.com/liggitt/tabwriter with the settings of
k8s.io/cli-runtime/pkg/printers/tabwriter.go.
"""

from __future__ import annotations

import re

_MIN_WIDTH = 6
_PADDING = 3

_TABS = re.compile("[\t\v]")
_LINES = re.compile("[\n\f]")


class TabWriter:
    """Collects text; `flush` returns it with its columns aligned.

    The settings are those of `get`; `describe` has others.
    """

    def __init__(
        self, *, min_width: int = _MIN_WIDTH, padding: int = _PADDING, remember: bool = True
    ) -> None:
        self._remember_widths = remember
        self._min_width = min_width
        self._padding = padding
        self._text = ""
        self._remembered: list[int] = []

    def write(self, text: str) -> None:
        """Add text, of any number of lines."""
        self._text += text

    def flush(self) -> str:
        """What was written since the last flush. Columns never become narrower again."""
        text, self._text = self._text, ""
        lines = [_TABS.split(line) for line in _LINES.split(text)]
        return "\n".join(self._format(lines, []))

    def forget_widths(self) -> None:
        """Start with new columns."""
        self._remembered = []

    def _format(self, lines: list[list[str]], widths: list[int]) -> list[str]:
        """Lay lines out, given the widths of the columns so far.

        A column is a run of lines that have a cell there, so a line with fewer cells ends it.
        """
        column = len(widths)
        done: list[str] = []
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(lines[end]) - 1 > column:
                end += 1
            if end == start:
                done.append(_laid_out(lines[start], widths))
                start += 1
                continue
            block = lines[start:end]
            widest = max(len(line[column]) for line in block)
            width = self._remember(column, max(self._min_width, widest + self._padding))
            done += self._format(block, [*widths, width])
            start = end
        return done

    def _remember(self, column: int, width: int) -> int:
        if not self._remember_widths:
            return width
        if column == len(self._remembered):
            self._remembered.append(width)
        width = max(width, self._remembered[column])
        self._remembered[column] = width
        return width


def _laid_out(line: list[str], widths: list[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)]
    return "".join(padded) + line[-1]
