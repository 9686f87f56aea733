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


_NAMERS = [ROOT / "ARCHITECTURE.md", ROOT / "docs" / "life-of-a-save.md"]
_SOURCES = {path: path.read_text() for path in sorted((ROOT / "kapp").rglob("*.py"))}
_NAME = re.compile(r"`([A-Za-z_][\w.]*)`")
# A name and, behind it or before it, the file that is said to have it.
_PLACED = re.compile(
    r"`([A-Za-z_][\w.]*)` \(`(kapp/[\w/]+\.py)`\)|`([A-Za-z_][\w.]*)`\s+in\s+`(kapp/[\w/]+\.py)`"
)


@pytest.mark.parametrize("document", _NAMERS, ids=lambda path: path.name)
def test_named_classes_functions_and_fields_exist(document: Path) -> None:
    words = {word for text in _SOURCES.values() for word in re.findall(r"\w+", text)}
    # Fields are written as the API spells them, which the code derives.
    words |= {re.sub(r"_([a-z])", lambda found: found[1].upper(), word) for word in words}
    programs = {"kubectl", "yaml", "localhost", "get", "make", "layers", "pyproject.toml"}
    named = set(_NAME.findall(document.read_text())) - programs
    assert (
        sorted(name for name in named if not set(name.removesuffix(".yaml").split(".")) <= words)
        == []
    )


@pytest.mark.parametrize("document", _NAMERS, ids=lambda path: path.name)
def test_a_name_is_in_the_file_that_is_said_to_have_it(document: Path) -> None:
    text = re.sub(r"\s+", " ", document.read_text())
    wrong = []
    for found in _PLACED.finditer(text):
        name, place = found[1] or found[3], found[2] or found[4]
        source = (ROOT / place).read_text()
        if not all(
            re.search(rf"^ *(async def|def|class) {part}\b", source, re.M)
            for part in name.split(".")
        ):
            wrong.append(f"{name} in {place}")
    assert wrong == []


def test_the_journey_of_a_save_has_the_documents_steps_in_its_order() -> None:
    document = (ROOT / "docs" / "life-of-a-save.md").read_text()
    journey = (ROOT / "tests" / "journeys" / "test_life_of_a_save.py").read_text()
    steps = re.findall(r"^(\d+\.) \*\*(.*?)\*\*", document, re.MULTILINE)
    walked = re.findall(r"^ +# (\d+\.) (.*)$", journey, re.MULTILINE)
    assert steps
    assert walked == steps
    assert [int(number[:-1]) for number, _ in steps] == list(range(1, len(steps) + 1))
