r"""kubectl's JSONPath templates: `{range .items[*]}{.metadata.name}{"\n"}{end}`.

    compile("{.spec.x}").render(obj)   -> text, as `kubectl get -o jsonpath=…` prints it
    compile("{.spec.x}").find(obj)     -> values, for columns and sorting
    relaxed(".spec.x")                 -> "{.spec.x}", for columns and --sort-by

It is kubectl's dialect, not RFC 9535: text around expressions, {range}…{end}, `[?(@.a=="b")]`,
unions, slices that must be in bounds, kubectl's errors. Go visits maps in random order; here it is
the order of keys. Source: k8s.io/client-go/util/jsonpath/jsonpath.go.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from functools import lru_cache

from kapp.errors import KappError
from kapp.machinery import gojson
from kapp.machinery.jsonpath_parser import (
    Array,
    Field,
    Filter,
    Literal,
    Node,
    Recursive,
    Sequence,
    TemplateSyntaxError,
    Text,
    Union,
    Wildcard,
    Word,
    parse,
)
from kapp.machinery.objects import Json

_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")
_BARE = re.compile(r"[.$@][^{}]*")


class JsonPathError(KappError):
    """A template that does not fit an object; the message is kubectl's."""


class Template:
    """A parsed template; immutable, to be used for any number of objects."""

    def __init__(self, text: str) -> None:
        self.text = text
        source = f"{{{text}}}" if _BARE.fullmatch(text) else text
        try:
            self._nodes = parse(source)
        except TemplateSyntaxError as error:
            raise JsonPathError(
                f"error parsing jsonpath {text}, {error.message}",
                hint="see https://kubernetes.io/docs/reference/kubectl/jsonpath/",
            ) from error

    def render(self, obj: Json) -> str:
        """The text for an object. A missing key is nothing; an index out of range is an error.

        Raises JsonPathError.
        """
        try:
            found = _Evaluation(self._nodes).results(obj)
        except _EvaluationError as error:
            raise JsonPathError(
                f"error executing jsonpath {_quoted(self.text)}: Error executing template: {error}"
            ) from error
        return "".join(" ".join(map(_printed, values)) for values in found)

    def find(self, obj: Json) -> list[Json]:
        """All values, of all expressions in order. Raises JsonPathError."""
        return [value for values in self.find_each(obj) for value in values]

    def find_each(self, obj: Json) -> list[list[Json]]:
        """The values of each expression, and each text, on its own. Raises JsonPathError."""
        try:
            return _Evaluation(self._nodes).results(obj)
        except _EvaluationError as error:
            raise JsonPathError(str(error)) from error


@lru_cache(maxsize=256)
def compile(template: str) -> Template:  # noqa: A001 - as in `re`
    """Parse a template.

    A path without any braces (`.spec.x`) counts as if it had them; kubectl would print it as text.
    Raises JsonPathError, in kubectl's words.
    """
    return Template(template)


def relaxed(path: str) -> str:
    """`x.y`, `.x.y`, `{x.y}` or `{.x.y}` as a template: `{.x.y}`.

    Raises JsonPathError. Source: get.RelaxedJSONPathExpression in kubectl.
    """
    if not path:
        return ""
    match = _RELAXED.fullmatch(path)
    if match is None:
        raise JsonPathError(
            f"unexpected path string, expected a 'name1.name2' or '.name1.name2' or "
            f"'{{name1.name2}}' or '{{.name1.name2}}', got {path!r}"
        )
    return f"{{.{match[1] or match[2]}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _printed(value: Json) -> str:
    if isinstance(value, dict | list) or value is None:
        return gojson.encode(value)
    return gojson.value_text(value)


class _EvaluationError(Exception):
    """Caught in Template; the text is kubectl's."""


class _Evaluation:
    """One run of a template. The counters follow FindResults, whose quirks are kubectl's."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes
        self._begin_range = 0
        self._in_range = 0
        self._end_range = 0
        self._last_end = -1  # index of the {end} met last

    def results(self, data: Json, start: int = 0) -> list[list[Json]]:
        """One list of values for each expression and text from node `start` on."""
        found: list[list[Json]] = []
        i = start
        while i < len(self._nodes):
            values = self._walk([data], self._nodes[i])
            if 0 < self._end_range <= self._in_range:
                self._end_range -= 1
                self._last_end = i
                break
            if self._begin_range > 0:
                self._begin_range -= 1
                self._in_range += 1
                for value in values:
                    found.extend(self.results(value, i + 1))
                if not values:
                    self.results(None, i + 1)  # only to find where the range ends
                self._in_range -= 1
                i = self._last_end if self._last_end > i else i
            else:
                found.append(values)
            i += 1
        return found

    def _walk(self, values: list[Json], node: Node) -> list[Json]:
        match node:
            case Sequence():
                for inner in node.nodes:
                    values = self._walk(values, inner)
                return values
            case Text():
                return [node.text]
            case Literal():
                return [node.value] * len(values)
            case Word():
                return self._word(values, node.name)
            case Field():
                return _field(values, node.name)
            case Wildcard():
                return [item for value in values for item in _parts(value)]
            case Recursive():
                return _recursive(values)
            case Array():
                return _array(values, node)
            case Union():
                return [item for branch in node.branches for item in self._walk(values, branch)]
            case Filter():
                return self._filter(values, node)

    def _word(self, values: list[Json], name: str) -> list[Json]:
        if name == "range":
            self._begin_range += 1
            return values
        if name != "end":
            raise _EvaluationError(f"unrecognized identifier {name}")
        if self._in_range <= 0:
            raise _EvaluationError("not in range, nothing to end")
        self._end_range += 1
        return []

    def _filter(self, values: list[Json], node: Filter) -> list[Json]:
        found: list[Json] = []
        for value in values:
            if not isinstance(value, list):
                raise _EvaluationError(
                    f"{gojson.value_text(value)} is not array or slice and cannot be filtered"
                )
            found.extend(item for item in value if self._passes(item, node))
        return found

    def _passes(self, item: Json, node: Filter) -> bool:
        lefts = self._walk([item], node.left)
        if node.operator == "exists":
            return bool(lefts)
        if not lefts:
            return False
        if len(lefts) > 1:
            raise _EvaluationError("can only compare one element at a time")
        rights = self._walk([item], node.right)
        if not rights:
            return False
        if len(rights) > 1:
            raise _EvaluationError("can only compare one element at a time")
        return _compare(node.operator, lefts[0], rights[0])


def _field(values: list[Json], name: str) -> list[Json]:
    return [value[name] for value in values if isinstance(value, dict) and name in value]


def _parts(value: Json) -> list[Json]:
    """A container's items; Go also takes a string for one, of bytes."""
    if isinstance(value, dict):
        return [value[name] for name in sorted(value)]
    if isinstance(value, str):
        return list(value.encode())
    return list(value) if isinstance(value, list) else []


def _recursive(values: list[Json]) -> list[Json]:
    found: list[Json] = []
    for value in values:
        if parts := _parts(value):
            found.append(value)
            found.extend(_recursive(parts))
    return found


def _array(values: list[Json], node: Array) -> list[Json]:
    found: list[Json] = []
    for value in values:
        if value is None:
            continue
        if not isinstance(value, list):
            raise _EvaluationError(f"{gojson.type_name(value)} is not array or slice")
        length = len(value)
        start, end = node.start or 0, length if node.end is None else node.end
        start += length if start < 0 else 0
        end += length if end < 0 or (end == 0 and node.derived) else 0
        if start == end:
            return found
        if not 0 <= start < length:
            raise _out_of_bounds(start, length)
        if not 0 <= end <= length:
            raise _out_of_bounds(end - 1, length)
        if start > end:
            raise _EvaluationError(f"starting index {start} is greater than ending index {end}")
        if node.step is not None and node.step <= 0:
            raise _EvaluationError("step must be > 0")
        found.extend(value[start : end : node.step])
    return found


def _out_of_bounds(index: int, length: int) -> _EvaluationError:
    return _EvaluationError(f"array index out of bounds: index {index}, length {length}")


# Booleans can be told to be equal, but have no order (text/template).
_OPERATORS: dict[str, Callable[[Json, Json], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _compare(symbol: str, left: Json, right: Json) -> bool:
    compare = _OPERATORS.get(symbol)
    if compare is None:
        raise _EvaluationError(f"unrecognized filter operator {symbol}")
    for value in (left, right):
        if value is None or isinstance(value, dict | list):
            raise _EvaluationError("invalid type for comparison")
    if type(left) is not type(right):
        raise _EvaluationError("incompatible types for comparison")
    if isinstance(left, bool) and symbol not in ("==", "!="):
        raise _EvaluationError("invalid type for comparison")
    return compare(left, right)
