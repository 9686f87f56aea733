"""Every snippet of the documents is one that a test executes or checks.

Shell commands are executed by tests/journeys/test_documents.py, Kappfiles evaluated by
tests/kappfile/test_documents.py; what stands within a sentence is parsed here.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
import typer.main

from kapp.cli.app import app
from kapp.cli.entry import _INSTANT
from kapp.machinery.printers.options import parse_get
from tests.documents import ROOT, Block, blocks, inline
from tests.journeys.test_documents import EXECUTED

_PLACEHOLDERS = {"NAME", "COMMAND"}


@pytest.mark.parametrize("block", list(blocks()), ids=lambda block: block.document)
def test_a_block_is_executed_evaluated_or_a_drawing(block: Block) -> None:
    if block.is_drawing:
        return
    if block.language:
        assert block.language == "python", "only Kappfiles are labelled; teach a test to check it"
        return
    assert block.commands
    assert block.document in EXECUTED


_COMMANDS = sorted({code for _, code in inline() if re.match(r"kapp [a-z]", code)})


@pytest.mark.parametrize("code", _COMMANDS)
def test_a_command_in_a_sentence_is_one(code: str) -> None:
    _, name, *words = shlex.split(code)
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert name in command.commands
        command = command.commands[name]
        if hasattr(command, "commands"):
            name, *words = words
    if name in _INSTANT:
        parse_get([word for word in words or ["kapp"] if word != "-w"] or ["kapp"])
    elif words:
        command.make_context(name, list(words))


_TARGETS = sorted({code for _, code in inline() if re.match(r"make [a-z-]+", code)})


@pytest.mark.parametrize("code", _TARGETS)
def test_a_make_target_in_a_sentence_is_one(code: str) -> None:
    assert re.search(rf"^{code.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
