"""Turns one YAML document into a JSON value, by the rules of Go's yaml.v2.

libyaml parses; its events become values here. PyYAML's composer is not used because it recurses in
C, so that a text of nothing but brackets would crash the process; its constructors are not, because
their rules differ. Raises yaml.YAMLError with a mark; `parse` makes sentences of it.
Source: go-yaml v2 decode.go; sigs.k8s.io/yaml for what becomes of keys.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml
from yaml import events

from kapp.yamlio.scalars import Scalar, float_in_yaml, resolve

_PREFIX = "tag:yaml.org,2002:"

# Aliases may expand a document to this many values; more is an attack, or a mistake.
_EXPANDED_LIMIT = 1_000_000
# Far more than any manifest has; with it, Python's own recursion limit is never met.
_DEPTH_LIMIT = 200


class _Built(NamedTuple):
    value: Any
    size: int  # how many values it consists of, aliases expanded


def construct(text: str) -> Any:
    """The JSON value of a document; None if it is empty.

    Raises yaml.YAMLError for what is no YAML, for what JSON cannot hold, and for duplicate keys.
    """
    parser = yaml.CSafeLoader(text)
    try:
        return _Builder(parser.get_event).document()
    finally:
        parser.dispose()


def _fail(event: Any, message: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, message, event.start_mark)


class _Builder:
    def __init__(self, next_event: Callable[[], Any]) -> None:
        self._next = next_event
        self._anchors: dict[str, _Built] = {}
        self._depth = 0
        self._size = 0

    def document(self) -> Any:
        self._next()  # the stream's start
        if isinstance(self._next(), events.StreamEndEvent):
            return None
        value = self._value(self._next())
        self._next()  # the document's end
        following = self._next()
        if not isinstance(following, events.StreamEndEvent):
            raise _fail(following, "expected a single document in the stream")
        return value

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is events.AliasEvent:
            return self._alias(event)
        before = self._size
        self._size += 1
        if self._size > _EXPANDED_LIMIT:
            raise _fail(event, "document contains excessive aliasing")
        if kind is events.ScalarEvent:
            value: Any = _scalar(event)
            if isinstance(value, float) and not math.isfinite(value):
                raise _fail(event, f"{event.value} is not a number that JSON can hold")
        else:
            self._depth += 1
            if self._depth > _DEPTH_LIMIT:
                raise _fail(event, "the document is nested too deeply")
            value = self._map() if kind is events.MappingStartEvent else self._list()
            self._depth -= 1
        if event.anchor is not None:
            self._anchors[event.anchor] = _Built(value, self._size - before)
        return value

    def _alias(self, event: Any) -> Any:
        built = self._anchors.get(event.anchor)
        if built is None:
            raise _fail(event, f"unknown anchor {event.anchor!r} referenced")
        self._size += built.size
        if self._size > _EXPANDED_LIMIT:
            raise _fail(event, "document contains excessive aliasing")
        return built.value

    def _list(self) -> list[Any]:
        items = []
        while type(event := self._next()) is not events.SequenceEndEvent:
            items.append(self._value(event))
        return items

    def _map(self) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Any] = {}
        while type(event := self._next()) is not events.MappingEndEvent:
            if type(event) is events.ScalarEvent and event.value == "<<" and _is_plain(event):
                for name, value in self._merge_source().items():
                    merged.setdefault(name, value)
                continue
            key = self._key(event)
            line = event.start_mark.line
            if key in lines:
                raise _fail(event, f"key {key!r} is already set {_above(line - lines[key])}")
            lines[key] = line
            result[key] = self._value(self._next())
        for name, value in merged.items():
            result.setdefault(name, value)
        return result

    def _merge_source(self) -> dict[str, Any]:
        """What `<<` brings in; of several maps the first that has a key wins."""
        event = self._next()
        source = self._value(event)
        found: dict[str, Any] = {}
        for part in source if isinstance(source, list) else [source]:
            if not isinstance(part, dict):
                raise _fail(event, "map merge requires map or sequence of maps as the value")
            for name, value in part.items():
                found.setdefault(name, value)
        return found

    def _key(self, event: Any) -> str:
        """A map key as the string that it becomes in JSON."""
        value = self._value(event)
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return float_in_yaml(value)
        if value is None:
            raise _fail(event, "null is no map key: quote it")
        raise _fail(event, "a map key must be a scalar")


def _above(lines: int) -> str:
    return "on this line" if not lines else f"{lines} line{'s' if lines > 1 else ''} above"


def _is_plain(event: Any) -> bool:
    return bool(event.implicit[0]) and event.tag is None


def _scalar(event: Any) -> Scalar:
    tag, text = event.tag, str(event.value)
    if tag is None:
        return resolve(text) if event.implicit[0] else text
    if not tag.startswith(_PREFIX):
        return text
    kind = tag[len(_PREFIX) :]
    if kind == "binary":
        return _binary(event, text)
    if kind not in ("int", "float", "bool", "null"):
        return text
    value = resolve(text)
    fits = {
        "int": type(value) is int,
        "float": type(value) in (int, float),
        "bool": type(value) is bool,
        "null": value is None,
    }
    if not fits[kind]:
        raise _fail(event, f"cannot decode `{text}` as a !!{kind}")
    return value


def _binary(event: Any, text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error as error:
        raise _fail(event, "!!binary value contains invalid base64 data") from error
