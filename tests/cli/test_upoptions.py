"""The quick parser of `kapp up` understands what Typer understands, or leaves it to Typer."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.cli import app, up
from kapp.cli.upoptions import UpOptions, parse

_WORDS = [
    "web", "db", "-f", "--file", "--file=x/Kappfile", "x", "--stream", "--cluster", "embedded",
    "--cluster=embedded", "--context", "--context=", "kind", "--namespace", "--namespace=a=b",
    "--port-forwards", "--no-port-forwards", "--down-on-exit", "--", "-", "--nope", "-x", "--stre",
    "-fx", "--help", "",
]  # fmt: skip


def by_typer(words: list[str]) -> UpOptions | None:
    """What Typer would run; None where it explains instead."""
    found: list[UpOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(up, "run", lambda options: found.append(options) or 0)
        app.run(["up", *words])
    return found[0] if found else None


@settings(max_examples=60)
@given(st.lists(st.sampled_from(_WORDS), max_size=6))
def test_both_understand_the_same(words: list[str]) -> None:
    quick = parse(words)
    if quick is not None:
        assert quick == by_typer(words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--stream", "-f", "examples/Kappfile"],
        ["web", "db", "--namespace", "team", "--no-port-forwards", "--down-on-exit"],
        ["--cluster=embedded", "--", "--flag", "web"],
    ],
)
def test_what_is_usual_takes_the_quick_way(words: list[str]) -> None:
    assert parse(words) == by_typer(words) is not None


def test_every_option_of_typer_is_known_here() -> None:
    command = typer.main.get_command(app.app).commands["up"]
    names = [name for one in command.params for name in (*one.opts, *one.secondary_opts)]
    for name in names:
        if name.startswith("-") and name != "--help":
            assert parse([name]) is not None or parse([name, "value"]) is not None, name


def test_the_quick_way_imports_neither_typer_nor_pydantic() -> None:
    program = (
        "import sys; sys.argv = ['kapp', 'up', '-f', 'nope']\n"
        "from kapp.cli.entry import main\n"
        "assert main() == 2\n"
        "import kapp.cli.running, kapp.engine.engine, kapp.cli.showing\n"
        "print(*({'typer', 'pydantic', 'rich', 'kubernetes'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
