"""JSON and plain values as Go writes them, for output that must equal kubectl's byte for byte.

Source: encoding/json (keys sorted, HTML characters escaped) and fmt (`%v`).
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring

from kapp.machinery.objects import Json
from kapp.yamlio.scalars import float_in_json, float_in_text

# What Go escapes beyond JSON's needs, because it is special in HTML or in JavaScript.
_ESCAPED = re.compile("[<>&\u2028\u2029]")


def encode(value: Json, indent: str = "") -> str:
    """json.Marshal; with an indent, json.MarshalIndent."""
    return _encode(value, "\n" if indent else "", indent)


def _encode(value: Json, newline: str, indent: str) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, dict | list) and value:
        inner = newline + indent
        comma = f",{inner}"
        if isinstance(value, list):
            items = comma.join(_encode(item, inner, indent) for item in value)
            return f"[{inner}{items}{newline}]"
        colon = ": " if indent else ":"
        pairs = comma.join(
            f"{_string(name)}{colon}{_encode(value[name], inner, indent)}" for name in sorted(value)
        )
        return f"{{{inner}{pairs}{newline}}}"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list):
        return "[]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_in_json(value) if isinstance(value, float) else str(value)


def _string(text: str) -> str:
    encoded = encode_basestring(text)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded)


def value_text(value: Json) -> str:
    """What fmt prints for `%v`: `map[a:1 b:[x y]]`, `<nil>`, strings as they are."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{value_text(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(value_text, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_in_text(value) if isinstance(value, float) else str(value)


def type_name(value: Json) -> str:
    """The Go type that holds a decoded JSON value."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    return "float64" if isinstance(value, float) else "string"
