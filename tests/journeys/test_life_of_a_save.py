"""docs/life-of-a-save.md, step by step, as any client of kapp's API sees it.

The remarks are the document's headings, in its order (tests/meta/test_documents.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .conftest import Project, eventually, free_port, page
from .manifests import web


def objects(project: Project) -> Callable[[str, str], dict[str, Any]]:
    """Reads one object of kapp's API."""

    def read(kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(project.get(kind, name, "-o", "json"))
        return found

    return read


def until(
    read: Callable[[], dict[str, Any]], good: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """What `read` returns, once it is `good`."""

    def check() -> dict[str, Any] | None:
        found = read()
        return found if good(found) else None

    found = eventually(check)
    assert found is not None
    return found


def condition(obj: dict[str, Any], kind: str) -> str:
    conditions = obj.get("status", {}).get("conditions", [])
    return next((one["status"] for one in conditions if one["type"] == kind), "")


def test_life_of_a_save(project: Project) -> None:
    port = free_port()
    leaving = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: leaving}\n"
    project.write("kubernetes.yaml", web("one") + leaving)
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    project.up()
    read = objects(project)
    eventually(lambda: page(port).strip() == "one")
    eventually(lambda: condition(read("uiresource", "web"), "Ready") == "True")
    before = read("kapp", "web")
    (old_pod,) = (pod["name"] for pod in read("kd", "web")["status"]["pods"])
    forward = read("pf", "web")["status"]["forwardStatuses"][0]

    project.write("kubernetes.yaml", web("two"))

    # 1. The save is seen.
    saved = str(project.directory / "kubernetes.yaml")
    watch = until(
        lambda: read("fw", "(Kappfile)"), lambda fw: saved in str(fw["status"].get("fileEvents"))
    )
    event = watch["status"]["fileEvents"][-1]
    # 2. The Kappfile is evaluated.
    kappfile = until(
        lambda: read("kf", "(Kappfile)"),
        lambda kf: kf["status"].get("evaluatedInput", "").endswith(event["time"]),
    )
    assert not kappfile["status"]["terminated"].get("error")
    # 3. Objects are written.
    written = read("kapp", "web")
    assert written["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert "value: two" in written["spec"]["yaml"]
    # 4. The cluster is told.
    digest = before["status"]["appliedInputHash"]
    apply = until(
        lambda: read("kapp", "web"), lambda ka: ka["status"]["appliedInputHash"] != digest
    )
    assert "value: two" in apply["status"]["resultYAML"]
    # 5. What left is deleted.
    eventually(lambda: not project.kubectl("get", "cm", "leaving", "--ignore-not-found"))

    # 6. The new pod is found.
    def serving() -> list[str]:
        pods = read("kd", "web")["status"]["pods"]
        good = (pod for pod in pods if pod.get("ready") and pod.get("current"))
        return [pod["name"] for pod in good if pod["name"] != old_pod]

    (new_pod,) = eventually(serving)
    # 7. Connections move.
    eventually(lambda: page(port).strip() == "two")
    moved = until(
        lambda: read("pf", "web")["status"]["forwardStatuses"][0],
        lambda status: status["podName"] == new_pod,
    )
    assert moved["startedAt"] == forward["startedAt"]
    # 8. Logs follow.
    eventually(lambda: "serving 'two'" in project.run("logs", "web").stdout)
    stream = f"podlogstream.kapp.dev/web-{project.namespace}-{new_pod}"
    eventually(lambda: project.get("pls", "-o", "name").split() == [stream])
    # 9. One place says how it went.
    ui = until(lambda: read("uiresource", "web"), lambda one: condition(one, "Ready") == "True")
    assert condition(ui, "UpToDate") == "True"
    assert ui["status"]["k8sResourceInfo"]["podName"] == new_pod
