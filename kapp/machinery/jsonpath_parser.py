"""Parses kubectl's JSONPath templates into a list of nodes; `jsonpath` evaluates them.

Follows k8s.io/client-go/util/jsonpath/parser.go rule by rule, its errors included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from kapp.errors import KappError
from kapp.machinery.goquote import unquote


class TemplateSyntaxError(KappError):
    """The template cannot be parsed; the message is kubectl's."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text between expressions, or a quoted string in one."""

    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or boolean."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class Word:
    """`range`, `end`, or something that only evaluation rejects."""

    name: str


@dataclass(frozen=True, slots=True)
class Field:
    """`.name` or `['name']`."""

    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`.*`."""


@dataclass(frozen=True, slots=True)
class Recursive:
    """`..`."""


@dataclass(frozen=True, slots=True)
class Array:
    """`[start:end:step]`; None where not given. `derived`: `[n]`, where end is start + 1."""

    start: int | None
    end: int | None
    step: int | None
    derived: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """`[?(left operator right)]`; the operator is `exists` where there is only a left side."""

    left: Sequence
    right: Sequence
    operator: str


@dataclass(frozen=True, slots=True)
class Union:
    """`[a,b]`."""

    branches: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """What stands between one pair of braces."""

    nodes: tuple[Node, ...]


Node: TypeAlias = (
    Text | Literal | Word | Field | Wildcard | Recursive | Array | Filter | Union | Sequence
)

_DICT_KEY = re.compile(r"'([^']*)'")
_SLICE = re.compile(r"(-?[0-9]*)(:-?[0-9]*)?(:-?[0-9]*)?")
_COMPARISON = re.compile(r"([^!<>=]+)([!<>=]+)(.+)", re.DOTALL)
_TERMINATORS = frozenset(" \t\r\n.,[]$@{}")


def parse(template: str) -> tuple[Node, ...]:
    """The template's nodes. Raises TemplateSyntaxError."""
    return _Parser(template).template()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def template(self) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while self._at < len(self._text):
            brace = self._text.find("{", self._at)
            end = len(self._text) if brace < 0 else brace
            if end > self._at:
                nodes.append(Text(self._text[self._at : end]))
            self._at = end
            if brace >= 0:
                self._at += 1
                nodes.append(self._action())
        return tuple(nodes)

    def _action(self) -> Sequence:
        """Everything up to the closing brace, which is consumed."""
        nodes: list[Node] = []
        while True:
            rest = self._text[self._at : self._at + 3]
            if rest.startswith("}"):
                self._at += 1
                return Sequence(tuple(nodes))
            if rest == "[?(":
                nodes.append(self._filter())
            elif rest.startswith(".."):
                if nodes and isinstance(nodes[-1], Recursive):
                    raise TemplateSyntaxError("invalid multiple recursive descent")
                self._at += 2
                nodes.append(Recursive())
                if self._at < len(self._text) and _is_alphanumeric(self._text[self._at]):
                    nodes.append(self._field())
            else:
                nodes.extend(self._step())

    def _step(self) -> list[Node]:
        char = self._text[self._at : self._at + 1]
        if char in ("", "\r", "\n"):
            raise TemplateSyntaxError("unclosed action")
        if char in " @$":
            self._at += 1
            return []
        if char == "[":
            return self._array()
        if char in "\"'":
            return [self._quote(char)]
        if char == ".":
            self._at += 1
            return [self._field()]
        if char in "+-" or char.isdecimal():
            return [self._number()]
        if _is_alphanumeric(char):
            return [self._word()]
        raise TemplateSyntaxError(f"unrecognized character in action: {_named(char)}")

    def _word(self) -> Node:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _TERMINATORS:
            self._at += 1
        name = self._text[start : self._at]
        return Literal(name == "true") if name in ("true", "false") else Word(name)

    def _number(self) -> Literal:
        match = re.compile(r"[-+]?[0-9.]*").match(self._text, self._at)
        assert match is not None  # every part of the pattern is optional
        self._at = match.end()
        try:
            return Literal(int(match[0]))
        except ValueError:
            try:
                return Literal(float(match[0]))
            except ValueError:
                raise TemplateSyntaxError(f"cannot parse number {match[0]}") from None

    def _field(self) -> Node:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _TERMINATORS:
            self._at += 2 if self._text[self._at] == "\\" else 1
        self._at = min(self._at, len(self._text))
        name = self._text[start : self._at]
        return Wildcard() if name == "*" else Field(name.replace("\\", ""))

    def _quote(self, quote: str) -> Text:
        start = self._at
        self._at += 1
        while True:
            char = self._text[self._at : self._at + 1]
            if char in ("", "\n"):
                raise TemplateSyntaxError("unterminated quoted string")
            self._at += 1
            if char == quote and self._text[self._at - 2] != "\\":
                return Text(_unquoted(self._text[start : self._at]))

    def _array(self) -> list[Node]:
        end = self._text.find("]", self._at)
        line_end = self._text.find("\n", self._at)
        if end < 0 or 0 <= line_end < end:
            raise TemplateSyntaxError("unterminated array")
        text = self._text[self._at + 1 : end]
        self._at = end + 1
        if text == "*":
            text = ":"
        parts = text.split(",")
        if len(parts) > 1:
            return [Union(tuple(_inner(f"[{part.strip(' ')}]") for part in parts))]
        if key := _DICT_KEY.fullmatch(text):
            return list(_inner(f".{key[1]}").nodes)
        return [_slice(text)]

    def _filter(self) -> Filter:
        start = self._at + len("[?(")
        self._at = start
        quote = ""
        closed = False
        while True:
            char = self._text[self._at : self._at + 1]
            if char in ("", "\n"):
                raise TemplateSyntaxError("unterminated filter")
            self._at += 1
            if char in "\"'":
                if not quote:
                    quote = char
                elif char == quote and self._text[self._at - 2] != "\\":
                    closed = True
            elif char == ")" and bool(quote) == closed:
                break
        text = self._text[start : self._at - 1]
        if self._text[self._at : self._at + 1] != "]":
            raise TemplateSyntaxError("unclosed array expect ]")
        self._at += 1
        comparison = _COMPARISON.fullmatch(text)
        if comparison is None:
            return Filter(_inner(text), Sequence(()), "exists")
        left, operator, right = comparison.groups()
        return Filter(_inner(left), _inner(right), operator)


def _inner(text: str) -> Sequence:
    """A part of an expression, parsed as if it stood between braces of its own."""
    node = parse(f"{{{text}}}")[0]
    assert isinstance(node, Sequence)  # it starts with a brace
    return node


def _slice(text: str) -> Array:
    match = _SLICE.fullmatch(text)
    if match is None:
        raise TemplateSyntaxError(f"invalid array index {text}")
    start, end, step = match.groups(default="")
    if not end:
        first = _index(start) or 0
        return Array(_index(start), first + 1, _index(step[1:]), derived=True)
    return Array(_index(start), _index(end[1:]), _index(step[1:]), derived=False)


def _index(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise TemplateSyntaxError(f"array index {text} is not a number") from None


def _is_alphanumeric(char: str) -> bool:
    return char == "_" or char.isalpha() or char.isdecimal()


def _named(char: str) -> str:
    """Go's `%#U`."""
    return f"U+{ord(char):04X} '{char}'" if char.isprintable() else f"U+{ord(char):04X}"


def _unquoted(quoted: str) -> str:
    try:
        return unquote(quoted)
    except ValueError:
        raise TemplateSyntaxError(f"unquote string {quoted} error invalid syntax") from None
