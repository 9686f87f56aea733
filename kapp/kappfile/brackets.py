"""Finds the bracket that a file forgot to close.

starlark-rust points at the place where it gave up: the line after, or 1:1 at the end of the file.
What helps is the bracket. Strings and comments are skipped as the Starlark specification describes
them (https://github.com/bazelbuild/starlark/blob/master/spec.md#lexical-elements). Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
      \#[^\n]*                                        # comment
    | [rb]{0,2}(?P<quotes>\"\"\"|''')(?:\\.|.)*?(?P=quotes)   # string over several lines
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?      # string, closed or not
    | [\[\](){}]
    """,
    re.VERBOSE | re.DOTALL,
)
CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = {closing: opening for opening, closing in CLOSING.items()}


class Bracket(NamedTuple):
    """An opening bracket; line and column count from 1."""

    text: str
    line: int
    column: int


def unclosed(text: str) -> Bracket | None:
    """The innermost bracket still open at the end of `text`; None if none, or if they do not match.

    What does not match (`(]`) is told better by the parser, at that place.
    """
    open_brackets: list[re.Match[str]] = []
    for token in _TOKEN.finditer(text):
        bracket = token.group()
        if bracket in CLOSING:
            open_brackets.append(token)
        elif bracket in _OPENING and (
            not open_brackets or open_brackets.pop().group() != _OPENING[bracket]
        ):
            return None
    if not open_brackets:
        return None
    start = open_brackets[-1].start()
    line = text.count("\n", 0, start) + 1
    return Bracket(text[start], line, start - text.rfind("\n", 0, start))
