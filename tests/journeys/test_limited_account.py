"""A user who may edit one namespace, and nothing of the cluster, can do all that kapp is for.

Against a real cluster only: the embedded one stores roles and enforces none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import config_map, web
from .steady import asking


@pytest.fixture
def developer(project: Project) -> Project:
    """The project, as typed by a ServiceAccount with the role `edit` in its namespace."""
    return _as_account(project, "edit")


@pytest.fixture
def reader(project: Project) -> Iterator[Project]:
    """The same, with the role `view`."""
    found = _as_account(project, "view")
    yield found
    found.close()


def _as_account(project: Project, role: str) -> Project:
    project.kubectl("create", "serviceaccount", "developer")
    account = f"{project.namespace}:developer"
    binding = ("rolebinding", "developer", f"--clusterrole={role}", f"--serviceaccount={account}")
    project.kubectl("create", *binding)
    token = project.kubectl("create", "token", "developer").strip()
    kubeconfig = json.loads(
        project.kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json")
    )
    kubeconfig["users"] = [{"name": "developer", "user": {"token": token}}]
    kubeconfig["contexts"][0]["context"]["user"] = "developer"
    path = project.directory.parent / "developer.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(kubeconfig))
    return Project(
        project.directory, {**project.environment, "KUBECONFIG": str(path)}, project.namespace
    )


def _may_not(project: Project, *request: str) -> bool:
    account = f"system:serviceaccount:{project.namespace}:developer"
    answer = project.kubectl("auth", "can-i", *request, f"--as={account}", check=False)
    return answer.strip() == "no"


_NO_FORWARDS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules:
- apiGroups: ["", apps]
  resources: [pods, pods/log, services, configmaps, deployments, replicasets, events]
  verbs: ["*"]
"""
_FORWARDS = """
- apiGroups: [""]
  resources: [pods/portforward]
  verbs: [get, create]
"""


@pytest.fixture
def without_forwards(developer: Project, project: Project) -> Project:
    """The developer, who may do all but forward ports."""
    project.kubectl("delete", "rolebinding", "developer")
    project.write("role.yaml", _NO_FORWARDS)
    project.kubectl("apply", "-f", str(project.directory / "role.yaml"))
    account = f"{project.namespace}:developer"
    binding = ("rolebinding", "deployer", "--role=deployer", f"--serviceaccount={account}")
    project.kubectl("create", *binding)
    return developer


def test_forwards_that_are_not_permitted_until_they_are(
    without_forwards: Project, project: Project
) -> None:
    developer, port = without_forwards, free_port()
    assert _may_not(developer, "create", "pods", "--subresource=portforward")
    developer.write("kubernetes.yaml", web())
    developer.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    developer.up()
    status = "jsonpath={.status.forwardStatuses[0].error}"
    try:
        eventually(lambda: developer.get("ui", "web", "--no-headers"))
        with asking(port) as answers:
            eventually(
                lambda: (
                    "the verbs get and create on pods/portforward"
                    in developer.get("pf", "web", "-o", status)
                )
            )
            eventually(lambda: "is forbidden" in developer.run("logs", "web").stdout)
            assert developer.run("logs", "web").stdout.count("forwarding ports of pod web-") == 1
            project.write("role.yaml", _NO_FORWARDS + _FORWARDS.lstrip())
            project.kubectl("apply", "-f", str(project.directory / "role.yaml"))
            eventually(lambda: answers)
        eventually(lambda: developer.get("pf", "web", "-o", status) == "")
    finally:
        developer.close()


def test_up_save_and_down(developer: Project) -> None:
    assert _may_not(developer, "list", "namespaces", "--all-namespaces")
    assert _may_not(developer, "list", "nodes", "--all-namespaces")
    assert _may_not(developer, "watch", "pods", "--all-namespaces")
    port = free_port()
    developer.write("kubernetes.yaml", web())
    developer.write("config.yaml", config_map("web-config"))
    developer.write(
        "Kappfile",
        f"""
        k8s_yaml(['kubernetes.yaml', 'config.yaml'])
        k8s_resource('web', port_forwards={port}, objects=['web-config'])
        """,
    )
    up = developer.up()
    try:
        eventually(lambda: page(port) == "one\n")
        eventually(lambda: "serving 'one'" in developer.run("logs", "web").stdout)
        developer.write("kubernetes.yaml", web("two"))
        eventually(lambda: page(port) == "two\n")
        eventually(lambda: "Applied" in developer.get("kapp", "web", "--no-headers"))
        assert "error: " not in up.output
        assert "forbidden" not in up.output
        up.interrupt()
        developer.run("down")
    finally:
        developer.close()
    kinds = "deployments,replicasets,pods,configmaps"

    def is_empty() -> bool:
        left = developer.kubectl("get", kinds, "-o", "name").split()
        return left == ["configmap/kube-root-ca.crt"]

    eventually(is_empty)


def test_what_may_be_anothers_is_taken_over_when_forced_only(developer: Project) -> None:
    """The label is that of a project that is recorded where this account may not look."""
    label = "applyset.kubernetes.io/part-of=applyset-elsewhere-v1"
    developer.kubectl("create", "configmap", "web-config", "--from-literal=value=theirs")
    developer.kubectl("label", "configmap", "web-config", label)
    developer.write("config.yaml", config_map("web-config"))
    developer.write("Kappfile", "k8s_yaml('config.yaml')\n")
    up = developer.up()

    def held() -> str:
        return developer.kubectl("get", "configmap", "web-config", "-o", "jsonpath={.data.value}")

    try:
        eventually(lambda: "may not list ConfigMaps and Secrets in all namespaces" in up.output)
        assert held() == "theirs"
        assert "kapp trigger uncategorized --force" in up.output
        developer.run("trigger", "uncategorized", "--force")
        eventually(lambda: held() == "one")
    finally:
        developer.close()
    developer.run("down")
    eventually(lambda: "web-config" not in developer.kubectl("get", "configmaps", "-o", "name"))


def test_who_may_not_write_is_told_what_is_missing(reader: Project) -> None:
    reader.write("kubernetes.yaml", web())
    reader.write("Kappfile", "k8s_yaml('kubernetes.yaml')\n")
    up = reader.up()
    eventually(lambda: "forbidden" in up.output)
    assert "must be allowed to: `kapp doctor` says which rights are missing" in up.output
    found = reader.run("doctor", "--namespace", reader.namespace, check=False)
    assert found.returncode == 1
    assert "fail  rights: may not " in found.stdout
    assert f"ask for the role `edit` in namespace {reader.namespace}" in found.stdout
