"""`kapp trigger`, `enable` and `disable`, and what they say."""

from __future__ import annotations

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import config_map, web


@pytest.fixture
def port(project: Project) -> int:
    port = free_port()
    project.write("web.yaml", web())
    project.write("settings.yaml", config_map("settings"))
    project.write(
        "Kappfile",
        f"""
        k8s_yaml(['web.yaml', 'settings.yaml'])
        k8s_resource('web', port_forwards='{port}', labels=['front'])
        k8s_resource(objects=['settings'], new_name='settings')
        """,
    )
    project.up()
    eventually(lambda: page(port) == "one\n")
    return port


def _uid(project: Project, what: str) -> str:
    return project.kubectl("get", what, "-o", "jsonpath={.metadata.uid}", check=False)


def _pod(project: Project) -> str:
    return project.kubectl("get", "pods", "-l", "app=web", "-o", "name").split()[0]


def test_trigger_restarts_and_force_makes_anew(project: Project, port: int) -> None:
    deployment, pod = _uid(project, "deployment/web"), _pod(project)
    assert project.run("trigger", "web").stderr == "triggered web\n"
    eventually(lambda: pod not in project.kubectl("get", "pods", "-o", "name").split())
    assert _uid(project, "deployment/web") == deployment
    assert page(port) == "one\n"

    project.run("trigger", "web", "settings", "--force")
    eventually(lambda: _uid(project, "deployment/web") not in ("", deployment))
    assert eventually(lambda: page(port)) == "one\n"

    unknown = project.run("trigger", "wev", check=False)
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "error: there is no resource wev\nhint: did you mean web?\n",
    )


def test_disable_and_enable(project: Project, port: int) -> None:
    assert project.run("disable", "-l", "front").stderr == "disabled web\n"
    eventually(lambda: _uid(project, "deployment/web") == "")
    eventually(
        lambda: project.get("kd,pf,pls", "-o", "name") == "kubernetesdiscovery.kapp.dev/settings\n"
    )
    assert "Disabled" in eventually(lambda: project.get("kapp", "web"))
    with pytest.raises(OSError, match="refused"):
        page(port)
    refused = project.run("trigger", "web", check=False)
    assert refused.returncode == 1
    assert refused.stderr == "error: web is disabled\nhint: enable it first: `kapp enable web`\n"

    project.write("Kappfile", project.read("Kappfile") + "print('again')\n")
    eventually(lambda: "again" in project.run("logs").stdout)
    assert _uid(project, "deployment/web") == ""

    done = project.run("enable", "web", "--only").stderr
    assert done == "disabled settings\nenabled web\n"
    eventually(lambda: page(port) == "one\n")
    eventually(lambda: _uid(project, "configmap/settings") == "")
    assert project.run("enable", "--all").stderr == "web was enabled already\nenabled settings\n"
    eventually(lambda: _uid(project, "configmap/settings"))

    wrong = project.run("disable", check=False)
    assert wrong.returncode == 2
    assert "no resource is named" in wrong.stderr
