"""A cluster that is slow, broken, away or another one: kapp stays up, says so, and converges."""

from __future__ import annotations

import json
import os
import threading
import uuid
from pathlib import Path

from kapp.minicluster import process

from .conftest import Project, Up, eventually
from .manifests import config_map, podless
from .proxy import Fault, Proxy, Request

# How long the cluster is away; longer by KAPP_TEST_AWAY_S.
AWAY_S = float(os.environ.get("KAPP_TEST_AWAY_S", "2"))


def _write(project: Project, *names: str, value: str = "one", settings: str = "") -> None:
    """A resource for each name: a ConfigMap and a Deployment without pods."""
    for name in names:
        project.write(
            f"{name}.yaml",
            f"""\
{config_map(name, value)}\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, annotations: {{value: {value}}}}}
{podless(name)}""",
        )
    lines = [settings, *(f"k8s_yaml('{name}.yaml')" for name in names)]
    lines += [f"k8s_resource('{name}', objects=['{name}:configmap'])" for name in names]
    project.write("Kappfile", "\n".join(lines) + "\n")


def _state(project: Project, name: str) -> tuple[str, str, str]:
    """Reason and message of Applied, and the status of the UIResource's UpToDate."""
    apply = json.loads(project.get("kapp", name, "-o", "json"))
    ui = json.loads(project.get("uiresource", name, "-o", "json"))
    applied = {one["type"]: one for one in apply["status"].get("conditions", [])}["Applied"]
    current = {one["type"]: one for one in ui["status"].get("conditions", [])}["UpToDate"]
    return applied["reason"], applied.get("message", ""), current["status"]


def _becomes(project: Project, name: str, reason: str, text: str = "") -> None:
    def is_so() -> bool:
        found = _state(project, name)
        assert (found[0], text in found[1]) == (reason, True), found
        return found[2] == ("True" if reason == "Applied" else "False")

    eventually(is_so)


def _value(project: Project, name: str) -> str:
    found = project.kubectl("get", "deploy", name, "-o", "json", check=False)
    return str(json.loads(found)["metadata"]["annotations"]["value"]) if found else ""


FAULTS = (
    Fault(429, "TooManyRequests", "busy", retry_after_s=1),
    Fault(503, "ServiceUnavailable", "starting"),
    Fault(504, "Timeout", "timed out"),
    Fault(409, "Conflict", "modified"),
    Fault(500, "InternalError", 'failed calling webhook "w": context deadline exceeded'),
    Fault(),
    Fault(after=True),
)


def test_what_may_pass_is_shown_and_tried_again(
    project: Project, behind: Project, proxy: Proxy
) -> None:
    behind.write("Kappfile", "")
    behind.up()
    for number, fault in enumerate(FAULTS):
        # The first write of all is the inventory's.
        part = "configmaps/kapp-" if number == 0 else "deployments"
        tried = len(proxy.writes())

        def refuse(request: Request, fault: Fault = fault, part: str = part) -> Fault | None:
            return fault if request.method == "PATCH" and part in request.path else None

        proxy.obey(refuse)
        _write(behind, "web", value=f"v{number}")
        eventually(lambda tried=tried: len(proxy.writes()) > tried)
        _becomes(behind, "web", "Retrying", fault.message)
        if not fault.after:
            assert _value(project, "web") != f"v{number}"
        proxy.obey(None)
        _becomes(behind, "web", "Applied")
        assert _value(project, "web") == f"v{number}"


def test_a_server_that_does_not_answer_is_shown_and_waited_for(
    project: Project, behind: Project, proxy: Proxy
) -> None:
    _write(behind, "web")
    proxy.obey(lambda request: Fault(hang=True) if "deployments" in request.path else None)
    behind.up()
    _becomes(behind, "web", "Retrying", "has not answered for 5 s")
    proxy.obey(None)
    _becomes(behind, "web", "Applied")


def _says(behind: Project, up: Up, text: str) -> None:
    eventually(lambda: text in up.output)
    assert up.process.poll() is None


def _cluster_error(behind: Project) -> str:
    status = json.loads(behind.get("cluster", "default", "-o", "json")).get("status") or {}
    return str(status.get("error") or "")


def test_away_at_the_start_and_again_in_the_middle_of_an_apply(
    project: Project, behind: Project, proxy: Proxy
) -> None:
    proxy.go_away()
    names = [f"r{number}" for number in range(4)]
    _write(behind, *names)
    up = behind.up()
    _says(behind, up, "is away, trying again")
    assert "connection refused" in _cluster_error(behind)
    _becomes(behind, "r0", "Retrying")
    # Back for some of the writes only.
    left = 6

    def refuse(request: Request) -> Fault | None:
        nonlocal left
        left -= request.method == "PATCH"
        return Fault() if left < 0 else None

    proxy.obey(refuse)
    proxy.come_back()
    eventually(lambda: left < 0)
    proxy.go_away()
    proxy.obey(None)
    _write(behind, *names, value="two")
    _becomes(behind, "r0", "Retrying")
    threading.Event().wait(AWAY_S)
    _becomes(behind, "r0", "Retrying")
    assert up.process.poll() is None
    assert _cluster_error(behind)
    proxy.come_back()
    for name in names:
        _becomes(behind, name, "Applied")
        assert _value(project, name) == "two"
    _says(behind, up, "answers again")
    assert _cluster_error(behind) == ""
    up.interrupt()
    behind.run("down")
    left_over = set(project.kubectl("get", "cm,deploy", "-o", "name").split())
    assert left_over == {"configmap/kube-root-ca.crt"} & left_over


def _ready(project: Project, name: str) -> tuple[str, str]:
    ui = json.loads(project.get("uiresource", name, "-o", "json"))
    found = {one["type"]: one for one in ui["status"].get("conditions", [])}["Ready"]
    return found["status"], found.get("message", "")


def _pods(project: Project, name: str) -> list[str]:
    status = json.loads(project.get("kubernetesdiscovery", name, "-o", "json"))["status"]
    return [one["name"] for one in status.get("pods", ())]


def test_a_watch_that_breaks_is_said_and_taken_up_again(
    project: Project, behind: Project, proxy: Proxy
) -> None:
    """tilt-dev/tilt#6643, #6583: after a pod watch had died, what was shown stayed as it was."""
    _write(behind, "web")
    up = behind.up()
    eventually(lambda: _ready(behind, "web")[0] == "True")
    proxy.go_away()
    refused = Fault(503, "ServiceUnavailable", "no watches today")
    proxy.obey(lambda request: refused if request.path.endswith("/pods") else None)
    proxy.come_back()
    eventually(
        lambda: (
            _ready(behind, "web") == ("Unknown", "the cluster cannot be watched: no watches today")
        )
    )
    project.kubectl("scale", "deployment/web", "--replicas=1")
    assert _pods(behind, "web") == []
    proxy.obey(None)
    eventually(lambda: len(_pods(behind, "web")) == 1)
    assert _ready(behind, "web")[0] != "Unknown"
    assert up.process.poll() is None


def test_another_cluster_at_the_same_address(
    project: Project, behind: Project, proxy: Proxy, tmp_path: Path
) -> None:
    directory = tmp_path / f"other-{uuid.uuid4().hex[:8]}"
    other = str(process.start(directory))
    try:
        project._kubectl(other, ["create", "namespace", project.namespace], True)
        _write(behind, "web")
        up = behind.up()
        _becomes(behind, "web", "Applied")
        proxy.lead_to(other)
        _says(behind, up, "was made anew: applying all")
        get = ["get", "deploy", "web", "-n", project.namespace, "-o", "name"]
        eventually(lambda: project._kubectl(other, get, False))
        _becomes(behind, "web", "Applied")
    finally:
        process.stop(directory)


def test_so_many_at_once_as_the_kappfile_says(
    project: Project, behind: Project, proxy: Proxy
) -> None:
    names = [f"r{number}" for number in range(6)]

    def hold(request: Request) -> Fault | None:
        hangs = request.method == "PATCH" and "configmaps/r" in request.path
        return Fault(hang=True) if hangs else None

    proxy.obey(hold)
    _write(behind, *names, settings="update_settings(2, k8s_upsert_timeout_secs=77)")
    behind.up()
    eventually(lambda: proxy.in_flight == 2)
    waiting = [name for name in names if "its turn" in _state(behind, name)[1]]
    assert len(waiting) == 4
    assert behind.get("kapp", "r0", "-o", "jsonpath={.spec.timeout}") == "77s"
    proxy.obey(None)
    for name in names:
        _becomes(behind, name, "Applied")
    assert proxy.most_in_flight == 2
