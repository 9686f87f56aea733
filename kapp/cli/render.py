"""How the CLI speaks: errors in one place, data to stdout, everything else to stderr.

An error is one sentence on what went wrong and where, and a `hint:` line on what to do. Colour only
on a terminal, never with NO_COLOR, and never needed to understand.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from kapp.errors import KappError, UsageError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_RED = "31"
_CYAN = "36"


def wants_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that takes colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO) -> str:
    """`text` in an ANSI colour, if `stream` takes colours."""
    return f"\x1b[{code}m{text}\x1b[0m" if wants_colour(stream) else text


def show_error(error: KappError) -> None:
    """Print an error and its hint to stderr."""
    print(f"{paint('error:', _RED, sys.stderr)} {error}", file=sys.stderr)
    if error.hint:
        print(f"{paint('hint:', _CYAN, sys.stderr)} {error.hint}", file=sys.stderr)


def exit_code(error: KappError) -> int:
    """2 for wrong usage, 1 for everything else."""
    return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED


def say(text: str) -> None:
    """Print one line of progress or explanation to stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def table(headers: list[str], rows: list[list[str]]) -> str:
    """Columns as kubectl prints them: three spaces between, none at the end."""
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]
    lines = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [headers, *rows]
    ]
    return "\n".join(lines)
