"""Reads YAML as kubectl does, with line numbers in every error.

A text is first split into documents (at lines that start with `---`, as kubectl splits); then each
document is parsed by itself. Parsed documents are kept by their text, so that one edit among two
hundred documents costs one parse. Every call returns values of its own: callers may change them.

Stricter than kubectl in one point: duplicate keys, of which kubectl takes the last, are an error.
Source of the splitting rule: k8s.io/apimachinery/pkg/util/yaml/decoder.go.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import yaml

from kapp.errors import ConfigError
from kapp.yamlio.construct import construct

# Parsed documents are kept up to this many characters of YAML: a few thousand manifests.
_CACHE_CHARACTERS = 16 * 2**20

_SEPARATOR = re.compile(r"^---(.*)$", re.MULTILINE)


class Document(NamedTuple):
    """One document of a text, and the line (1-based) on which its content starts.

    `text` and `position` (which of several JSON values in it) identify the value across calls.
    """

    value: Any
    line: int
    text: str = ""
    position: int = 0


class _Chunk(NamedTuple):
    text: str
    line: int  # of its first character, 1-based


class _Cache:
    """Encoded values by document text; the least recently used go when the budget is spent."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._size = 0
        self._values: OrderedDict[str, bytes] = OrderedDict()
        # Kappfiles are evaluated in a thread while the event loop parses too.
        self._lock = threading.Lock()

    def get(self, text: str) -> bytes | None:
        with self._lock:
            encoded = self._values.get(text)
            if encoded is not None:
                self._values.move_to_end(text)
            return encoded

    def put(self, text: str, encoded: bytes) -> None:
        with self._lock:
            if text in self._values:
                return
            self._values[text] = encoded
            self._size += len(text)
            while self._size > self._budget:
                self._size -= len(self._values.popitem(last=False)[0])


_cache = _Cache(_CACHE_CHARACTERS)


def parse(text: str, source: str = "") -> list[Document]:
    """All documents of a text; empty ones (nothing, comments, null) are dropped.

    Args:
        text: YAML or JSON, documents separated by `---` lines (JSON objects need no separator).
        source: the file's name, for error locations.

    Raises:
        ConfigError: with location `source:line`, for what is not valid, for duplicate keys, and
            for values that JSON cannot hold (.inf, .nan).
    """
    return [
        Document(value, chunk.line + _leading_lines(chunk.text), chunk.text, index)
        for chunk in _split(text, source)
        for index, value in enumerate(_values(chunk, source))
        if value is not None
    ]


def load(text: str, source: str = "") -> Any:
    """The value of the only document; None if there is none.

    Raises ConfigError as `parse` does, and for more than one document.
    """
    documents = parse(text, source)
    if len(documents) > 1:
        raise ConfigError(
            f"one document is expected here, {len(documents)} were found",
            location=_location(source, documents[1].line),
            hint="remove the `---` line and what follows it",
        )
    return documents[0].value if documents else None


def _location(source: str, line: int) -> str:
    return f"{source}:{line}" if source else f"line {line}"


def _split(text: str, source: str) -> Iterator[_Chunk]:
    text = text.removeprefix("\ufeff")
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    start, line = 0, 1
    for match in _SEPARATOR.finditer(text):
        chunk = text[start : match.start()]
        yield _Chunk(chunk, line)
        line += chunk.count("\n")
        rest = match[1].strip()
        if rest and not rest.startswith("#"):
            raise ConfigError(
                f"invalid document separator: ---{match[1]}",
                location=_location(source, line),
                hint="put only `---` on the line that separates two documents",
            )
        start = match.end() + 1
        line += 1
    yield _Chunk(text[start:], line)


def _leading_lines(text: str) -> int:
    """How many blank and comment lines stand before a document's content."""
    count = 0
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            return count
        count += 1
    return 0


def _values(chunk: _Chunk, source: str) -> list[Any]:
    encoded = _cache.get(chunk.text)
    if encoded is None:
        values = _parse_json(chunk.text)
        if values is None:
            values = [_parse_yaml(chunk, source)]
        encoded = msgspec.json.encode(values)
        _cache.put(chunk.text, encoded)
    decoded: list[Any] = msgspec.json.decode(encoded)
    return decoded


def _parse_json(text: str) -> list[Any] | None:
    """The JSON objects that a text consists of; None if it is not JSON, or has duplicate keys."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    values: list[Any] = []
    position = 0
    try:
        while position < len(text):
            value, position = _STRICT_JSON.raw_decode(text, position)
            values.append(value)
            while position < len(text) and text[position].isspace():
                position += 1
    except ValueError:
        return None  # YAML in flow style; or an error, which the YAML parser explains better
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


_STRICT_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _parse_yaml(chunk: _Chunk, source: str) -> Any:
    try:
        return construct(chunk.text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line if mark else 0
        message, hint = _explain(error, chunk.text.split("\n"), line)
        raise ConfigError(
            message, location=_location(source, chunk.line + line), hint=hint
        ) from error
    except yaml.reader.ReaderError as error:
        line = chunk.text[: error.position].count("\n")
        raise ConfigError(
            f"character {error.character!r} is not allowed in YAML",
            location=_location(source, chunk.line + line),
            hint="save the file as UTF-8 text without control characters",
        ) from error


def _explain(error: yaml.MarkedYAMLError, lines: list[str], line: int) -> tuple[str, str]:
    """A YAML error in one sentence, and what to do about it."""
    problem = error.problem or error.context or "this is not valid YAML"
    text = lines[line] if line < len(lines) else ""
    if "\t" in text[: len(text) - len(text.lstrip())] or "'\\t'" in problem:
        return (
            "a tab stands where indentation is expected",
            "indent with spaces: YAML does not allow tabs there",
        )
    if "{{" in text:
        return problem, "this looks like a template: render it first, for example with helm()"
    if "mapping values are not allowed" in problem:
        return problem, "quote the value if it contains `: `, or check the indentation"
    if "expected a single document" in problem:
        return "text follows the end of the document", "separate documents with a `---` line"
    if "did not find expected" in problem:
        return problem, "check the indentation of this line and of the one before it"
    if "cannot start any token" in problem:
        return problem, "quote the value"
    return problem, str(getattr(error, "note", None) or "")
