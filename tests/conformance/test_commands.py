"""kapp's own commands on objects print what kubectl prints, and end as it ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from .conftest import Kapp
from .subjects import Subject, Transcript

# A guard against what hangs: a scenario is some dozens of processes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

READS = (
    "explain kubernetesapplys",
    "explain kapp.spec",
    "explain kapp.status.conditions",
    "explain kapp.metadata.managedFields",
    "explain session.spec.exitCondition",
    "explain ui.metadata.labels",
    "explain pf.spec.forwards.localPort",
    "explain pf.spec.nothing",
    "explain kd --recursive",
    "api-resources",
    "api-resources -o wide",
    "api-resources -o name --no-headers",
    "describe kf",
    "describe ui/(Kappfile)",
    "describe ui (Kapp",
    "describe ui nothing",
    "describe cluster/default session/Kappfile kf/(Kappfile)",
    "get all -o name",
)


@pytest.mark.parametrize("command", READS)
def test_reads(command: str, kapp: Kapp, subjects: dict[str, Subject]) -> None:
    arguments = command.split(" ")
    wanted, found = subjects["kapp"].kubectl(*arguments), kapp(*arguments)
    assert found.stdout == wanted.stdout
    assert found.returncode == wanted.returncode, found.stderr


class _Commands:
    """One sequence of commands, typed with kubectl or with kapp, on objects of the same names."""

    def __init__(self, subject: Subject, kapp: Kapp | None) -> None:
        self._run: Callable[..., subprocess.CompletedProcess[str]] = kapp or subject.kubectl
        self.transcript = Transcript(subject)

    def __call__(self, *arguments: str, stdin: str = "", editor: str = "false") -> None:
        done = self._run(*arguments, stdin=stdin, editor=editor)
        text = self.transcript.normal(done.stdout)
        self.transcript.note(" ".join(arguments), f"{text}[exit {done.returncode}]")


def _writes(run: _Commands) -> None:
    make = run.transcript.manifest
    both = "\n---\n".join([make("c-one", {"a": "1", "b": "2"}), make("c-two", labels={"x": "y"})])
    for _ in range(2):
        run("apply", "-f", "-", stdin=both)
    run("patch", "cm/c-one", "--type=merge", "-p", '{"data":{"other":"kept"}}')
    run("patch", "cm", "c-one", "--type=merge", "-p", '{"data":{"other":"kept"}}')
    run("patch", "cm/c-one", "--type=json", "-p", '[{"op":"test","path":"/data/a","value":"9"}]')
    run("patch", "cm/c-one", "--type=merge", "-p", '{"data":{"n":1}}')
    run("patch", "cm/missing", "--type=merge", "-p", "{}")
    run("apply", "-f", "-", "--dry-run=server", stdin=make("c-one", {"a": "3"}))
    run("apply", "-f", "-", "--dry-run=client", stdin=make("c-dry"))
    run("apply", "-f", "-", "-o", "name", stdin=make("c-one", {"a": "3"}))
    run("get", "cm", "c-one", "-o", "yaml")
    run("apply", "-f", "-", stdin=make("c-one", top={"nope": 1}))
    run("apply", "-f", "-", "--validate=ignore", stdin=make("c-one", {"a": "3"}, top={"nope": 1}))
    run("apply", "-f", "-", stdin=make("c-one", resourceVersion="1"))
    run("apply", "--server-side", "-f", "-", stdin=make("c-one", {"a": "4"}))
    run("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=make("c-one", {"a": "4"}))
    run("edit", "cm/c-one", editor="""sed -i 's/a: "4"/a: "5"/'""")
    run("edit", "cm/c-one", editor="true")
    run("edit", "cm/missing", editor="true")
    run("wait", "cm/c-one", "--for=jsonpath={.data.a}=5", "--timeout=10s")
    run("wait", "cm/c-one", "--for=jsonpath={.data.a}=6", "--timeout=50ms")
    run("wait", "cm/c-one", "--for=condition=Ready", "--timeout=50ms")
    run("wait", "cm/missing", "--for=delete", "--timeout=20s")
    run("wait", "cm/missing", "--for=create", "--timeout=50ms")
    run("get", "cm", "c-one", "-o", "yaml")
    run("delete", "cm", "c-one", "missing")
    run("delete", "cm/c-two", "--dry-run=server")
    run("delete", "cm", "-l", "x=y")
    run("delete", "cm", "-l", "x=y")
    run("delete", "cm/c-one", "--ignore-not-found")
    run("delete", "-f", "-", stdin=both)
    run("get", "cm", "-o", "name")


def test_writes(kapp: Kapp, subjects: dict[str, Subject]) -> None:
    typed = []
    for program in (None, kapp):
        run = _Commands(subjects["kapp"], program)
        _writes(run)
        typed.append([(step.title, step.text) for step in run.transcript.steps])
    wanted, found = typed
    assert found == wanted


def test_a_wait_ends_with_the_change_it_waits_for(kapp: Kapp, subjects: dict[str, Subject]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    manifest = Transcript(subjects["kapp"]).manifest("w-command", finalizers=["x.dev/hold"])
    assert not kapp("apply", "-f", "-", stdin=manifest).returncode
    assert not kapp("delete", "cm/w-command", "--no-wait").returncode
    with ThreadPoolExecutor(2) as pool:
        deleted = pool.submit(kapp, "delete", "cm/w-command")
        waited = pool.submit(kapp, "wait", "cm/w-command", "--for=delete", "--timeout=30s")
        hold = json.dumps({"metadata": {"finalizers": None}})
        kapp("patch", "cm/w-command", "-p", hold)
        assert waited.result().returncode == 0
        # it may have been gone before
        assert deleted.result().returncode in (0, 1)
