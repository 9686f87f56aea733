"""Every command, each way it ends: all it prints, without colour, against tests/cli/snapshots/.

To write them anew: KAPP_WRITE_SNAPSHOTS=1 .venv/bin/pytest -n 0 tests/cli/test_snapshots.py
What was written fails once, so that no run is good because it wrote what it should have checked.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from kapp import __version__
from tests.journeys.conftest import KAPP, clean_environment, eventually, free_port

from .sessions import Session, replay

_HERE = Path(__file__).parent
# These run web and lint again, which others see in their logs and times.
_LAST = ("args", "trigger", "enable", "disable")
_SNAPSHOTS = sorted(
    (_HERE / "snapshots").glob("*.txt"), key=lambda path: (path.stem in _LAST, path.stem)
)
_WRITE = os.environ.get("KAPP_WRITE_SNAPSHOTS") == "1"
# What commands say once nothing changes any more.
_SETTLED = (
    ("kapp wait ui/web ui/lint --for=condition=Ready", "lint condition met"),
    ("kapp get sessions", " 4/4 "),
    ("kapp get podlogstreams", " 1/1 "),
    ("kapp get portforwards", " web-"),
    ("kapp logs web", "it is late"),
)


class Machine:
    """A home with a project in it, whose engine runs on an embedded cluster."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = home / "project"
        self.port = free_port()
        # The cluster is kapp's own here, whatever the journeys run on.
        self.environment = {
            name: value
            for name, value in clean_environment(home, home / "state").items()
            if name != "KUBECONFIG"
        } | {"COLUMNS": "80", "PATH": f"{Path(KAPP).parent}:/usr/bin:/bin"}
        shutil.copytree(_HERE / "project", self.project)
        (self.project / "port").write_text(str(self.port))

    def session(self) -> Session:
        return Session(self.project, self.environment)

    @property
    def places(self) -> dict[str, str]:
        return {
            str(self.home): "~",
            str(self.port): "<port>",
            f"kapp {__version__}": "kapp <version>",
            f"{__version__}, Python": "<version>, Python",
            platform.python_version(): "<version>",
            platform.platform(terse=True): "<system>",
            f"{platform.system().lower()}/{platform.machine()}": "<system>",
        }

    def forget_others(self) -> None:
        """Leave no trace of what a snapshot ran besides the engine."""
        for directory in (self.home / "state" / "instances").iterdir():
            described = json.loads((directory / "project.json").read_text())
            if described["kappfile"] != str(self.project / "Kappfile"):
                shutil.rmtree(directory)


@contextmanager
def _running(machine: Machine) -> Iterator[Machine]:
    with (machine.home / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [KAPP, "up", "--stream"],
            cwd=machine.project,
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for command, text in _SETTLED:
            eventually(lambda: text in machine.session().type(command).stdout)  # noqa: B023
        yield machine
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(30)
        subprocess.run([KAPP, "cluster", "stop"], env=machine.environment, check=False, timeout=60)


class Machines:
    """One machine for all snapshots, but for one that comes after what changed it.

    In the order of this file none does; a worker that takes tests from another one may.
    """

    def __init__(self, make_home: Callable[[], Path], stack: ExitStack) -> None:
        self._make_home = make_home
        self._stack = stack
        self._machine: Machine | None = None
        self._changed = False

    def for_snapshot(self, name: str) -> Machine:
        if self._machine is None or (self._changed and name not in _LAST):
            self._stack.close()
            self._machine = self._stack.enter_context(_running(Machine(self._make_home())))
            self._changed = False
        self._changed |= name in _LAST
        return self._machine


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with ExitStack() as stack:
        yield Machines(lambda: tmp_path_factory.mktemp("home"), stack)


@pytest.mark.parametrize("snapshot", _SNAPSHOTS, ids=lambda path: path.stem)
def test_a_command_prints_what_it_printed(machines: Machines, snapshot: Path) -> None:
    machine = machines.for_snapshot(snapshot.stem)
    expected = snapshot.read_text()
    try:
        found = replay(expected, machine.session(), machine.places)
    finally:
        machine.forget_others()
    if _WRITE and found != expected:
        snapshot.write_text(found)
        pytest.fail(f"wrote {snapshot.name}: look at what changed, and run again without")
    assert found == expected
