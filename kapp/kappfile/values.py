"""Checks and conversions of what Starlark hands to a builtin, with errors in its user's terms.

A value that is more than data (a blob, a link, a port forward) crosses as a dict with the key
`KIND`; the prelude makes a struct of it on the other side.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from kapp.kappfile.errors import ArgumentError, KappfileError

Value: TypeAlias = Any
"""A Starlark value in Python: None, bool, int, float, str, list, or dict."""

KIND = "kapp__type"
"""The field that tells kapp's own structs from the user's."""


def blob_value(text: str, source: str = "") -> dict[str, str]:
    """Text that is contents, not a path, on its way to Starlark; `source` says where it is from."""
    return {KIND: "blob", "text": text} | ({"source": source} if source else {})


def pending_blob(number: int) -> dict[str, str | int]:
    """A blob whose text is still being rendered (`kapp.kappfile.renders`)."""
    return {KIND: "blob", "pending": number}


def pending_number(value: Value) -> int | None:
    """The number of the render that makes a blob's text; None if `value` is no such blob."""
    return value.get("pending") if kind_of(value) == "blob" else None


def settled(value: Value, blob_of: Callable[[int], Value], *, keep_pending: bool = False) -> Value:
    """The same value, with text where blobs stood.

    Every pending blob in it is replaced by what `blob_of` says of its number, unless it is to be
    kept. In a Tiltfile `'%s' % blob` is the blob's text; here the language writes the struct that a
    blob is, which is mended as soon as a builtin is given the string.
    """
    if isinstance(value, str):
        return _mended(value, blob_of) if KIND in value else value
    if isinstance(value, list | tuple):
        return [settled(item, blob_of, keep_pending=keep_pending) for item in value]
    if not isinstance(value, dict):
        return value
    if kind_of(value) == "blob":
        number = pending_number(value)
        return value if number is None or keep_pending else blob_of(number)
    return {key: settled(item, blob_of, keep_pending=keep_pending) for key, item in value.items()}


_WRITTEN_BLOB = re.compile(
    rf"""struct\({KIND}="blob", (?:text=("(?:[^"\\]|\\.)*")|pending=(\d+))"""
    r"""(?:, source="(?:[^"\\]|\\.)*")?\)"""
)


def _mended(text: str, blob_of: Callable[[int], Value]) -> str:
    def contents(match: re.Match[str]) -> str:
        if match.group(2):
            return str(blob_of(int(match.group(2)))["text"])
        return str(ast.literal_eval(match.group(1)))  # Starlark escapes as Python does

    return _WRITTEN_BLOB.sub(contents, text)


def blob_text(value: Value) -> str | None:
    """The text of a blob, None if `value` is none."""
    if kind_of(value) == "blob":
        return str(value["text"])
    return None


def kind_of(value: Value) -> str:
    """`link`, `port_forward`, `blob`, or the Starlark type of a plain value."""
    if isinstance(value, Mapping):
        return str(value.get(KIND) or "dict")
    if value is None:
        return "None"
    names = {str: "string", bool: "bool", int: "int", float: "float", list: "list"}
    return names.get(type(value), type(value).__name__)


def a(kind: str) -> str:
    """A type with its article: `an int`, `a list`, `None`."""
    if kind == "None":
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def wrong(argument: str, needed: str, value: Value) -> KappfileError:
    """The error for an argument of the wrong type."""
    return ArgumentError(f"`{argument}` must be {needed}, not {a(kind_of(value))}", argument)


def string(argument: str, value: Value) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong(argument, "a string", value)
    return value


def text(argument: str, value: Value) -> str:
    """The text of a string or a blob."""
    contents = blob_text(value)
    if contents is not None:
        return contents
    if not isinstance(value, str):
        raise wrong(argument, "a string or a blob", value)
    return value


def optional_string(argument: str, value: Value) -> str:
    """A string, or "" for None."""
    return "" if value is None else string(argument, value)


def boolean(argument: str, value: Value) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise wrong(argument, "True or False", value)
    return value


def integer(argument: str, value: Value) -> int:
    """An int that is no bool."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(argument, "an int", value)
    return value


def strings(argument: str, value: Value) -> list[str]:
    """A list of strings; one string stands for a list of one, None for an empty one."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise wrong(argument, "a string or a list of strings", value)
    return [string(f"{argument}[{index}]", item) for index, item in enumerate(value)]


def string_dict(argument: str, value: Value) -> dict[str, str]:
    """A dict from strings to strings."""
    if not isinstance(value, dict) or KIND in value:
        raise wrong(argument, "a dict of strings", value)
    return {
        string(f"a key of {argument}", key): string(f"{argument}[{key!r}]", item)
        for key, item in value.items()
    }


def items(value: Value) -> list[Value]:
    """`value` if it is a list, a list of it if it is one value, an empty list for None."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def resource_name(value: Value) -> str:
    """The name of a resource."""
    name = string("name", value)
    if not name or "/" in name:
        raise KappfileError(f"`{name}` is no name of a resource", hint="a name has no `/`")
    return name


def not_yet(argument: str, value: Value) -> None:
    """Refuse what Tilt has and kapp has not."""
    if items(value):
        raise KappfileError(f"`{argument}` is not part of kapp yet", hint="remove it")


def one_of(argument: str, value: Value, allowed: Iterable[str]) -> str:
    """One of the `allowed` strings."""
    choices = list(allowed)
    if value not in choices:
        known = ", ".join(f"'{choice}'" for choice in choices)
        raise ArgumentError(f"`{argument}` must be one of {known}, not {value!r}", argument)
    return str(value)


class _Unset:
    """Stands for an argument that was not given, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "_kapp_unset"


UNSET = _Unset()
"""The default of such a parameter; the prelude defines the name that its repr is."""


def is_unset(value: Value) -> bool:
    """Whether the argument was not given."""
    return value is UNSET or kind_of(value) == "unset"
