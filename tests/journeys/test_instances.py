"""Engines on one machine: their directories, how commands choose one, and what `kill -9` leaves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapp.instance import Instance

from .conftest import Project, Up, eventually


@pytest.fixture
def second(project: Project, tmp_path: Path) -> Iterator[Project]:
    """Another project of the same user."""
    directory = tmp_path / "second"
    directory.mkdir()
    found = Project(directory, project.environment, project.namespace)
    try:
        yield found
    finally:
        found.close()


def _up(project: Project) -> Up:
    project.write("Kappfile", "")
    running = project.up()
    eventually(lambda: project.run("kubeconfig", check=False).stdout)
    return running


def _directory(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAPP_STATE_DIR", project.environment["KAPP_STATE_DIR"])
    return Path(Instance(str(project.directory / "Kappfile")).directory)


def _state(project: Project) -> str:
    """What `kapp list` says of it."""
    listed = project.run("list").stdout.splitlines()
    (row,) = (line.split() for line in listed if line.startswith(f"{project.directory}/"))
    return row[1]


def test_only_its_user_can_look_into_an_engines_directory(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    _up(project)
    directory = _directory(project, monkeypatch)
    modes = {path: path.lstat().st_mode for path in (directory, *directory.rglob("*"))}
    names = {path.name for path in modes}
    assert {"lock", "kubeconfig", "project.json", "tls.key"} <= names
    loose = [str(path) for path, mode in modes.items() if stat.S_IMODE(mode) & 0o077]
    assert loose == []
    assert stat.S_IMODE(modes[directory]) == 0o700


def test_what_kill_9_leaves_is_taken_over(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _up(project)
    kubeconfig = Path(project.run("kubeconfig").stdout.strip())
    access = kubeconfig.read_bytes()
    assert _state(project) == "Running"
    first.kill()
    directory = _directory(project, monkeypatch)
    assert (directory / "lock").exists()
    assert _state(project) == "Stopped"
    failed = project.run("get", "kapp", check=False)
    assert failed.returncode == 1
    assert "hint: start it with `kapp up`" in failed.stderr

    _up(project)
    assert _state(project) == "Running"
    assert kubeconfig.read_bytes() == access, "clients go on with the address and token they have"
    assert "Kappfile" in project.kubectl_kapp("get", "kf", "-o", "name")

    other = project.run("up", "--stream", check=False)
    assert other.returncode == 1
    assert "another engine (process " in other.stderr


def test_commands_choose_among_several_engines(
    project: Project, second: Project, tmp_path: Path
) -> None:
    _up(project)
    _up(second)
    assert _state(project) == _state(second) == "Running"
    for one in (project, second):
        kappfile = str(one.directory / "Kappfile")
        path = "jsonpath={.items[0].spec.path}"
        assert one.get("kf", "-o", path) == kappfile
        below = one.directory / "a" / "b"
        below.mkdir(parents=True)
        inside = Project(below, one.environment, one.namespace)
        assert inside.get("kf", "-o", path) == kappfile
        elsewhere = Project(tmp_path, one.environment, one.namespace)
        assert elsewhere.get("-f", kappfile, "kf", "-o", path) == kappfile

    for command in (("get", "kf"), ("describe", "kf"), ("kubeconfig",), ("delete", "cm", "x")):
        ambiguous = elsewhere.run(*command, check=False)
        assert ambiguous.returncode != 0
        assert str(project.directory) in ambiguous.stderr
        assert str(second.directory) in ambiguous.stderr
        assert "hint: choose one with" in ambiguous.stderr
    second.close()
    eventually(lambda: _state(second) == "Stopped")
    assert elsewhere.get("kf", "-o", path) == str(project.directory / "Kappfile")
    assert os.path.samefile(elsewhere.directory, tmp_path)
