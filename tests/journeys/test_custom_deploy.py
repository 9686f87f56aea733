"""Resources that the user's own commands deploy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import web


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def deployed(project: Project, port: int) -> Project:
    project.write("web.yaml", web("one"))
    project.write(
        "Kappfile",
        f"""
        k8s_custom_deploy('web', deps=['web.yaml'],
            apply_cmd='echo applying >&2; kubectl apply -f web.yaml -o yaml',
            delete_cmd='kubectl delete -f web.yaml --wait=false; echo gone >> deleted')
        k8s_resource('web', port_forwards='{port}:8000')
        """,
    )
    project.up()
    eventually(lambda: page(port) == "one\n")
    return project


def deployments(project: Project) -> str:
    return project.kubectl("get", "deployments", "-o", "name")


def test_it_is_followed_changed_and_disabled(deployed: Project, port: int) -> None:
    project = deployed
    assert "Applied" in project.get("kapp", "web")
    assert "uid:" in project.get("kapp", "web", "-o", "jsonpath={.status.resultYAML}")
    assert "applying" in project.run("logs", "web").stdout
    project.write("web.yaml", web("two"))
    eventually(lambda: page(port) == "two\n")
    project.run("disable", "web")
    eventually(lambda: deployments(project) == "")
    eventually(lambda: project.read("deleted") == "gone\n")
    project.run("enable", "web")
    eventually(lambda: page(port) == "two\n")
    project.write("Kappfile", "print('nothing')\n")
    eventually(lambda: deployments(project) == "")
    eventually(lambda: project.read("deleted") == "gone\n" * 2)


def test_down_runs_its_delete_command_after_a_kill(deployed: Project) -> None:
    project = deployed
    for up in project._ups:
        up.kill()
    project.write("Kappfile", "broken(")
    said = project.run("down").stderr
    assert "web deleting: by its deleteCmd\nweb deleted\n" in said
    assert deployments(project) == ""
    eventually(lambda: project.read("deleted") == "gone\n")
    assert "nothing to delete" in project.run("down").stderr


def test_a_failing_command_says_where_to_look(project: Project) -> None:
    project.write(
        "Kappfile", "k8s_custom_deploy('web', 'echo oops >&2; exit 7', 'true', deps=[])\n"
    )
    up = project.up()
    eventually(lambda: "applyCmd failed with exit code 7" in up.output)
    assert "oops" in up.output
    eventually(lambda: "Error: applyCmd failed" in project.get("kapp", "web"))


# Goes on creating after it was told to end, and writes down when it starts and what it made. It
# prints nothing, because nobody reads that when the engine was killed.
LINGERING = """
exec >printed 2>&1
trap 'sleep 0.3; kubectl create configmap late && echo created >> order; exit 1' TERM
echo started >> order
while true; do sleep 0.1; done
"""


@pytest.fixture
def lingering(project: Project) -> Project:
    project.write("apply.sh", LINGERING)
    project.write("map.yaml", "")
    project.write(
        "Kappfile",
        """
        update_settings(k8s_upsert_timeout_secs=600)
        k8s_custom_deploy('web', 'sh apply.sh', deps=['map.yaml'],
            delete_cmd='kubectl delete configmap late --ignore-not-found && echo deleted >> order')
        """,
    )
    return project


def order(project: Project) -> list[str]:
    return project.read("order").split()


def _disable(project: Project) -> None:
    project.run("disable", "web")


def _remove(project: Project) -> None:
    project.write("Kappfile", "print('nothing')\n")


def _down(project: Project) -> None:
    project.run("down")


def _kill_and_down(project: Project) -> None:
    for up in project._ups:
        up.kill()
    project.run("down")


@pytest.mark.parametrize("end", [_disable, _remove, _down, _kill_and_down])
def test_what_a_command_creates_to_its_end_is_deleted(
    lingering: Project, end: Callable[[Project], None]
) -> None:
    project = lingering
    project.up()
    eventually(lambda: order(project) == ["started"])
    end(project)
    eventually(lambda: order(project) == ["started", "created", "deleted"])
    assert not project.kubectl("get", "configmap", "late", "--ignore-not-found")


def test_the_next_command_starts_when_the_last_one_has_ended(lingering: Project) -> None:
    project = lingering
    project.up()
    eventually(lambda: order(project) == ["started"])
    project.write("map.yaml", "changed")
    eventually(lambda: order(project) == ["started", "created", "started"])
    assert "waiting for what was started before to end" in project.run("logs", "web").stdout
    project.kubectl("delete", "configmap", "late")
    for up in project._ups:
        up.kill()
    project.up()
    eventually(lambda: order(project) == ["started", "created"] * 2 + ["started"])
