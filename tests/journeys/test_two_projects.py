"""Projects beside each other: in one namespace, of two users; and Namespaces of somebody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Project, clean_environment, eventually
from .manifests import config_map


@pytest.fixture
def colleague(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Another user's project of the same name, on the same cluster and in the same namespace."""
    home = tmp_path_factory.mktemp("colleague")
    environment = clean_environment(home, home / "state")
    environment["KUBECONFIG"] = project.cluster_kubeconfig
    directory = home / "project"
    directory.mkdir()
    other = Project(directory, environment, project.namespace)
    yield other
    other.close()


def _names(project: Project) -> set[str]:
    names = project.kubectl("get", "configmap", "-o", "name").split()
    return {name.removeprefix("configmap/") for name in names} - {"kube-root-ca.crt"}


def _applied(project: Project) -> bool:
    return "Applied" in project.get("kapp", "--no-headers")


def test_neither_prunes_the_others_objects(project: Project, colleague: Project) -> None:
    for one, names in ((project, "ab"), (colleague, "cd")):
        one.write("all.yaml", "".join(map(config_map, names)))
        one.write("Kappfile", "k8s_yaml('all.yaml')\n")
    ups = [project.up(), colleague.up()]
    eventually(lambda: _names(project) >= {"a", "b", "c", "d"})
    for one, name in ((project, "a"), (colleague, "c")):
        one.write("all.yaml", config_map(name, "two"))
    eventually(lambda: not _names(project) & {"b", "d"})
    assert _names(project) >= {"a", "c"}
    for one in (project, colleague):
        eventually(lambda one=one: _applied(one))
    ups[0].interrupt()
    project.run("down")
    assert "c" in _names(project)
    assert "a" not in _names(project)
    assert _applied(colleague)
    ups[1].interrupt()
    colleague.run("down")
    assert _names(project) == set()


def test_an_object_of_two_projects_is_an_error_that_names_the_other(
    project: Project, colleague: Project
) -> None:
    for one in (project, colleague):
        one.write("all.yaml", config_map("shared", one.directory.parent.name))
        one.write("Kappfile", "k8s_yaml('all.yaml')\n")
    project.up()
    eventually(lambda: "shared" in _names(project) and _applied(project))
    [record] = _names(project) - {"shared"}
    up = colleague.up()
    eventually(lambda: "it belongs to the project" in up.output)
    assert f"(recorded in ConfigMap {project.namespace}/{record})" in up.output
    held = json.loads(project.kubectl("get", "configmap", "shared", "-o", "json"))
    assert held["data"] == {"value": project.directory.parent.name}
    # As soon as the one lets it go, the other has it.
    project.write("all.yaml", config_map("else"))
    eventually(lambda: _applied(colleague))
    held = json.loads(project.kubectl("get", "configmap", "shared", "-o", "json"))
    assert held["data"] == {"value": colleague.directory.parent.name}


def test_a_namespace_that_was_there_is_neither_labelled_nor_deleted(project: Project) -> None:
    project.kubectl("label", "namespace", project.namespace, "team=theirs")
    made = f"made-{project.namespace}"
    project.write(
        "all.yaml",
        "".join(
            f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n"
            for name in (project.namespace, made)
        )
        + config_map("a"),
    )
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    up = project.up()
    eventually(lambda: "a" in _names(project) and _applied(project))
    found = json.loads(project.kubectl("get", "namespace", project.namespace, "-o", "json"))
    assert not [label for label in found["metadata"]["labels"] if "kapp" in label]
    assert "applyset.kubernetes.io/part-of" not in found["metadata"]["labels"]
    assert found["metadata"]["labels"]["team"] == "theirs"
    up.interrupt()
    done = project.run("down")
    assert f"kept: Namespace/{made}: namespaces are kept without --delete-namespaces" in done.stderr
    assert f"Namespace/{project.namespace}:" not in done.stderr
    done = project.run("down", "--delete-namespaces")
    assert f"Namespace/{made} deleted" in done.stderr
    assert project.kubectl("get", "namespace", project.namespace, "-o", "name")
    assert project.kubectl("get", "namespace", made, check=False) == ""
    assert _names(project) == set()


def test_down_on_exit(project: Project, tmp_path: Path) -> None:
    project.write("all.yaml", config_map("a"))
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    up = project.up("--down-on-exit")
    eventually(lambda: "a" in _names(project) and _applied(project))
    up.interrupt()
    assert up.process.returncode == 130
    assert _names(project) == set()
