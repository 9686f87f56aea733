"""What kapp records in a cluster is an ApplySet (KEP-3659) to other tools."""

from __future__ import annotations

import json
import subprocess

from .conftest import KUBECTL, Project, eventually
from .manifests import config_map


def _kubectl(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KUBECTL, "--kubeconfig", project.cluster_kubeconfig, "-n", project.namespace, *arguments],
        env={**project.environment, "KUBECTL_APPLYSET": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_kubectl_takes_it_for_another_tools_and_refuses(project: Project) -> None:
    project.write("all.yaml", config_map("a"))
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    project.up()
    eventually(lambda: " Applied" in project.get("kapp", "--no-headers"))
    label = "applyset.kubernetes.io/id"
    found = json.loads(project.kubectl("get", "configmap", "-l", label, "-o", "json"))
    [record] = found["items"]
    project.write("theirs.yaml", config_map("theirs"))
    path = str(project.directory / "theirs.yaml")
    name = record["metadata"]["name"]
    done = _kubectl(project, "apply", "-f", path, "--prune", f"--applyset=configmap/{name}")
    assert done.returncode == 1
    assert "is managed by tooling" in done.stderr
    assert "kapp" in done.stderr
    names = project.kubectl("get", "configmap", "-o", "name")
    assert "configmap/a\n" in names
    assert "theirs" not in names


def test_an_applyset_of_kubectl_is_left_to_it(project: Project) -> None:
    project.write("theirs.yaml", config_map("shared"))
    path = str(project.directory / "theirs.yaml")
    arguments = ("apply", "-f", path, "--server-side", "--prune", "--applyset=secret/theirs")
    done = _kubectl(project, *arguments)
    assert done.returncode == 0, done.stderr
    before = project.kubectl("get", "configmap", "shared", "-o", "json")
    project.write("Kappfile", "k8s_yaml('theirs.yaml')\n")
    up = project.up()
    eventually(lambda: f"it belongs to Secret {project.namespace}/theirs" in up.output)
    up.interrupt()
    project.run("down")
    assert project.kubectl("get", "configmap", "shared", "-o", "json") == before
