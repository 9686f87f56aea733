"""The documents' snippets, as the tests read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# docs/reference/ is written from the code; its examples are run by tests/kappfile/test_builtins.py.
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_COMMAND = re.compile(r"(\$ )?((kapp|kubectl|curl|cat|vi|make|pip) .*?)( +# .*)?")


class Block(NamedTuple):
    """A fenced block: where it is, its language ("" for none) and its text."""

    document: str
    language: str
    text: str

    @property
    def is_drawing(self) -> bool:
        """Boxes and arrows, or the layers, one a line."""
        return "─▶" in self.text or self.text.startswith("cli\nengine ")

    @property
    def commands(self) -> list[tuple[str, str]]:
        """The command lines, without their remarks, each with the output shown below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            if match := _COMMAND.fullmatch(line):
                found.append((match[2], ""))
            elif line and found:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        return found


def blocks() -> Iterator[Block]:
    """All fenced blocks of all documents."""
    for document in DOCUMENTS:
        for language, text in _FENCED.findall(document.read_text()):
            yield Block(str(document.relative_to(ROOT)), language, text)


def inline() -> Iterator[tuple[str, str]]:
    """Document and text of all code within sentences."""
    for document in DOCUMENTS:
        for code in _INLINE.findall(_FENCED.sub("", document.read_text())):
            yield str(document.relative_to(ROOT)), code
