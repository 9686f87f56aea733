"""Forwards and logs of what somebody else deployed, and goes on deploying."""

from __future__ import annotations

import json

from .conftest import Project, eventually, free_port, page
from .manifests import server

_SERVICE = """\
---
apiVersion: v1
kind: Service
metadata: {name: gate}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8000}]
"""
_POD = """\
---
apiVersion: v1
kind: Pod
metadata: {name: lone, labels: {app: lone}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: python:3.13-alpine
    command: [python3, -u, -c]
    args: ["import http.server as h; print('up'); h.test(h.SimpleHTTPRequestHandler, port=8000)"]
"""


def _apply(project: Project, version: str) -> None:
    """What another tool does."""
    project.write("theirs.yaml", server(version) + _SERVICE + _POD)
    project.kubectl("apply", "-f", str(project.directory / "theirs.yaml"))


def _identity(project: Project) -> list[dict[str, object]]:
    """All that would change if kapp wrote to the objects."""
    found = json.loads(
        project.kubectl("get", "deployment/web", "service/gate", "pod/lone", "-ojson")
    )
    fields = ("uid", "generation", "labels", "annotations")
    return [
        {name: one["metadata"].get(name) for name in fields} | {"spec": one["spec"]}
        for one in found["items"]
    ]


def _ready(project: Project) -> set[str]:
    """The resources that are ready."""
    found = json.loads(project.get("ui", "-o", "json"))["items"]
    return {
        one["metadata"]["name"]
        for one in found
        for condition in one["status"].get("conditions", ())
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


def _error(project: Project, name: str) -> str:
    return project.get("ka", name, "-o", "jsonpath={.status.error}")


def test_each_kind_through_a_rollout_and_down(project: Project) -> None:
    _apply(project, "v1")
    by_owner, by_service, by_name = free_port(), free_port(), free_port()
    project.write(
        "Kappfile",
        f"""\
        k8s_attach('theirs', 'deployment/web', port_forwards={by_owner})
        k8s_attach('gate', 'svc/gate', port_forwards='{by_service}:80')
        k8s_attach('lone', 'pod/lone')
        port_forward('lone', {by_name}, 8000)
        """,
    )
    up = project.up()
    eventually(lambda: page(by_owner).startswith("v1"))
    eventually(lambda: page(by_service).startswith("v1"))
    eventually(lambda: page(by_name))
    eventually(lambda: "serving v1" in up.output and "up" in project.run("logs", "lone").stdout)
    eventually(lambda: _ready(project) >= {"theirs", "gate", "lone"})
    _apply(project, "v2")
    eventually(lambda: page(by_owner).startswith("v2"))
    eventually(lambda: page(by_service).startswith("v2"))
    before = _identity(project)
    project.run("trigger", "theirs")
    project.run("disable", "gate")
    project.write("Kappfile", f"k8s_attach('theirs', 'deploy/web', port_forwards={by_owner})\n")
    eventually(lambda: project.get("ka").count("\n") == 2)
    assert page(by_owner).startswith("v2")
    project.run("down")
    assert _identity(project) == before


def test_what_comes_goes_and_comes_back(project: Project) -> None:
    port = free_port()
    project.write("Kappfile", f"k8s_attach('theirs', 'deployment/web', port_forwards={port})\n")
    up = project.up()
    eventually(lambda: "there is no Deployment/web in namespace" in _error(project, "theirs"))
    _apply(project, "v1")
    eventually(lambda: page(port).startswith("v1"))
    assert _error(project, "theirs") == ""
    project.kubectl("delete", "deployment", "web")
    eventually(lambda: "there is no Deployment/web in namespace" in _error(project, "theirs"))
    _apply(project, "v2")
    eventually(lambda: page(port).startswith("v2"))
    assert up.output.count("error: there is no Deployment/web") == 2
