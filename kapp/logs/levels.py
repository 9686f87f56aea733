"""How bad a line is, by what programs usually write. Pure; used by `kapp.logs.view`.

A guess that errs towards "info": a word counts only where loggers put it, near the line's start in
capitals, in brackets, or as the value of `level`.
"""

from __future__ import annotations

import re
from typing import Final

LEVELS: Final = ("debug", "info", "warn", "error")
"""From harmless to bad."""

_WORDS = {
    "debug": "debug", "trace": "debug", "info": "info", "notice": "info",
    "warn": "warn", "warning": "warn",
    "error": "error", "err": "error", "fatal": "error", "critical": "error", "panic": "error",
}  # fmt: skip
_NAMES = "|".join(_WORDS)
_KEYED = re.compile(rf"\b(?:level|lvl|severity)\"?\s*[=:]\s*\"?({_NAMES})\b", re.IGNORECASE)
_CAPITALS = re.compile(rf"(?<![\w/.-])({_NAMES.upper()})(?![\w/.-])")
_BRACKETS = re.compile(rf"\[({_NAMES})\]|^({_NAMES}):", re.IGNORECASE)
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.")
"""k8s.io/klog: the level's letter, month and day, the time."""

_FAILURE = re.compile(
    r"Traceback \(most recent call last\):|Exception in thread |Caused by: "
    r"|(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception)(?::|$)"
)
"""How Python and the JVM begin to tell of an exception, and its name in the end."""

_KLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "error"}
_START_CHARS = 60
"""Where a logger's level stands, after a time and a name."""


def level_of(line: str, least: str = "info") -> str:
    """One of `LEVELS`; `least` is what the line's writer said, and is never lowered if bad."""
    if least in ("warn", "error"):
        return least
    if klog := _KLOG.match(line):
        return _KLOG_LEVELS[klog[1]]
    if _FAILURE.match(line):
        return "error"
    start = line[:_START_CHARS]
    found = _KEYED.search(line) or _CAPITALS.search(start) or _BRACKETS.search(start)
    if found is None:
        return least
    return _WORDS[next(group for group in found.groups() if group).lower()]


class LineLevels:
    """The level of each line of each span; an indented line has that of the one before it."""

    def __init__(self) -> None:
        self._last: dict[int, str] = {}

    def of(self, span: int, line: str, least: str = "info") -> str:
        """As `level_of`, for the next line of a span."""
        before = self._last.get(span)
        if before is not None and line[:1] in (" ", "\t"):
            return before
        self._last[span] = found = level_of(line, least)
        return found


def is_at_least(level: str, wanted: str) -> bool:
    """Whether `level` is as bad as `wanted`, or worse."""
    return LEVELS.index(level) >= LEVELS.index(wanted)
