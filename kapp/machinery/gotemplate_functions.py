"""The functions of Go templates, on JSON values. Pure; used by `gotemplate`.

Source: text/template/funcs.go and fmt of Go; k8s.io/cli-runtime/pkg/printers/template.go.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote_plus

from kapp.machinery.gojson import type_name, value_text
from kapp.machinery.gotemplate_parser import TemplateError
from kapp.machinery.objects import Json

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<verb>.)")
_HINT = "see https://pkg.go.dev/text/template#hdr-Functions"


def printed(value: Json) -> str:
    """What an action prints of a value."""
    return "<no value>" if value is None else value_text(value)


def is_true(value: Json) -> bool:
    """What `if` and `with` take for true: anything but zero and empty values."""
    return bool(value)


def _print(*values: Json) -> str:
    """fmt.Sprint: a space between two values of which neither is a string."""
    text = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            text += " "
        text += value_text(value)
    return text


def _printf(form: str, *values: Json) -> str:
    rest = list(values)

    def shown(found: re.Match[str]) -> str:
        verb = found["verb"]
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        text = _formatted(verb, found["precision"], found["flags"], rest.pop(0))
        width = int(found["width"] or 0)
        if "-" in found["flags"]:
            return text.ljust(width)
        return text.rjust(width, "0" if "0" in found["flags"] and verb != "s" else " ")

    text = _VERB.sub(shown, form)
    if rest:
        extra = ", ".join(f"{type_name(value)}={value_text(value)}" for value in rest)
        text += f"%!(EXTRA {extra})"
    return text


def _formatted(verb: str, precision: str | None, flags: str, value: Json) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match verb:
        case "v":
            return value_text(value)
        case "s" if isinstance(value, str):
            return value if precision is None else value[: int(precision or 0)]
        case "q" if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        case "d" if isinstance(value, int) and number:
            return f"{value:+d}" if "+" in flags else str(value)
        case "x" | "X" if isinstance(value, int) and number:
            return f"{value:{verb}}"
        case "x" if isinstance(value, str):
            return value.encode().hex()
        case "t" if isinstance(value, bool):
            return value_text(value)
        case "f" | "e" if isinstance(value, float):
            return f"{value:.{precision or 6}{verb}}"
        case "s" | "d" if isinstance(value, list):
            return f"[{' '.join(_formatted(verb, precision, flags, one) for one in value)}]"
        case "T":
            return type_name(value)
    return f"%!{verb}({type_name(value)}={value_text(value)})"


def _index(value: Json, *keys: Json) -> Json:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key) if isinstance(key, str) else None
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(
                    f"error calling index: index out of range: {key}", hint=f"it has {len(value)}"
                )
            value = ord(value[key]) if isinstance(value, str) else value[key]
        else:
            what = "untyped nil" if value is None else f"item of type {type_name(value)}"
            raise TemplateError(f"error calling index: can't index {what}", hint=_HINT)
    return value


def _slice(value: Json, *ends: Json) -> Json:
    if not isinstance(value, list | str) or not all(isinstance(end, int) for end in ends):
        raise TemplateError("error calling slice: can't slice that", hint=_HINT)
    low, high = (*ends, len(value))[:2] if ends else (0, len(value))
    if not 0 <= low <= high <= len(value):
        raise TemplateError(f"error calling slice: index out of range: {high}", hint=_HINT)
    return value[low:high]


def _len(value: Json) -> Json:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list | dict):
        return len(value)
    raise TemplateError(
        f"error calling len: len of {printed(value)}", hint="of a list, a map, a text"
    )


def _equal(first: Json, *others: Json) -> Json:
    if not others:
        raise TemplateError("error calling eq: missing argument for comparison", hint=_HINT)
    return any(_same(first, other) for other in others)


def _same(left: Json, right: Json) -> bool:
    if left is None or right is None:
        return left is right
    if isinstance(left, bool) != isinstance(right, bool) or _kind(left) != _kind(right):
        raise TemplateError("error calling eq: incompatible types for comparison", hint=_HINT)
    return bool(left == right)


def _kind(value: Json) -> str:
    return "int64" if isinstance(value, int) else type_name(value)


def _ordered(name: str, compare: Callable[[Json, Json], bool]) -> Callable[[Json, Json], Json]:
    def ordered(left: Json, right: Json) -> Json:
        comparable = isinstance(left, int | float | str) and not isinstance(left, bool)
        if not comparable or _kind(left) != _kind(right) or isinstance(right, bool):
            raise TemplateError(
                f"error calling {name}: incompatible types for comparison", hint=_HINT
            )
        return compare(left, right)

    return ordered


def _exists(value: Json, *keys: Json) -> Json:
    try:
        return _index(value, *keys) is not None
    except TemplateError:
        return False


def _base64decode(text: Json) -> Json:
    try:
        return base64.b64decode(str(text), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise TemplateError(
            f"error calling base64decode: {error}", hint="it is not base64"
        ) from error


def _js(*values: Json) -> Json:
    special = {
        "\\": "\\\\",
        "'": "\\'",
        '"': '\\"',
        "<": "\\u003C",
        ">": "\\u003E",
        "&": "\\u0026",
        "=": "\\u003D",
        "\n": "\\u000A",
        "\r": "\\u000D",
        "\t": "\\u0009",
    }
    return "".join(special.get(char, char) for char in _print(*values))


def _html(*values: Json) -> Json:
    return html.escape(_print(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


FUNCTIONS: dict[str, Callable[..., Json]] = {
    "and": lambda *values: next((v for v in values if not is_true(v)), values[-1]),
    "or": lambda *values: next((v for v in values if is_true(v)), values[-1]),
    "not": lambda value: not is_true(value),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "printf": _printf,
    "println": lambda *values: " ".join(map(value_text, values)) + "\n",
    "html": _html,
    "js": _js,
    "urlquery": lambda *values: quote_plus(_print(*values)),
    "eq": _equal,
    "ne": lambda left, right: not _same(left, right),
    "lt": _ordered("lt", lambda left, right: bool(left < right)),
    "le": _ordered("le", lambda left, right: bool(left <= right)),
    "gt": _ordered("gt", lambda left, right: bool(left > right)),
    "ge": _ordered("ge", lambda left, right: bool(left >= right)),
    "exists": _exists,
    "base64decode": _base64decode,
}
