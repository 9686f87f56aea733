"""Quoted strings as Go reads them, in templates and in JSONPath. Pure.

Source: Unquote in strconv/quote.go of Go.
"""

from __future__ import annotations

import re
import sys

_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_LARGEST_BYTE = 0xFF
_SURROGATES = range(0xD800, 0xE000)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.)|$)", re.DOTALL
)


def unquote(quoted: str) -> str:
    """What stands between quotes, any number of characters between single ones too.

    Raises ValueError for an escape that Go does not know in such a string.
    """
    quote, inner = quoted[0], quoted[1:-1]
    if quote == "`":
        return inner

    def meant(escape: re.Match[str]) -> str:
        byte, short, long, octal, char = escape.groups()
        if digits := byte or short or long:
            return _character(int(digits, 16))
        if octal:
            if int(octal, 8) > _LARGEST_BYTE:
                raise ValueError(f"not the number of a byte: {escape[0]}")
            return _character(int(octal, 8))
        if char == quote:
            return quote
        if char not in _LETTERS:
            raise ValueError(f"unknown escape: {escape[0]}")
        return _LETTERS[char]

    return _ESCAPE.sub(meant, inner)


def _character(code: int) -> str:
    if code > sys.maxunicode or code in _SURROGATES:
        raise ValueError(f"no character has the number {code}")
    return chr(code)
