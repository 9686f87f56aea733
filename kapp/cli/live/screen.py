"""The bottom of a terminal, repainted in place, and text that flows above it.

The panel is painted below the newest text, the cursor left at its last line. To print more text,
the panel is erased, the text printed, which may scroll the terminal, and the panel painted again:
what scrolled up stays in the terminal's own history. After a resize nobody knows where the terminal
moved the old lines to, so the visible part is cleared and the newest text printed again.

Makes strings; who owns the terminal writes them.
"""

from __future__ import annotations

from collections import deque

# Begin and end of an update that terminals show at once; those that do not know it ignore it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# Without automatic wrapping a line that is too wide by mistake cannot shift the others.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_BELOW = "\x1b[J"
_CLEAR_ALL = "\x1b[H\x1b[2J"

# What a resize prints again; more than fits any terminal.
_KEPT_LINES = 200


class Screen:
    """What is on the terminal now."""

    def __init__(self) -> None:
        self._painted = 0
        self._tail: deque[str] = deque(maxlen=_KEPT_LINES)

    def update(self, text: str, panel: list[str]) -> str:
        """Print `text` (whole lines, or nothing) above the panel, and paint the panel."""
        self._tail.extend(text.splitlines(keepends=True))
        drawn = f"{_BEGIN}{_HIDE_CURSOR}{self._erase()}{text}{self._paint(panel)}{_END}"
        return drawn

    def resized(self, panel: list[str], rows: int) -> str:
        """Paint everything anew for a terminal of another size."""
        self._painted = 0
        room = max(rows - len(panel), 0)
        text = "".join(list(self._tail)[-room:]) if room else ""
        return f"{_BEGIN}{_HIDE_CURSOR}{_CLEAR_ALL}{text}{self._paint(panel)}{_END}"

    def leave(self) -> str:
        """Take the panel away and give the terminal back."""
        return f"{self._erase()}{_WRAP}{_SHOW_CURSOR}"

    def _erase(self) -> str:
        if not self._painted:
            return ""
        up = f"\x1b[{self._painted - 1}A" if self._painted > 1 else ""
        self._painted = 0
        return f"\r{up}{_CLEAR_BELOW}"

    def _paint(self, panel: list[str]) -> str:
        self._painted = len(panel)
        return f"{_NO_WRAP}{chr(10).join(panel)}{_WRAP}"
