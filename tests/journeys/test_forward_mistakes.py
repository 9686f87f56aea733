"""Forwards that cannot work: each says why in a sentence, is logged once, and heals by itself."""

from __future__ import annotations

import json
import socket

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import server
from .proxy import Fault, Proxy, Request
from .steady import asking

_NO_IMAGE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: "nowhere.invalid/none:1"}]
"""


def _write(project: Project, port: int, manifest: str, container: int = 8000) -> None:
    project.write("web.yaml", manifest)
    project.write("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port}, {container})\n")


def _status(project: Project) -> dict[str, object]:
    found = json.loads(project.get("pf", "web", "-o", "json"))
    statuses = found.get("status", {}).get("forwardStatuses", [])
    return statuses[0] if statuses else {}


def _error(project: Project) -> str:
    return str(_status(project).get("error", ""))


def _is_said_once(project: Project, text: str) -> None:
    """In the resource's log."""
    eventually(lambda: text in project.run("logs", "web").stdout)
    assert project.run("logs", "web").stdout.count(text) == 1


def test_a_port_in_use(project: Project) -> None:
    port = free_port()
    _write(project, port, server("one"))
    with socket.create_server(("127.0.0.1", port)):
        project.up()
        eventually(lambda: f"local port {port} is in use by " in _error(project))
        _is_said_once(project, f"local port {port} is in use by ")
    eventually(lambda: page(port).startswith("one"))
    eventually(lambda: _error(project) == "")
    assert "in use" in str(_status(project)["lastError"])


def test_a_container_that_listens_elsewhere(project: Project) -> None:
    port = free_port()
    _write(project, port, server("one"), container=9999)
    project.up()
    text = "nothing listens on port 9999 in the container of pod web-"
    with asking(port) as answers:
        eventually(lambda: text in _error(project))
        _is_said_once(project, text)
        _write(project, port, server("one"))  # what is said next time holds at once
        eventually(lambda: answers)
    eventually(lambda: _error(project) == "")


def test_a_container_that_cannot_start(project: Project) -> None:
    port = free_port()
    _write(project, port, _NO_IMAGE)
    project.up()
    with asking(port) as answers:
        eventually(lambda: "web does not run: " in _error(project) and "mage" in _error(project))
        eventually(lambda: "web does not run: " in project.run("logs", "web").stdout)
        project.write("web.yaml", server("one"))
        eventually(lambda: answers)
    eventually(lambda: _error(project) == "")


def test_no_pod(project: Project) -> None:
    port = free_port()
    _write(project, port, server("one").replace("replicas: 1", "replicas: 0"))
    project.up()
    eventually(lambda: _error(project) == "web has no pod")
    with asking(port) as answers:
        _is_said_once(project, f"port {port}: web has no pod")
        project.kubectl("scale", "deployment/web", "--replicas=1")
        eventually(lambda: answers)
    eventually(lambda: _error(project) == "")


def test_no_permission(behind: Project, proxy: Proxy) -> None:
    port = free_port()

    def forbid(request: Request) -> Fault | None:
        if request.path.endswith("/portforward"):
            return Fault(403, "Forbidden", 'cannot create resource "pods/portforward"')
        return None

    proxy.obey(forbid)
    _write(behind, port, server("one"))
    behind.up()
    with asking(port) as answers:
        eventually(lambda: "forwarding ports of pod web-" in _error(behind))
        assert "the verbs get and create on pods/portforward" in _error(behind)
        _is_said_once(behind, "is forbidden")
        assert answers == []
        proxy.obey(None)
        eventually(lambda: answers)
    eventually(lambda: _error(behind) == "")
    asked = sum(one.path.endswith("/portforward") for one in proxy.requests)
    assert asked < 200


def test_no_forwards_at_all(project: Project) -> None:
    port = free_port()
    _write(project, port, server("one"))
    project.up("--no-port-forwards")
    eventually(lambda: "1/1" in project.get("ka", "web"))
    assert json.loads(project.get("pf", "-o", "json"))["items"] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)
