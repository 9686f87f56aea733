"""The one error an evaluation ends with, whatever went wrong inside it.

Builtins and assembly raise `KappfileError(message, hint=…)`; the host adds where it happened and
what to watch, so that the engine can show the error and knows which save may mend it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kapp.errors import ConfigError


class Frame(NamedTuple):
    """One step of the call chain; `path` is relative to the Kappfile's directory if below it."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class KappfileError(ConfigError):
    """The Kappfile, or something it reads, cannot be used as it is.

    Attributes:
        frames: the call chain, outermost first; the last one is where `location` points.
        source_line: that line's text, stripped; empty if there is none.
        transient: whether a half-written file looks the likely cause (it is empty, or does not
            parse), so that the engine reads again while events still arrive.
        cancelled: whether evaluation ended because it was asked to.
        settled: whether `frames` is the whole call chain already, whoever comes across the error.
        watched_paths, watched_trees, watch_ignores, contents: as in `kapp.kappfile.model.Result`,
            up to the failure.
        output: what was printed before the failure.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        location: str = "",
        frames: Sequence[Frame] = (),
        transient: bool = False,
        cancelled: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.frames = tuple(frames)
        self.transient = transient
        self.cancelled = cancelled
        self.settled = False
        self.source_line = ""
        self.watched_paths: tuple[Path, ...] = ()
        self.watched_trees: tuple[Path, ...] = ()
        self.watch_ignores: tuple[tuple[Path, str], ...] = ()
        self.contents: Mapping[Path, bytes] = {}
        self.output: tuple[str, ...] = ()

    def located(self, frames: Sequence[Frame], column: int = 0) -> None:
        """Say where it happened; `column` (1-based) is given for syntax errors only."""
        self.frames = tuple(frames)
        if frames:
            self.location = f"{frames[-1]}:{column}" if column else str(frames[-1])

    def report(self) -> str:
        """The whole story on several lines: message, source line, call chain, hint."""
        lines = [str(self)]
        if self.source_line:
            lines.append(f"    {self.source_line}")
        callers = [
            f"  called from {frame}" + (f", in {frame.function}" if frame.function else "")
            for frame in reversed(self.frames[:-1])
        ]
        lines += [line for line, _ in itertools.groupby(callers)]  # recursion is told once
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class ArgumentError(KappfileError):
    """A builtin was given what it does not take; the host adds what it does take as the hint.

    `argument` is the name of the parameter, or of a part of it (`objects[0]`).
    """

    def __init__(self, message: str, argument: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argument = argument
