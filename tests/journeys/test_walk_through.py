"""The walk-through of the README, command by command."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.error

import pytest

from .conftest import KAPP, KUBECTL, Project, Up, eventually, free_port, page, watching
from .manifests import EXAMPLES


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def up(project: Project, port: int) -> Up:
    """The example, running: its files as they are, but for the port."""
    shutil.copy(EXAMPLES / "kubernetes.yaml", project.directory)
    project.write("Kappfile", (EXAMPLES / "Kappfile").read_text().replace("8000", str(port)))
    running = project.up()
    eventually(lambda: page(port) == "Hello from example-go\n")
    return running


def _pods(project: Project) -> list[str]:
    return project.kubectl("get", "pods", "-l", "app=example-go", "-o", "name").split()


def test_every_command(project: Project, up: Up, port: int) -> None:
    columns = r"NAME +STATUS +PODS +LAST APPLY +CREATED AT\n"
    row = r"example-go +Applied +1/1 +\d+s +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n"
    for name in ("kubernetesapplys", "ka", "kapp"):
        eventually(lambda name=name: re.fullmatch(columns + row, project.get(name)))

    spec = project.get("kapp", "example-go", "-o", "jsonpath={.spec.yaml}").splitlines()
    assert spec[:6] == [
        "apiVersion: apps/v1",
        "kind: Deployment",
        "metadata:",
        "  labels:",
        "    app: example-go",
        "  name: example-go",
    ]

    result = project.get("kapp", "example-go", "-o", "jsonpath={.status.resultYAML}")
    lines = result.splitlines()
    assert lines[:3] == ["apiVersion: apps/v1", "kind: Deployment", "metadata:"]
    assert re.fullmatch(r'  creationTimestamp: "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', lines[3])
    assert lines[4:8] == [
        "  generation: 1",
        "  labels:",
        "    app: example-go",
        "    app.kubernetes.io/managed-by: kapp",
    ]
    assert re.search(r"^  uid: [0-9a-f-]{36}$", result, re.MULTILINE)
    assert "managedFields" not in result
    assert "\nstatus:" not in result

    forwards = project.get("kapp", "example-go", "-o", "jsonpath={.spec.portForwardTemplateSpec}")
    assert forwards == (
        f'{{"forwards":[{{"containerPort":0,"host":"localhost","localPort":{port}}}]}}'
    )

    (pod,) = (name.removeprefix("pod/") for name in _pods(project))
    together = project.get("kd,pf,pls")
    assert "kubernetesdiscovery.kapp.dev/example-go" in together
    assert "portforward.kapp.dev/example-go" in together
    assert f"podlogstream.kapp.dev/example-go-{project.namespace}-{pod}" in together

    assert "serving 'Hello from example-go'" in project.run("logs", "example-go").stdout
    assert "serving 'Hello from example-go'" in up.output
    assert str(project.directory / "Kappfile") in project.run("list").stdout


def test_a_saved_page_is_served_logged_and_nothing_stale_is_shown(
    project: Project, up: Up, port: int
) -> None:
    (old,) = _pods(project)
    manifest = project.read("kubernetes.yaml")
    project.write("kubernetes.yaml", manifest.replace("Hello from example-go", "A new page"))
    eventually(lambda: page(port) == "A new page\n")

    eventually(lambda: "serving 'A new page'" in project.run("logs", "example-go").stdout)
    eventually(lambda: _pods(project) != [] and old not in _pods(project))
    (new,) = _pods(project)
    old_name, new_name = old.removeprefix("pod/"), new.removeprefix("pod/")

    def shows_the_new_pod_alone() -> bool:
        together = project.get("kd,pf,pls")
        return together.count(new_name) >= 3 and old_name not in together

    eventually(shows_the_new_pod_alone)


def test_changed_code_is_redeployed(project: Project, up: Up, port: int) -> None:
    manifest = project.read("kubernetes.yaml")
    project.write("kubernetes.yaml", manifest.replace('(page + "\\n")', '(page + "!\\n")'))
    eventually(lambda: page(port) == "Hello from example-go!\n")


def test_ctrl_c_ends_within_a_second_and_says_how_to_clean_up(
    project: Project, up: Up, port: int
) -> None:
    took_s = up.interrupt()
    assert up.process.returncode == 130
    assert "kapp down" in up.output.splitlines()[-1]
    assert took_s < 2  # a second is the promise; the rest is a loaded test machine
    assert _pods(project), "the cluster is left as it is"
    with pytest.raises(urllib.error.URLError):
        page(port)


def test_kubectl_reads_and_watches_kapp(project: Project, up: Up, port: int) -> None:
    assert "Applied" in eventually(lambda: project.kubectl_kapp("get", "kapp"))
    shown = project.kubectl_kapp("get", "kapp", "example-go", "-o", "json")
    assert json.loads(shown)["kind"] == "KubernetesApply"
    described = project.kubectl_kapp("describe", "kapp", "example-go")
    assert "Result YAML" in described
    assert "kubernetesapplys" in project.kubectl_kapp("api-resources")
    assert "FIELD: spec" in project.kubectl_kapp("explain", "kubernetesapply.spec")
    assert "yaml" in project.kubectl_kapp("explain", "kubernetesapply.spec")


def test_the_kubeconfig_is_private(project: Project, up: Up) -> None:
    path = project.run("kubeconfig").stdout.strip()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700


def test_both_watches_see_a_redeploy(project: Project, up: Up, port: int) -> None:
    kubeconfig = project.run("kubeconfig").stdout.strip()
    kubectl = [KUBECTL, "--kubeconfig", kubeconfig, "get", "kapp", "-w"]
    with (
        watching(project, kubectl) as by_kubectl,
        watching(project, [KAPP, "get", "kapp", "-w"]) as by_kapp,
    ):
        for output in (by_kubectl, by_kapp):
            eventually(lambda output=output: "example-go   Applied" in output.read_text())
        manifest = project.read("kubernetes.yaml")
        project.write("kubernetes.yaml", manifest.replace("Hello from example-go", "A new page"))
        eventually(lambda: page(port) == "A new page\n")
        for output in (by_kubectl, by_kapp):
            eventually(lambda output=output: "Applying" in output.read_text())
            eventually(lambda output=output: "Applied" in output.read_text().splitlines()[-1])
