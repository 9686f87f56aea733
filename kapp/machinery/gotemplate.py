"""Go templates, as `-o go-template=…` takes them: `{{range .items}}{{.metadata.name}} {{end}}`.

    compile("{{.spec.x}}").render(obj)    -> text

Fields, variables, pipelines, if, range, with, define and template, trimming, and the functions of
text/template with kubectl's `exists` and `base64decode`. Values are those of JSON, so methods and
channels do not occur. Source: Go's text/template (exec.go, funcs.go), and
k8s.io/cli-runtime/pkg/printers/template.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kapp.machinery.gotemplate_functions import FUNCTIONS, is_true, printed
from kapp.machinery.gotemplate_parser import (
    Block,
    Call,
    Constant,
    Dot,
    Field,
    Function,
    Jump,
    Node,
    Operand,
    Pipeline,
    TemplateError,
    Text,
    Variable,
    parse,
)
from kapp.machinery.objects import Json

# A template that calls itself for ever ends here; Go's own limit is far beyond Python's stack.
_DEEPEST = 50
# The engine waits for a template: enough for ten thousand objects, and over in a second or two.
_MOST_STEPS = 1_000_000


class _Break(Exception):
    """Leaves a `range`."""


class _Continue(Exception):
    """Goes on with the next of a `range`."""


class GoTemplate:
    """A parsed template; immutable, to be used for any number of objects."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._nodes, self._defined = parse(text)
        except TemplateError as error:
            raise TemplateError(
                f"error parsing template {text}, template: output:1: {error.message}",
                hint=error.hint,
            ) from error

    def render(self, obj: Json) -> str:
        """What the template prints of an object. Raises TemplateError."""
        run = _Run(obj, self._defined)
        try:
            run.nodes(self._nodes, obj)
        except TemplateError as error:
            raise TemplateError(
                f'error executing template "{self.text}": {error.message}', hint=error.hint
            ) from error
        except (_Break, _Continue) as error:
            raise TemplateError("{{break}} outside of {{range}}", hint="leave it out") from error
        return "".join(run.output)


class _Run:
    """One execution."""

    def __init__(self, root: Json, defined: dict[str, tuple[Node, ...]]) -> None:
        self.output: list[str] = []
        self._defined = defined
        self._scopes: list[dict[str, Json]] = [{"$": root}]
        self._depth = 0
        self._steps = 0

    def nodes(self, nodes: tuple[Node, ...], dot: Json) -> None:
        for node in nodes:
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise TemplateError("the template goes on without end", hint="look at its ranges")
            match node:
                case Text(text):
                    self.output.append(text)
                case Pipeline():
                    value = self._evaluate(node, dot)
                    if not node.names:
                        self.output.append(printed(value))
                case Block():
                    self._block(node, dot)
                case Call(name, pipeline):
                    self._call(name, None if pipeline is None else self._evaluate(pipeline, dot))
                case Jump("break"):
                    raise _Break
                case Jump():
                    raise _Continue

    def _call(self, name: str, value: Json) -> None:
        if name not in self._defined:
            raise TemplateError(f'template "{name}" not defined', hint="{{define}} it")
        if self._depth >= _DEEPEST:
            raise TemplateError("exceeded maximum template depth", hint="it calls itself for ever")
        scopes, self._scopes = self._scopes, [{"$": value}]
        self._depth += 1
        self.nodes(self._defined[name], value)
        self._depth -= 1
        self._scopes = scopes

    @contextmanager
    def _scope(self) -> Iterator[None]:
        self._scopes.append({})
        try:
            yield
        finally:
            self._scopes.pop()

    def _block(self, block: Block, dot: Json) -> None:
        with self._scope():
            if block.word == "range":
                self._range(block, dot)
                return
            value = self._evaluate(block.pipeline, dot)
            inside = value if block.word == "with" else dot
            if is_true(value):
                self.nodes(block.body, inside)
            else:
                self.nodes(block.otherwise, dot)

    def _range(self, block: Block, dot: Json) -> None:
        plain = Pipeline(block.pipeline.commands)
        items = list(_items(self._evaluate(plain, dot)))
        if not items:
            self.nodes(block.otherwise, dot)
            return
        names = block.pipeline.names
        for key, value in items:
            pair = (value,) if len(names) == 1 else (key, value)
            with self._scope():
                for name, one in zip(names, pair, strict=False):
                    self._set(name, one, block.pipeline.assigns)
                try:
                    self.nodes(block.body, value)
                except _Continue:
                    continue
                except _Break:
                    return

    def _set(self, name: str, value: Json, assigns: bool) -> None:
        if not assigns:
            self._scopes[-1][name] = value
            return
        for scope in reversed(self._scopes):
            if name in scope:
                scope[name] = value
                return
        raise TemplateError(f'undefined variable "{name}"', hint=f"declare it: {name} := …")

    def _evaluate(self, pipeline: Pipeline, dot: Json) -> Json:
        value: Json = None
        for index, command in enumerate(pipeline.commands):
            value = self._command(command, dot, (value,) if index else ())
        for name in pipeline.names:
            self._set(name, value, pipeline.assigns)
        return value

    def _command(self, command: tuple[Operand, ...], dot: Json, last: tuple[Json, ...]) -> Json:
        first, *rest = command
        if not isinstance(first, Function):
            if rest or last:
                raise TemplateError(
                    "can't give argument to non-function", hint="a function comes first"
                )
            return self._operand(first, dot)
        if first.name in ("and", "or") and rest:
            value: Json = None
            for operand in rest:
                value = self._operand(operand, dot)
                if is_true(value) == (first.name == "or"):
                    return value
            return last[0] if last else value
        function = FUNCTIONS.get(first.name)
        if function is None:
            raise TemplateError(
                f'function "{first.name}" not defined', hint=f"there are: {', '.join(FUNCTIONS)}"
            )
        arguments = [self._operand(operand, dot) for operand in rest]
        try:
            return function(*arguments, *last)
        except TypeError as error:
            raise TemplateError(
                f"error calling {first.name}: wrong number or type of args",
                hint="see https://pkg.go.dev/text/template#hdr-Functions",
            ) from error

    def _operand(self, operand: Operand, dot: Json) -> Json:
        match operand:
            case Constant(value):
                return value
            case Dot():
                return dot
            case Pipeline():
                return self._evaluate(operand, dot)
            case Variable(name):
                for scope in reversed(self._scopes):
                    if name in scope:
                        return scope[name]
                raise TemplateError(f'undefined variable "{name}"', hint=f"declare it: {name} := …")
            case Field(of, names):
                return _field(self._operand(of, dot), names)
        return self._command((operand,), dot, ())


def _field(value: Json, names: tuple[str, ...]) -> Json:
    for name in names:
        if value is None:
            raise TemplateError(
                f"nil pointer evaluating interface {{}}.{name}",
                hint=f"ask first whether it is there: {{{{with …}}}}{{{{.{name}}}}}{{{{end}}}}",
            )
        if not isinstance(value, dict):
            raise TemplateError(
                f"can't evaluate field {name} in type interface {{}}",
                hint="only maps have fields; {{range}} goes through a list",
            )
        if name not in value:
            return None  # and so is all below it
        value = value[name]
    return value


def _items(value: Json) -> Iterator[tuple[Json, Json]]:
    """What `range` goes through: keys and values."""
    if value is None:
        return iter(())
    if isinstance(value, dict):
        return iter(sorted(value.items()))
    if isinstance(value, list):
        return iter(enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return iter([(i, i) for i in range(min(value, _MOST_STEPS))])
    raise TemplateError(
        f"range can't iterate over {printed(value)}", hint="give it a list or a map"
    )


def compile(text: str) -> GoTemplate:  # noqa: A001 - as in `re`
    """Parse a template. Raises TemplateError."""
    return GoTemplate(text)
