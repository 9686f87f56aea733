"""The grammar of Go templates: text into nodes. Pure; used by `gotemplate`.

Source: text/template/parse (lex.go, parse.go) of Go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kapp.errors import KappError
from kapp.machinery.goquote import unquote


class TemplateError(KappError):
    """A template that cannot be read, or does not fit an object."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is printed as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A string, a number, a boolean or nil."""

    value: object


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b` of something: of the present object, a variable, or a pipeline in parentheses."""

    of: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """The present object."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`; `$` is the whole object."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function's name."""

    name: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets the value of the one before as its last argument.

    `names` are variables that take the value: declared, unless `assigns`.
    """

    commands: tuple[tuple[Operand, ...], ...]
    names: tuple[str, ...] = ()
    assigns: bool = False


Operand: TypeAlias = "Constant | Field | Dot | Variable | Function | Pipeline"


@dataclass(frozen=True, slots=True)
class Block:
    """`if`, `range` or `with`: what is done, and what otherwise."""

    word: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` or `continue`."""

    word: str


@dataclass(frozen=True, slots=True)
class Call:
    """`template`: a defined template, with an object."""

    name: str
    pipeline: Pipeline | None


Node: TypeAlias = "Text | Pipeline | Block | Jump | Call"

_ACTION = re.compile(
    r"\{\{(?P<trim>- )?\s*(?:/\*.*?\*/|(?P<code>(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|'(?:\\.|[^'\\])*'"
    r"|[^\"`'])*?))\s*(?P<after> -)?\}\}",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<char>'(?:\\.|[^'\\])+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
    | (?P<field>(?:\.[A-Za-z_]\w*)+)
    | (?P<variable>\$\w*)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>:=|[|(),=.])
    )""",
    re.VERBOSE,
)
_BLOCKS = frozenset(["if", "range", "with"])
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "nil": None}


def parse(text: str) -> tuple[tuple[Node, ...], dict[str, tuple[Node, ...]]]:
    """The nodes of a template, and those of each template that it defines. Raises TemplateError."""
    parser = _Parser(list(_pieces(text)))
    nodes, end, _ = parser.nodes()
    if end:
        raise TemplateError(f"unexpected {{{{{end}}}}}", hint="there is nothing to end")
    return nodes, parser.defined


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Text and actions in turn: whether it is an action, and what stands in it."""
    position, trim = 0, False
    while (start := text.find("{{", position)) >= 0:
        found = _ACTION.match(text, start)
        if found is None:
            raise TemplateError("unclosed action", hint="every {{ needs its }}")
        before = text[position:start]
        before = before.lstrip() if trim else before
        before = before.rstrip() if found["trim"] else before
        if before:
            yield False, before
        if found["code"] is not None:
            yield True, found["code"]
        position, trim = found.end(), bool(found["after"])
    rest = text[position:]
    if rest := rest.lstrip() if trim else rest:
        yield False, rest


class _Parser:
    def __init__(self, pieces: list[tuple[bool, str]]) -> None:
        self._pieces = pieces
        self._next = 0
        self.defined: dict[str, tuple[Node, ...]] = {}

    def nodes(self) -> tuple[tuple[Node, ...], str, list[tuple[str, str]]]:
        """Nodes up to `end` or `else`: they, that word, and what follows it in its action."""
        found: list[Node] = []
        while self._next < len(self._pieces):
            is_action, text = self._pieces[self._next]
            self._next += 1
            if not is_action:
                found.append(Text(text))
                continue
            tokens = _tokens(text)
            word = tokens[0][1] if tokens and tokens[0][0] == "word" else ""
            if word in ("end", "else"):
                return tuple(found), word, tokens[1:]
            if (node := self._action(word, tokens)) is not None:
                found.append(node)
        return tuple(found), "", []

    def _action(self, word: str, tokens: list[tuple[str, str]]) -> Node | None:
        if word in _BLOCKS:
            return self._block(word, tokens[1:])
        if word in ("break", "continue"):
            return Jump(word)
        if word in ("define", "block", "template"):
            if len(tokens) < 2 or tokens[1][0] not in ("string", "raw"):
                raise TemplateError(f"{word} needs a name", hint=f'{{{{{word} "name"}}}}')
            name = _literal(tokens[1][1])
            pipeline = _pipeline(tokens[2:]) if tokens[2:] else None
            if word != "template":
                self.defined[name] = self._until_end(word)
            return Call(name, pipeline) if word != "define" else None
        if not tokens:
            raise TemplateError("missing value for command", hint="{{}} says nothing")
        return _pipeline(tokens)

    def _until_end(self, word: str) -> tuple[Node, ...]:
        body, end, _ = self.nodes()
        if end != "end":
            raise TemplateError(f"{word} has no {{{{end}}}}", hint="add it")
        return body

    def _block(self, word: str, tokens: list[tuple[str, str]]) -> Block:
        pipeline = _pipeline(tokens)
        body, end, rest = self.nodes()
        otherwise: tuple[Node, ...] = ()
        if end == "else":
            if rest:
                # `else if` is an `if` of its own, which the same `end` closes.
                return Block(word, pipeline, body, (self._block(rest[0][1], rest[1:]),))
            otherwise, end, _ = self.nodes()
        if end != "end":
            raise TemplateError(f"{word} has no {{{{end}}}}", hint="add it")
        return Block(word, pipeline, body, otherwise)


def _tokens(text: str) -> list[tuple[str, str]]:
    """The tokens of an action; a space before a field is one, since `a .b` is not `a.b`."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text.rstrip()):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise TemplateError(
                f"unexpected {text[position:].strip()[:1]!r} in {{{{{text}}}}}",
                hint="see https://pkg.go.dev/text/template",
            )
        value = found[found.lastgroup]
        joined = not text[position].isspace() and bool(tokens)
        kind = "chain" if found.lastgroup == "field" and joined else found.lastgroup
        tokens.append((kind, value))
        position = found.end()
    return tokens


def _pipeline(tokens: Sequence[tuple[str, str]]) -> Pipeline:
    names: list[str] = []
    signs = [value for kind, value in tokens[:4] if kind == "sign"]
    assigns = False
    if tokens and tokens[0][0] == "variable" and signs and signs[-1 if "," in signs[:1] else 0]:
        for index, (kind, value) in enumerate(tokens):
            if kind == "variable":
                names.append(value)
            elif value in (":=", "="):
                assigns = value == "="
                tokens = tokens[index + 1 :]
                break
            elif value != ",":
                names = []
                break
        else:
            names = []
    commands, rest = _commands(list(tokens))
    if rest:
        raise TemplateError(f"unexpected {rest[0][1]!r}", hint="a parenthesis too many")
    return Pipeline(commands, tuple(names), assigns)


def _commands(
    tokens: list[tuple[str, str]],
) -> tuple[tuple[tuple[Operand, ...], ...], list[tuple[str, str]]]:
    commands: list[tuple[Operand, ...]] = []
    operands: list[Operand] = []
    while tokens and tokens[0] != ("sign", ")"):
        kind, value = tokens.pop(0)
        if (kind, value) == ("sign", "|"):
            commands.append(_command(operands))
            operands = []
        elif (kind, value) == ("sign", "("):
            inner, tokens = _commands(tokens)
            if not tokens:
                raise TemplateError("unclosed left paren", hint="add )")
            tokens.pop(0)
            operands.append(Pipeline(inner))
        elif kind == "chain":
            operands[-1] = Field(operands[-1], tuple(value[1:].split(".")))
        else:
            operands.append(_operand(kind, value))
    commands.append(_command(operands))
    return tuple(commands), tokens


def _command(operands: list[Operand]) -> tuple[Operand, ...]:
    if not operands:
        raise TemplateError("missing value for command", hint="there is nothing between | and |")
    return tuple(operands)


def _operand(kind: str, value: str) -> Operand:
    if kind == "field":
        return Field(Dot(), tuple(value[1:].split(".")))
    if kind == "variable":
        return Variable(value)
    if kind == "word":
        return Constant(_CONSTANTS[value]) if value in _CONSTANTS else Function(value)
    if (kind, value) == ("sign", "."):
        return Dot()
    if kind == "sign":
        raise TemplateError(f"unexpected {value!r}", hint="see https://pkg.go.dev/text/template")
    if kind == "number":
        return Constant(
            float(value)
            if re.search(r"[.eE]", value) and "x" not in value.lower()
            else int(value, 0)
        )
    if kind == "char":
        character = _literal(value)
        if len(character) != 1:
            raise TemplateError(
                f"malformed character constant: {value}", hint='text goes between " and "'
            )
        return Constant(ord(character))
    return Constant(_literal(value))


def _literal(value: str) -> str:
    try:
        return unquote(value)
    except ValueError as error:
        raise TemplateError(f"invalid syntax: {value}", hint=str(error)) from error
