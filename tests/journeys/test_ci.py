"""`kapp ci`: its exit code, and what it says of each kind of failure."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import KAPP, Project
from .manifests import web


def _pods(kind: str, name: str, command: str, more: str = "", *, image: str = "") -> str:
    """A Deployment or a Job whose one container runs a shell's command."""
    job = kind == "Job"
    spec = f"""\
    apiVersion: {"batch/v1" if job else "apps/v1"}
    kind: {kind}
    metadata: {{name: {name}}}
    spec:
      {"backoffLimit: 1" if job else f"selector: {{matchLabels: {{app: {name}}}}}"}
      template:
        metadata: {{labels: {{app: {name}}}}}
        spec:
          {"restartPolicy: Never" if job else "restartPolicy: Always"}
          terminationGracePeriodSeconds: 0
          containers:
          - name: main
            image: {image or "python:3.13-alpine"}
            command: [sh, -c, {command!r}]
    """
    return textwrap.dedent(spec) + textwrap.indent(textwrap.dedent(more), " " * 6)


# Up to nine at once, of which most wait; a loaded machine takes its time to start them.
pytestmark = pytest.mark.timeout(240)
# An unforeseen hang is a failure that tells its reason.
_GUARD = ("--timeout", "100s")


class Run(NamedTuple):
    code: int
    output: str
    errors: str


class Runs:
    """Runs of `kapp ci` at the same time, each in a directory of its own."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._started: dict[str, tuple[Path, subprocess.Popen[bytes]]] = {}

    def start(self, name: str, kappfile: str, yaml: str = "", *options: str) -> None:
        directory = Path(self._project.directory, name)
        directory.mkdir()
        (directory / "all.yaml").write_text(yaml)
        (directory / "Kappfile").write_text(textwrap.dedent(kappfile))
        with (
            (directory / "output").open("wb") as output,
            (directory / "errors").open("wb") as errors,
        ):
            process = subprocess.Popen(
                [KAPP, "ci", "--namespace", self._project.namespace, *(options or _GUARD)],
                cwd=directory,
                env=self._project.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
        self._started[name] = directory, process

    def end(self) -> dict[str, Run]:
        return {
            name: Run(
                process.wait(timeout=200),
                (directory / "output").read_text(),
                (directory / "errors").read_text(),
            )
            for name, (directory, process) in self._started.items()
        }

    def close(self) -> None:
        for _, process in self._started.values():
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def runs(project: Project):
    found = Runs(project)
    yield found
    found.close()


ALL = "k8s_yaml('all.yaml')\n"
NEVER_READY = """\
  readinessProbe: {exec: {command: ["false"]}, periodSeconds: 1}
# the pod
"""


def test_every_ending(project: Project, runs: Runs) -> None:
    once = "echo once; test -e /tmp/x || sleep 0.1"
    runs.start(
        "good",
        f"{ALL}k8s_resource('by-hand', auto_init=False, trigger_mode=TRIGGER_MODE_MANUAL)\n",
        "---\n".join([
            web(name="good"),
            _pods("Job", "load", once),
            _pods("Deployment", "by-hand", "exit 1"),
        ]),
    )  # fmt: skip
    runs.start("job", ALL, _pods("Job", "migrate", "echo no such table; exit 3"))
    runs.start("crash", ALL, _pods("Deployment", "crash", "echo cannot bind; exit 4"))
    runs.start("image", ALL, _pods("Deployment", "image", "x", image="registry.invalid/none:1"))
    nowhere = _pods("Deployment", "nowhere", "sleep 1000").replace(
        "containers:", "nodeSelector: {disk: quantum}\n      containers:"
    )
    runs.start("unschedulable", ALL, nowhere)
    runs.start("kappfile", "k8s_yml('all.yaml')\n")
    runs.start("empty", "print('nothing')\n")
    late = _pods("Deployment", "late", "echo still loading; sleep 1000", NEVER_READY)
    runs.start("timeout", ALL, late, "--timeout", "15s")
    slow = _pods("Deployment", "slow", "sleep 1000", NEVER_READY)
    runs.start("settings", f"{ALL}ci_settings(readiness_timeout='3s')\n", slow)

    found = runs.end()
    told = {name: run.errors for name, run in found.items()}
    assert {name: run.code for name, run in found.items()} == {
        name: int(name != "good") for name in found
    }, told
    assert "everything is ready" in told["good"]
    assert "error: migrate: BackoffLimitExceeded: Job/" in told["job"]
    assert "[main] no such table" in told["job"]
    assert "error: crash: CrashLoopBackOff: Pod/crash-" in told["crash"]
    assert "[main] cannot bind" in told["crash"]
    assert "error: image: " in told["image"]
    assert "ErrImagePull" in told["image"] or "ImagePullBackOff" in told["image"]
    assert "error: nowhere: Unschedulable: Pod/nowhere-" in told["unschedulable"]
    assert "node" in told["unschedulable"]
    assert "Kappfile:1" in told["kappfile"]
    assert "did you mean `k8s_yaml`?" in told["kappfile"]
    assert "declares no resources" in told["empty"]
    assert "error: late: Timeout: not done within 15 s: " in told["timeout"]
    assert "[main] still loading" in told["timeout"]
    assert "error: slow: Timeout: not ready 3 s after its apply: " in told["settings"]


def test_a_job_that_succeeds_at_its_second_try_is_done(project: Project, runs: Runs) -> None:
    """tilt-dev/tilt#6560: what the cluster tries again has not failed."""
    kept = project.directory / "kept"
    command = "sleep 2; test -e /kept/been && exit 0; touch /kept/been; exit 1"
    job = f"""\
      volumeMounts: [{{name: kept, mountPath: /kept}}]
    volumes: [{{name: kept, hostPath: {{path: {kept}, type: DirectoryOrCreate}}}}]
    """
    runs.start("second", ALL, _pods("Job", "second", command, job))
    (run,) = runs.end().values()
    assert run.code == 0, run.errors


def test_wrong_usage(project: Project) -> None:
    project.write("Kappfile", "")
    done = project.run("ci", "--timeout", "soon", check=False)
    assert (done.returncode, "is no duration" in done.stderr) == (2, True)
