"""The commands of the documents, typed one after another as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess

import pytest

from tests.documents import blocks

from .conftest import Project, eventually, free_port, page
from .manifests import EXAMPLES

# `make` installs and tests this tree; the rest goes through `_type`.
EXECUTED = ("README.md", "docs/guide.md", "docs/embedded-cluster.md")
_MAKE = ("make example", "make check")
_ENDLESS = re.compile(r" (-w|-f)\b")


@pytest.fixture
def example(project: Project) -> tuple[Project, int]:
    """The example's directory, on a port of its own; a Kappfile's port is what the texts say."""
    port = free_port()
    shutil.copy(EXAMPLES / "kubernetes.yaml", project.directory)
    project.write("Kappfile", (EXAMPLES / "Kappfile").read_text().replace("8000", str(port)))
    return project, port


def _commands(document: str) -> list[tuple[str, str]]:
    found = [block.commands for block in blocks() if block.document == document]
    typed = [(line, shown) for commands in found for line, shown in commands]
    return [(line, shown) for line, shown in typed if line not in _MAKE]


def _type(project: Project, line: str, port: int) -> str:
    """Run a line in a shell, as a reader does; what it prints. One that follows ends by Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-c", line.replace("localhost:8000", f"localhost:{port}")],
        cwd=project.directory,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        if _ENDLESS.search(line):
            first = process.stdout.readline() + process.stdout.readline()
            os.killpg(process.pid, signal.SIGKILL)
            return first
        output = process.stdout.read()
    assert process.returncode == 0, f"{line}\n{output}"
    return output


def test_the_readme(example: tuple[Project, int]) -> None:
    project, port = example
    lines = _commands("README.md")
    assert [line for line, _ in lines][:2] == ["cat Kappfile", "kapp up --stream"]
    assert lines[-1][0] == "kapp down"
    for line, shown in lines:
        if line == "kapp up --stream":
            project.up()
            eventually(lambda: page(port) == "Hello from example-go\n")
        elif line.startswith("vi "):
            manifest = project.read("kubernetes.yaml")
            project.write("kubernetes.yaml", manifest.replace("Hello from", "Changed for"))
            eventually(lambda: page(port) == "Changed for example-go\n")
        elif shown:
            eventually(lambda: _shape(_type(project, line, port)) == _shape(shown))  # noqa: B023
        else:
            assert _type(project, line, port).strip(), line


def _shape(text: str) -> str:
    """Ages, times and the port differ; words and columns do not."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b\d+s\b|\b\d{4,5}\b", "#", text)
    return re.sub(r" {2,}", "  ", text)


def test_the_guide(example: tuple[Project, int]) -> None:
    project, port = example
    project.up()
    eventually(lambda: page(port) == "Hello from example-go\n")
    for line, _ in _commands("docs/guide.md"):
        assert "example-go" in _type(project, line, port)


def test_the_embedded_cluster(example: tuple[Project, int]) -> None:
    project, port = example
    lines = [line for line, _ in _commands("docs/embedded-cluster.md")]
    assert lines[0] == "kapp cluster start"
    assert lines[-1] == "kapp cluster stop"
    for line in lines:
        assert _type(project, line, port).strip(), line
