"""No command, no option and no error of the command line is without a snapshot."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import kapp.cli
from kapp.cli.app import app
from kapp.cli.entry import _INSTANT

_TEXTS = [path.read_text() for path in (Path(__file__).parent / "snapshots").glob("*.txt")]
_CLI = Path(kapp.cli.__file__).parent
# Shown in other tests, or by nothing that a test could do.
_ERRORS_ELSEWHERE = {
    "several engines run: ": "tests/journeys/test_instances.py",
    " does not answer: ": "only where an engine is killed or hangs",
    "the engine answered ": "no answer without a message is known",
    "the Kappfile is gone": "only while the engine ends",
    " is gone": "only while the Kappfile is evaluated",
    ": it has no ConfigMap ": "only where somebody deletes the ConfigMap in the same moment",
    "must specify -f": "Typer says it before",
    "kapp.cli.entry sends these down the instant path": "never",
}
_OPTIONS_ELSEWHERE = {
    ("up", "--no-port-forwards"): "tests/cli/test_upoptions.py",
    ("up", "--port-forwards"): "tests/cli/test_upoptions.py",
    ("up", "--namespace"): "tests/journeys",
}


class Typed(NamedTuple):
    """A command line of a snapshot."""

    line: str
    failed: bool


def _typed() -> Iterator[Typed]:
    for text in _TEXTS:
        for block in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            line, *shown = block.splitlines()
            yield Typed(line, any(re.match(r"  exit (?!130)", one) for one in shown))


def _leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from _leaves(child, f"{path} {name}")


_TYPED = list(_typed())
_COMMANDS = dict(_leaves(typer.main.get_command(app), "kapp"))


@pytest.mark.parametrize("path", _COMMANDS)
def test_a_command_is_shown_to_succeed_and_to_fail(path: str) -> None:
    ends = {typed.failed for typed in _TYPED if f"{path} " in f"{typed.line} "}
    assert ends == {False, True}


@pytest.mark.parametrize("path", _COMMANDS)
def test_every_option_is_used(path: str) -> None:
    lines = [typed.line for typed in _TYPED if f"{path} " in f"{typed.line} "]
    unused = [
        option.opts
        for option in _COMMANDS[path].params
        if option.param_type_name == "option"
        and option.name not in ("help", "file")  # the same in every command
        and not any(
            re.search(rf"(^| ){re.escape(name)}([ =]|$)", line)
            for line in lines
            for name in [*option.opts, *option.secondary_opts]
        )
        and not any(
            (path.removeprefix("kapp "), name) in _OPTIONS_ELSEWHERE for name in option.opts
        )
    ]
    assert unused == []


def test_the_help_knows_what_goes_the_instant_way() -> None:
    assert {f"kapp {name}" for name in _INSTANT} <= _COMMANDS.keys()


def _sentences() -> Iterator[str]:
    """The longest constant part of every error that the command line raises itself."""
    for path in sorted(_CLI.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[sentence, *_]) if name.endswith(
                    ("Error", "_Refused", "TimedOut")
                ):
                    parts = [
                        one.value
                        for one in ast.walk(sentence)
                        if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    ]
                    if parts:
                        yield max(parts, key=len)


def test_every_error_is_shown() -> None:
    shown = "\n".join(_TEXTS)
    missing = [one for one in _sentences() if one not in shown and one not in _ERRORS_ELSEWHERE]
    assert missing == []
