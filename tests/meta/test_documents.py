"""The documents name only things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
_CODE_PATH = re.compile(r"`((?:kapp|docs|tests|examples|benchmarks|tools)/[\w./-]*)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"^```.*?^```|`[^`]*`", re.MULTILINE | re.DOTALL)
_MAKE_TARGET = re.compile(r"`make ([a-z-]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_paths_exist(document: Path) -> None:
    text = document.read_text()
    named = {ROOT / path for path in _CODE_PATH.findall(text)}
    linked = {document.parent / path for path in _LINK.findall(_CODE.sub("", text))}
    assert [str(path) for path in sorted(named | linked) if not path.exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_named_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_MAKE_TARGET.findall(document.read_text())) <= targets


def test_the_readme_opens_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text().split("## ")[0]
    commands = re.findall(r"^make [a-z]+", head, re.MULTILINE)
    assert commands == ["make example", "make check"]
    assert "make check" in (ROOT / ".ci" / "run").read_text()
