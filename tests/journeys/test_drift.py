"""What others do to applied objects is told within seconds, and undone by `kapp trigger`."""

from __future__ import annotations

import json

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import web

_SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {team: a}}
data: {key: value}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {password: correct-horse}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: account, labels: {team: a}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: other}
  ports: [{port: 80}]
"""


_EDITS = [
    (("patch", "configmap/settings", "-p", '{"data":{"key":"other"}}'),
     '.data.key was changed by kubectl-patch: "value" → "other"'),
    (("patch", "secret/password", "-p", '{"data":{"password":"aHVudGVyMg=="}}'),
     ".data.password was changed by kubectl-patch: (redacted) → (redacted)"),
    (("label", "serviceaccount/account", "team-"),
     '.metadata.labels.team was changed: "a" → (absent)'),
    (("patch", "service/web", "-p", '{"spec":{"selector":{"app":"web"}}}'),
     '.spec.selector was changed by kubectl-patch: {"app": "other"} → {"app": "web"}'),
    (("delete", "configmap/settings"), "/settings was deleted"),
    (("label", "configmap/settings", "applyset.kubernetes.io/part-of-"),
     ".metadata.labels.applyset.kubernetes.io/part-of was changed"),
]  # fmt: skip
"""kubectl's words, and what kapp says of it."""


@pytest.fixture
def running(project: Project) -> Project:
    port = free_port()
    project.write("web.yaml", web())
    project.write("settings.yaml", _SETTINGS)
    project.write(
        "Kappfile",
        f"""
        k8s_yaml(['web.yaml', 'settings.yaml'])
        k8s_resource('web', port_forwards='{port}')
        """,
    )
    project.up()
    eventually(lambda: page(port) == "one\n")
    for name in ("web", "uncategorized"):
        eventually(
            lambda name=name: _conditions(project, name) == {"UpToDate": "True", "Ready": "True"}
        )
    return project


def _conditions(project: Project, name: str) -> dict[str, str]:
    shown = json.loads(project.get("uiresource", name, "-o", "json"))
    return {one["type"]: one["status"] for one in shown["status"].get("conditions", ())}


def _message(project: Project, name: str) -> str:
    """Why it is not up to date, if that is for drift."""
    shown = json.loads(project.get("uiresource", name, "-o", "json"))
    conditions = {one["type"]: one for one in shown["status"]["conditions"]}
    if conditions["UpToDate"].get("reason") != "Drifted":
        return ""
    assert (conditions["UpToDate"]["status"], conditions["Ready"]["status"]) == ("False", "False")
    return str(conditions["UpToDate"]["message"])


def test_settings(running: Project) -> None:
    for kubectl, told in _EDITS:
        running.kubectl(*kubectl)
        message = eventually(lambda: _message(running, "uncategorized"))
        assert told in message
        assert message.endswith("; `kapp trigger uncategorized` restores it")
        assert running.get("kapp", "uncategorized", "--no-headers").split()[1] == "Drifted"
        assert told in running.run("logs", "uncategorized").stdout
        running.run("trigger", "uncategorized")
        eventually(lambda: set(_conditions(running, "uncategorized").values()) == {"True"})
    assert running.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.key}") == "value"


def test_workloads(running: Project) -> None:
    running.kubectl("scale", "deployment/web", "--replicas=2")
    assert ".spec.replicas was changed by kubectl: 1 → 2" in eventually(
        lambda: _message(running, "web")
    )
    running.run("trigger", "web")
    eventually(lambda: set(_conditions(running, "web").values()) == {"True"})
    assert running.kubectl("get", "deployment/web", "-o", "jsonpath={.spec.replicas}") == "1"
    generation = ("get", "deployment/web", "-o", "jsonpath={.metadata.generation}")
    assert running.kubectl(*generation) == "3", "created, scaled, restored; not restarted on top"

    running.kubectl("delete", "deployment/web", "--wait=false")
    assert "Deployment/" in eventually(lambda: _message(running, "web"))
    drift = json.loads(running.get("kapp", "web", "-o", "json"))["status"]["drift"]
    assert [(one["name"], one["deleted"]) for one in drift] == [("web", True)]
    running.run("trigger", "web")
    eventually(lambda: set(_conditions(running, "web").values()) == {"True"})
