"""Objects of the user's own, beside those of the Kappfile: controllers treat them alike."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import config_map, web


def _manifest(kind: str, name: str, spec: dict[str, object]) -> str:
    metadata = {"name": name}
    body = {"apiVersion": "kapp.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    return json.dumps(body)


def test_forwards_of_the_users_own_and_of_the_kappfile(project: Project) -> None:
    own, others = free_port(), free_port()
    project.write("web.yaml", web())
    project.write("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {others})\n")
    project.up()
    eventually(lambda: page(others) == "one\n")

    spec = {"forwards": [{"localPort": own}], "discovery": "web"}
    project.write("pf.yaml", _manifest("PortForward", "mine", spec))
    assert project.run("apply", "-f", "pf.yaml").stdout == "portforward.kapp.dev/mine created\n"
    eventually(lambda: page(own) == "one\n")

    uid = ("pf", "web", "-o", "jsonpath={.metadata.uid}")
    deletions: tuple[Callable[[], object], ...] = (
        lambda: project.run("delete", "pf", "web"),
        lambda: project.kubectl_kapp("delete", "portforward", "web"),
    )
    for delete in deletions:
        before = project.get(*uid)
        delete()
        assert eventually(lambda: project.run("get", *uid, check=False).stdout) != before
        eventually(lambda: page(others) == "one\n")

    project.run("delete", "pf", "mine")
    with pytest.raises(OSError, match="refused"):
        page(own)
    assert page(others) == "one\n"


@pytest.mark.parametrize("program", ["kapp", "kubectl"])
def test_applies_of_the_users_own(project: Project, program: str) -> None:
    def run(*arguments: str) -> str:
        if program == "kubectl":
            return project.kubectl_kapp(*arguments)
        return project.run(*arguments).stdout

    def value() -> str:
        there = ("get", "configmap", "mine", "-o", "jsonpath={.data.value}")
        return project.kubectl(*there, check=False)

    project.write("Kappfile", "")
    project.write("watched.txt", "one")
    project.up()
    eventually(lambda: project.run("get", "kf", check=False).stdout)
    watched = str(project.directory / "watched.txt")
    apply = {"yaml": config_map("mine"), "restartOn": {"fileWatches": ["mine"]}}
    both = [
        _manifest("FileWatch", "mine", {"watchedPaths": [watched]}),
        _manifest("KubernetesApply", "mine", apply),
    ]
    file = str(project.directory / "both.yaml")
    project.write("both.yaml", "\n---\n".join(both))
    run("apply", "-f", file)
    run("wait", "kubernetesapply/mine", "--for=condition=Applied", "--timeout=60s")
    assert value() == "one"

    last = ("kapp", "mine", "-o", "jsonpath={.status.lastApplyTime}")
    before = project.get(*last)
    project.write("watched.txt", "two")
    eventually(lambda: project.get(*last) > before)

    changed = json.dumps({"spec": {"yaml": config_map("mine", "two")}})
    run("patch", "kubernetesapply/mine", "--type=merge", "-p", changed)
    eventually(lambda: value() == "two")
    run("delete", "kubernetesapply/mine", "filewatch/mine")
    eventually(lambda: not value())
