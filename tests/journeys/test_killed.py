"""`kill -9` at any moment: what is not wanted goes in the end, and nothing else.

Ten objects of five kinds in two namespaces. kapp is killed before any step of its event loop from
its first write on; then the Kappfile is edited, broken or deleted, and `kapp up` or `kapp down`
runs. `make check-kills` does it a hundred times.
"""

from __future__ import annotations

import os
import random
import signal
import uuid
from collections.abc import Iterator

import pytest

from .conftest import Project, eventually
from .ledger import Api, Ledger
from .manifests import podless
from .nursery import Command, Nursery

KILLS = int(os.environ.get("KAPP_TEST_KILLS", "8"))
SEED = os.environ.get("KAPP_TEST_SEED", "1")
KINDS = ("ConfigMap", "Secret", "Service", "ServiceAccount", "Deployment.apps")

Key = tuple[str, str, str]

# Several runs of kapp each: a guard against what hangs.
pytestmark = pytest.mark.timeout(180)


def _manifest(kind: str, name: str, namespace: str, labels: str = "") -> str:
    short, _, group = kind.partition(".")
    text = f"""
apiVersion: {group + "/" if group else ""}v1
kind: {short}
metadata: {{name: {name}, namespace: {namespace}{labels}}}
"""
    if short == "Deployment":
        text += podless(name)
    elif short == "Service":
        text += f"spec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n"
    elif short in ("ConfigMap", "Secret"):
        text += f"{'data' if short == 'ConfigMap' else 'stringData'}: {{key: {name}-value}}\n"
    return text


class Yard:
    """One project, killed again and again, and what others have in its namespaces."""

    def __init__(self, nursery: Nursery, project: Project, api: Api, other: str) -> None:
        self.nursery = nursery
        self.project = project
        self.api = api
        self.namespaces = (project.namespace, other)
        self.wanted: list[Key] = [
            (kind, namespace, f"own-{number}")
            for kind in KINDS
            for number, namespace in enumerate(self.namespaces)
        ]
        self.foreign: dict[Key, tuple[str, str]] = {}
        self.steps = 0
        self._commands: list[Command] = []

    def kapp(self, *argv: str, kill_at: int = 0) -> Command:
        started = self.nursery.start(
            *argv,
            cwd=self.project.directory,
            env=self.project.environment,
            log=self.project.directory.parent / f"run-{len(self._commands)}.log",
            kill_at=kill_at,
        )
        self._commands.append(started)
        return started

    def up(self, kill_at: int = 0) -> Command:
        return self.kapp("up", "--stream", "--namespace", self.namespaces[0], kill_at=kill_at)

    def write(self, keys: list[Key]) -> None:
        """A Kappfile that wants these objects."""
        self.project.write(
            "all.yaml", "---".join(_manifest(kind, name, space) for kind, space, name in keys)
        )
        self.project.write("Kappfile", "k8s_yaml('all.yaml')\n")

    def has(self, keys: list[Key]) -> bool:
        """Whether exactly these objects and the foreign ones are there, besides the record."""
        found = set(self.api.objects(self.namespaces)) - set(self.foreign)
        records = {key for key in found if key[0] == "ConfigMap" and key[2].startswith("kapp-")}
        return found - records == set(keys) and (bool(records) or not keys)

    def converge(self, keys: list[Key]) -> Command:
        """`kapp up` until exactly these objects are there; it is killed then."""
        self.write(keys)
        up = self.up()
        try:
            eventually(lambda: self.has(keys))
        except AssertionError as error:
            found = sorted(self.api.objects(self.namespaces))
            raise AssertionError(f"{found}\n{up.log.read_text()}") from error
        finally:
            up.kill()
        return up

    def kill_all(self) -> None:
        """For the test after one that failed."""
        for command in self._commands:
            command.kill()

    def down(self) -> None:
        """`kapp down`; then only what is foreign is there, as it was."""
        done = self.kapp("down")
        assert done.wait() == 0, done.log.read_text()
        assert self.api.objects(self.namespaces) == self.foreign, done.log.read_text()


@pytest.fixture(scope="module")
def yard(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    directory = tmp_path_factory.mktemp("killed") / "project"
    directory.mkdir()
    spaces = [f"test-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    project = Project(directory, environment, spaces[0])
    if "KUBECONFIG" not in environment:
        project.run("cluster", "start")
    for space in spaces:
        project.kubectl("create", "namespace", space)
    api = Api(project.cluster_kubeconfig)
    try:
        with Nursery() as nursery:
            made = Yard(nursery, project, api, spaces[1])
            _make_foreign(made)
            _measure(made)
            with Ledger(api).open() as ledger:
                yield made
            assert ledger.violations(spaces) == []
    finally:
        for space in spaces:
            project.kubectl("delete", "namespace", space, "--wait=false", check=False)


def _make_foreign(yard: Yard) -> None:
    """Somebody else's objects: unlabelled, and with the labels of another ApplySet."""
    theirs = "app.kubernetes.io/managed-by: kapp, applyset.kubernetes.io/part-of: applyset-x-v1"
    for space in yard.namespaces:
        documents = [
            _manifest(kind, f"foreign-{number}", space, text)
            for kind in KINDS
            for number, text in enumerate(("", f", labels: {{{theirs}}}"))
        ]
        path = yard.project.directory.parent / f"{space}.yaml"
        path.write_text("---".join(documents))
        yard.project.kubectl("-n", space, "apply", "-f", str(path))
    eventually(lambda: _is_settled(yard))
    yard.foreign = yard.api.objects(yard.namespaces)


def _is_settled(yard: Yard) -> bool:
    """Deployments get a status and a revision from their controller after they were made."""
    listed = yard.api.kinds["Deployment.apps"]().items
    mine = [one for one in listed if one.metadata.namespace in yard.namespaces]
    return all(
        one.status.observed_generation == one.metadata.generation
        and one.status.conditions
        and (one.metadata.annotations or {}).get("deployment.kubernetes.io/revision")
        for one in mine
    )


def _measure(yard: Yard) -> None:
    """How many steps an apply that nobody interrupts takes."""
    yard.steps = yard.converge(yard.wanted).steps
    yard.down()


@pytest.mark.parametrize("number", range(KILLS))
def test_killed(yard: Yard, number: int) -> None:
    chance = random.Random(f"{SEED}-{number}")
    # Spread over the whole apply, at random within each part of it.
    part = yard.steps / KILLS
    kill_at = 1 + int(part * number + chance.random() * part)
    yard.write(yard.wanted)
    try:
        first = yard.up(kill_at=kill_at)
        assert first.wait(20.0) in (-signal.SIGKILL, None), first.log.read_text()
        first.kill()
        _afterwards(yard, number, chance)
        yard.down()
    finally:
        yard.kill_all()


def _afterwards(yard: Yard, number: int, chance: random.Random) -> None:
    """One of the things that may happen next; `down` follows."""
    kept = sorted(chance.sample(yard.wanted, 5))
    if number % 4 == 0:
        yard.converge(kept)
    elif number % 4 == 1:
        (yard.project.directory / "Kappfile").unlink()
    elif number % 4 == 2:
        # Killed while it prunes, and then in the middle of a down.
        yard.write(kept)
        up = yard.up(kill_at=chance.randint(1, yard.steps * 2))
        up.wait(3.0)
        up.kill()
        down = yard.kapp("down", kill_at=chance.randint(1, 200))
        assert down.wait() in (-signal.SIGKILL, 0), down.log.read_text()
    else:
        yard.project.write("Kappfile", "k8s_yaml('all.yaml'\n")
