"""Prints YAML byte for byte as `kubectl -o yaml`: yaml.v2 with its defaults.

Keys in natural order, two spaces, lists not indented under their key, block literals for text of
several lines, quotes where a string would read as something else, lines folded at 80 columns.
libyaml, which yaml.v2 was ported from, does the layout; this module chooses the styles.
Source: go-yaml v2 encode.go.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import yaml

from kapp.yamlio.scalars import float_in_yaml, reads_as_string, sorted_keys

# Beyond this many characters a string is not kept in the cache of scalar events.
_CACHED_TEXT_LENGTH = 64

_IMPLICIT = (True, True)
_START: tuple[yaml.Event, ...] = (yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False))
_END: tuple[yaml.Event, ...] = (yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent())
_MAP_START = yaml.MappingStartEvent(None, None, True, flow_style=False)
_MAP_END = yaml.MappingEndEvent()
_LIST_START = yaml.SequenceStartEvent(None, None, True, flow_style=False)
_LIST_END = yaml.SequenceEndEvent()


def dump(value: Any) -> str:
    """One JSON value as a YAML document, with a final newline.

    Raises TypeError for what is no JSON value.
    """
    stream = io.StringIO()
    emit = yaml.CDumper(stream, allow_unicode=True).emit
    for event in _START:
        emit(event)
    _emit(value, emit)
    for event in _END:
        emit(event)
    # libyaml ends a document whose last scalar is open-ended with a marker; yaml.v2 does not
    text = stream.getvalue()
    return text[:-4] if text.endswith("\n...\n") else text


def dump_all(values: Iterable[Any]) -> str:
    """Several documents, separated by `---`."""
    return "---\n".join(map(dump, values))


def _emit(value: Any, emit: Callable[[yaml.Event], None]) -> None:
    if isinstance(value, Mapping):
        emit(_MAP_START)
        for key in sorted_keys(tuple(value)):
            emit(_string(key))
            _emit(value[key], emit)
        emit(_MAP_END)
    elif isinstance(value, list | tuple):
        emit(_LIST_START)
        for item in value:
            _emit(item, emit)
        emit(_LIST_END)
    elif isinstance(value, str):
        emit(_string(value))
    else:
        emit(_plain(value))


def _plain(value: Any) -> yaml.ScalarEvent:
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float):
        text = float_in_yaml(value)
    else:
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return yaml.ScalarEvent(None, None, _IMPLICIT, text)


@lru_cache(maxsize=8192)
def _short_string(text: str) -> yaml.ScalarEvent:
    return yaml.ScalarEvent(None, None, _IMPLICIT, text, style=_style(text))


def _string(text: str) -> yaml.ScalarEvent:
    # field names and common values recur; long texts are not worth keeping
    if len(text) <= _CACHED_TEXT_LENGTH:
        return _short_string(text)
    return yaml.ScalarEvent(None, None, _IMPLICIT, text, style=_style(text))


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    return None if reads_as_string(text) else '"'
