"""`kapp down`: everything kapp applied goes, nothing else, whatever happened before."""

from __future__ import annotations

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import config_map, web


@pytest.fixture
def port(project: Project) -> int:
    """A running project of a Deployment and a ConfigMap, beside an object of somebody else."""
    project.write("kubernetes.yaml", web())
    project.write("config.yaml", config_map("web-config"))
    chosen = free_port()
    project.write(
        "Kappfile",
        f"""
        k8s_yaml(['kubernetes.yaml', 'config.yaml'])
        k8s_resource('web', port_forwards={chosen}, objects=['web-config'])
        """,
    )
    project.kubectl("create", "configmap", "foreign", "--from-literal=a=b")
    return chosen


def _left(project: Project) -> set[str]:
    names = project.kubectl("get", "deploy,rs,pods,cm", "-o", "name").split()
    return {name for name in names if name != "configmap/kube-root-ca.crt"}


def _only_the_foreign_object_is_left(project: Project) -> bool:
    return _left(project) == {"configmap/foreign"}


def test_while_up_runs(project: Project, port: int) -> None:
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    project.run("down")
    assert up.process.wait(timeout=10) is not None
    eventually(lambda: _only_the_foreign_object_is_left(project))


def test_after_ctrl_c(project: Project, port: int) -> None:
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    up.interrupt()
    project.run("down")
    eventually(lambda: _only_the_foreign_object_is_left(project))


def test_after_kill_9_with_a_kappfile_that_no_longer_parses(project: Project, port: int) -> None:
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    up.kill()
    project.write("Kappfile", "k8s_yaml('kubernetes.yaml'\n")
    project.run("down")
    eventually(lambda: _only_the_foreign_object_is_left(project))


def test_after_kill_9_up_runs_again_and_prunes_what_left_the_kappfile(
    project: Project, port: int
) -> None:
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    up.kill()
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    project.up()
    eventually(lambda: page(port) == "one\n")
    eventually(lambda: "configmap/web-config" not in _left(project))
    assert "configmap/foreign" in _left(project)


def test_with_nothing_applied(project: Project) -> None:
    project.write("Kappfile", "print('nothing')\n")
    done = project.run("down")
    assert "nothing" in done.stderr
