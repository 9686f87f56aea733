"""Every name a Kappfile can use, declared once.

A builtin is a Python function `fn(call, …)`; its parameters after `call`, with their defaults, are
the Starlark signature, and its docstring is its reference text. From this registry come the
prelude (`kapp.kappfile.prelude`), the hints for misspelt names, and the reference page.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

Function = TypeVar("Function", bound=Callable[..., Any])


class Builtin(msgspec.Struct, frozen=True):
    """One function.

    Attributes:
        name: as written in a Kappfile, with dots (`os.path.join`).
        topic: the heading it stands under in the reference.
        function: called as `function(call, *arguments)`, in the order of `parameters`; raises
            KappfileError, to which the host adds the name and the place.
        example: Kappfile text that runs as it is (the tests run it).
        returns_struct: the result is a dict that becomes a struct (None stays None).
        takes_pending: it knows what to do with blobs whose text is still being rendered; others
            are called once it is there.
        starlark: Starlark that defines the function, where plain forwarding is not enough. It
            defines `{id}` and may call the Python side as `_kapp_py_{id}`.
    """

    name: str
    topic: str
    function: Callable[..., Any]
    example: str
    returns_struct: bool = False
    takes_pending: bool = False
    starlark: str = ""

    @property
    def id(self) -> str:
        """An identifier made of the name."""
        return self.name.replace(".", "_")

    @property
    def doc(self) -> str:
        """The docstring, dedented."""
        return inspect.getdoc(self.function) or ""

    @property
    def parameters(self) -> list[inspect.Parameter]:
        """The Starlark parameters, in order."""
        return list(inspect.signature(self.function).parameters.values())[1:]

    @property
    def signature(self) -> str:
        """The parameters as Starlark source: `yaml, allow_duplicates=False`."""
        parts: list[str] = []
        star = False
        for parameter in self.parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                star = True
                parts.append(f"*{parameter.name}")
                continue
            if parameter.kind is parameter.VAR_KEYWORD:
                parts.append(f"**{parameter.name}")
                continue
            if parameter.kind is parameter.KEYWORD_ONLY and not star:
                star = True
                parts.append("*")
            name = starlark_name(parameter)
            default = parameter.default
            parts.append(name if default is parameter.empty else f"{name}={_source(default)}")
        return ", ".join(parts)

    @property
    def usage(self) -> str:
        """Name and parameters as a reader is shown them; `…` is a default without a value."""
        return f"{self.name}({self.signature.replace('_kapp_unset', '…')})"

    def argument_hint(self, argument: str) -> str:
        """What the reference says of a parameter, or how the function is called."""
        name = re.match(r"(?:a key of )?(\w*)", argument)
        described = name and re.search(
            rf"^    {name.group(1)}: (.*(?:\n {{8}}.*)*)", self.doc, re.MULTILINE
        )
        if not name or not described:
            return self.usage
        return f"{name.group(1)}: {' '.join(described.group(1).split())}".rstrip(".")


class Constant(msgspec.Struct, frozen=True):
    """A name with a value; `starlark` is the expression that makes it."""

    name: str
    topic: str
    starlark: str
    doc: str
    example: str


BUILTINS: dict[str, Builtin] = {}
"""By name, in order of declaration; filled by importing `kapp.kappfile.builtins`."""

CONSTANTS: dict[str, Constant] = {}
"""By name, in order of declaration."""


def builtin(
    name: str,
    *,
    topic: str,
    example: str,
    returns_struct: bool = False,
    takes_pending: bool = False,
    starlark: str = "",
) -> Callable[[Function], Function]:
    """Declare a builtin; see `Builtin`."""

    def declare(function: Function) -> Function:
        if name in BUILTINS:
            raise ValueError(f"builtin {name} is declared twice")
        BUILTINS[name] = Builtin(
            name, topic, function, example, returns_struct, takes_pending, starlark
        )
        return function

    return declare


def constant(name: str, *, topic: str, starlark: str, doc: str, example: str) -> None:
    """Declare a constant; see `Constant`."""
    CONSTANTS[name] = Constant(name, topic, starlark, doc, example)


def starlark_name(parameter: inspect.Parameter) -> str:
    """A parameter's name; a trailing underscore only avoids a Python builtin's name."""
    return parameter.name.rstrip("_")


def _source(default: object) -> str:
    return repr(default) if not isinstance(default, tuple) else repr(list(default))
