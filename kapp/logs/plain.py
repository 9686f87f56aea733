"""Terminal control in what programs print (pure): what is kept of it, and what is not.

A line may hold colours. It may not move the cursor, clear the screen or rename the window of
whoever reads a log.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
"""ECMA-48: CSI, OSC and other strings, two-character escapes; also as a C1 character."""

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]|\x1b(?!\[[0-9;:]*m)")
_RESET = "\x1b[0m"


def without_controls(text: str) -> str:
    """Text without control sequences; single control characters stay."""
    return _SEQUENCE.sub("", text) if "\x1b" in text or "\x9b" in text else text


def for_terminal(line: str) -> str:
    """A line as it may be shown: its colours, ended with it, and no other control but tabs.

    Of a line that was drawn again and again, by carriage returns, what it showed last.
    """
    line = line.rstrip("\r")
    if "\r" in line:
        line = next((part for part in reversed(line.split("\r")) if part), "")
    if line.isprintable():
        return line
    kept = _SEQUENCE.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else "", line)
    kept = _CONTROL.sub("", kept)
    return kept + _RESET if "\x1b" in kept and not kept.endswith(_RESET) else kept
