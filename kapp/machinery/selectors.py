"""Label and field selectors: parsed once, matched against dicts.

Label selectors come as text (`app=web,tier in (a, b),!old`) or as a LabelSelector object of an
API type; field selectors as text. Source of the grammar and the sentences:
k8s.io/apimachinery/pkg/labels/selector.go and pkg/fields/selector.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kapp.machinery.metadata import QUALIFIED_NAME_RULE
from kapp.machinery.status import ApiError, bad_request

_TOKEN = re.compile(r"\s*(!=|==|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_OPERATORS = {"=": "in", "==": "in", "!=": "notin", "<": "lt", ">": "gt"}


class Requirement(NamedTuple):
    """One condition; `operator` is in, notin, exists, absent, gt or lt."""

    key: str
    operator: str
    values: frozenset[str]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` satisfy it. An absent key satisfies `notin`, as in Kubernetes."""
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value is not None and value in self.values
            case "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "absent":
                return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        (limit,) = self.values
        try:
            return int(value) > int(limit) if self.operator == "gt" else int(value) < int(limit)
        except ValueError:
            return False


class Selector(NamedTuple):
    """All requirements must hold; none at all matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels (or the fields) satisfy every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def exact(self, key: str) -> str | None:
        """The one value that `key` must have, if the selector says so."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.operator == "in":
                if len(requirement.values) == 1:
                    return next(iter(requirement.values))
        return None


EVERYTHING = Selector()


def parse_label_selector(text: str) -> Selector:
    """Parse kubectl's `-l` syntax. Raises ApiError (400)."""
    if not text.strip():
        return EVERYTHING
    return Selector(tuple(_Parser(text).requirements()))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKEN.findall(text)
        self._position = 0

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._position += 1
        return token

    def _error(self, found: str, expected: str) -> ApiError:
        return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")

    def requirements(self) -> Iterable[Requirement]:
        while True:
            yield self._requirement()
            token = self._next()
            if not token:
                return
            if token != ",":
                raise self._error(token, "',' or 'end of string'")

    def _requirement(self) -> Requirement:
        absent = self._peek() == "!"
        if absent:
            self._next()
        key = self._next()
        if not key or key in "=!<>(),":
            raise self._error(key, "identifier")
        _check_key(key)
        if absent:
            return Requirement(key, "absent", frozenset())
        token = self._peek()
        if token in ("", ","):
            return Requirement(key, "exists", frozenset())
        self._next()
        if token in ("in", "notin"):
            return Requirement(key, token, frozenset(self._set()))
        if token not in _OPERATORS:
            raise self._error(token, "in, notin, =, ==, !=, gt, lt")
        value = "" if self._peek() in ("", ",") else self._next()
        if value in ("(", ")"):
            raise self._error(value, "identifier")
        if token in "<>" and not re.fullmatch(r"-?\d+", value):
            raise bad_request(
                f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
                "for 'Gt', 'Lt' operators, the value must be an integer"
            )
        _check_value(key, value)
        return Requirement(key, _OPERATORS[token], frozenset([value]))

    def _set(self) -> Iterable[str]:
        if (token := self._next()) != "(":
            raise self._error(token, "'('")
        value = ""
        while (token := self._next()) not in (")", ""):
            if token == ",":
                yield value
                value = ""
            elif value:
                raise self._error(token, "',' or ')'")
            else:
                value = token
        if token != ")":
            raise self._error(token, "',' or ')'")
        yield value


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector | None:
    """A LabelSelector object (matchLabels, matchExpressions). None, given None, matches nothing.

    Source: k8s.io/apimachinery/pkg/apis/meta/v1/helpers.go, LabelSelectorAsSelector.
    """
    if selector is None:
        return None
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    found = [
        Requirement(key, "in", frozenset([value]))
        for key, value in sorted((selector.get("matchLabels") or {}).items())
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = operators.get(expression.get("operator") or "")
        if operator is None:
            raise bad_request(
                f'"{expression.get("operator")}" is not a valid label selector operator'
            )
        values = frozenset(expression.get("values") or ())
        found.append(Requirement(expression["key"], operator, values))
    return Selector(tuple(found))


def format_selector(selector: Selector) -> str:
    """The text that parses to the selector, as the scale subresource reports it."""
    return ",".join(_format(requirement) for requirement in selector.requirements)


def _format(requirement: Requirement) -> str:
    key, operator, values = requirement
    listed = ",".join(sorted(values))
    match operator:
        case "exists":
            return key
        case "absent":
            return f"!{key}"
        case "in" if len(values) == 1:
            return f"{key}={listed}"
        case "gt":
            return f"{key}>{listed}"
        case "lt":
            return f"{key}<{listed}"
    return f"{key} {operator} ({listed})"


def parse_field_selector(
    text: str, selectable: Iterable[str], *, metadata_only: bool = False
) -> Selector:
    """Parse kubectl's `--field-selector` syntax.

    Raises ApiError (400) for other operators than `=`, `==`, `!=`, and for a field that is not
    among `selectable`. `metadata_only` words that as for a built-in kind without fields of its own
    (DefaultMetaV1FieldSelectorConversion in k8s.io/apimachinery/pkg/runtime/conversion.go).
    """
    allowed = {"metadata.name", "metadata.namespace", *selectable}
    found = []
    for part in _split(text):
        if not part.strip():
            continue
        match = re.match(r"([^=!\\]+)(!=|==|=)(.*)$", part, re.DOTALL)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        key, operator, value = match.groups()
        if key not in allowed and metadata_only:
            raise bad_request(
                f'"{key}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
        if key not in allowed:
            raise bad_request(f"field label not supported: {key}")
        value = re.sub(r"\\([\\,=])", r"\1", value)
        found.append(Requirement(key, _OPERATORS[operator], frozenset([value])))
    # An absent field reads as "", so `!=` needs the field to be there to compare.
    return Selector(tuple(found))


def _split(text: str) -> list[str]:
    return [part for part in re.findall(r"(?:\\.|[^,\\])*", text) if part]


_QUALIFIED_NAME = re.compile(
    r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def _check_key(key: str) -> None:
    if not _QUALIFIED_NAME.fullmatch(key):
        raise bad_request(
            f'unable to parse requirement: <nil>: Invalid value: "{key}": {QUALIFIED_NAME_RULE}'
        )


def _check_value(key: str, value: str) -> None:
    if not _LABEL_VALUE.fullmatch(value):
        raise bad_request(
            f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": a valid '
            "label must be an empty string or consist of alphanumeric characters, '-', '_' or "
            "'.', and must start and end with an alphanumeric character"
        )


def field_reader(paths: Iterable[str]) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """Makes a function that reads the values at `paths` (`spec.nodeName`) as selectors see them."""
    split = {path: path.split(".") for path in paths}

    def read(obj: Mapping[str, Any]) -> dict[str, str]:
        return {path: _text_at(obj, parts) for path, parts in split.items()}

    return read


def _text_at(obj: Any, parts: list[str]) -> str:
    for part in parts:
        obj = obj.get(part) if isinstance(obj, dict) else None
    if obj is None:
        return ""
    return str(obj).lower() if isinstance(obj, bool) else str(obj)
