"""The page of all commands, made from what `--help` says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

_HEAD = """\
# Commands

What `kapp COMMAND --help` prints. Written by `make reference`.

Data goes to stdout, everything else to stderr. A command ends with 0 when it did its work, 1 when
it failed, 2 for wrong usage and 130 after Ctrl-C. `kapp --debug COMMAND` shows tracebacks.
"""
_COLUMNS = 80


def markdown() -> str:
    """The page's text."""
    import typer.main

    from kapp.cli.app import app

    # Help is wrapped for the terminal it is printed on; a page must not depend on one.
    os.environ["COLUMNS"] = str(_COLUMNS)
    root: Any = typer.main.get_command(app)
    sections = [_HEAD]
    for path, text in _helps(root, "kapp", None):
        sections.append(f"## {path}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(sections)


def _helps(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=path.split()[-1], parent=parent)
    yield path, command.get_help(context)
    for name, child in getattr(command, "commands", {}).items():
        yield from _helps(child, f"{path} {name}", context)
