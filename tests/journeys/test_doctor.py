"""`kapp doctor` where all is well and where it is not; completion while an engine runs."""

from __future__ import annotations

import subprocess

import pytest

from tests.journeys.conftest import KAPP, Project, eventually
from tests.journeys.manifests import web


def test_all_is_well(project: Project) -> None:
    project.write("Kappfile", "print('hello')\n")
    found = project.run("doctor").stdout
    assert f"ok    Kappfile: {project.directory}/Kappfile\n" in found
    assert "\nfail" not in found
    assert "cluster: " in found


def test_a_cluster_that_does_not_answer(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write(
        "config",
        """\
        apiVersion: v1
        kind: Config
        current-context: gone
        contexts: [{name: gone, context: {cluster: gone, user: gone}}]
        clusters: [{name: gone, cluster: {server: "https://127.0.0.1:1"}}]
        users: [{name: gone, user: {token: none}}]
        """,
    )
    kubeconfig = str(project.directory / "config")
    monkeypatch.setattr(project, "environment", {**project.environment, "KUBECONFIG": kubeconfig})
    found = project.run("doctor", check=False)
    assert found.returncode == 1
    assert "fail  cluster: " in found.stdout
    assert "127.0.0.1:1" in found.stdout


def test_a_state_directory_that_cannot_be_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("taken", "a file")
    state = project.directory / "taken" / "state"
    environment = {**project.environment, "KAPP_STATE_DIR": str(state)}
    monkeypatch.setattr(project, "environment", environment)
    found = project.run("doctor", check=False)
    assert found.returncode == 1
    assert f"fail  state: {state}: Not a directory\n      hint: set KAPP_STATE_DIR" in found.stdout


def complete(project: Project, line: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    done = subprocess.run(
        [KAPP],
        cwd=project.directory,
        env={
            **project.environment,
            "_KAPP_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_a_shell_completes_commands_and_resources(project: Project) -> None:
    project.write("web.yaml", web(name="web").replace("replicas: 1", "replicas: 0"))
    project.write("Kappfile", "k8s_yaml('web.yaml')\n")
    assert complete(project, "kapp tri") == ["trigger"]
    assert complete(project, "kapp trigger w") == []
    project.up()
    eventually(lambda: "web" in project.get("uiresources"))
    assert complete(project, "kapp trigger w") == ["web"]
    assert complete(project, "kapp logs we") == ["web"]
