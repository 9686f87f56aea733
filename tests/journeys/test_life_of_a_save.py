"""docs/life-of-a-save.md, step by step, as any client of kapp's API sees it."""

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
    project.write("kubernetes.yaml", web("one"))
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    project.up()
    read = objects(project)
    eventually(lambda: page(port).strip() == "one")
    eventually(lambda: condition(read("uiresource", "web"), "Ready") == "True")
    before = read("kapp", "web")
    (old_pod,) = (pod["name"] for pod in read("kd", "web")["status"]["pods"])
    forward = read("pf", "web")["status"]["forwardStatuses"][0]

    project.write("kubernetes.yaml", web("two"))

    # 1. the save is an event
    saved = str(project.directory / "kubernetes.yaml")
    watch = until(
        lambda: read("fw", "(Kappfile)"), lambda fw: saved in str(fw["status"].get("fileEvents"))
    )
    event = watch["status"]["fileEvents"][-1]
    # 2. that event was evaluated, without an error
    kappfile = until(
        lambda: read("kf", "(Kappfile)"),
        lambda kf: kf["status"].get("evaluatedInput", "").endswith(event["time"]),
    )
    assert not kappfile["status"]["terminated"].get("error")
    # 3. and 4. the changed objects were written, and applied
    digest = before["status"]["appliedInputHash"]
    apply = until(
        lambda: read("kapp", "web"), lambda ka: ka["status"]["appliedInputHash"] != digest
    )
    assert apply["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert "value: two" in apply["spec"]["yaml"]
    assert "value: two" in apply["status"]["resultYAML"]

    # 6. the new pod is found
    def serving() -> list[str]:
        pods = read("kd", "web")["status"]["pods"]
        good = (pod for pod in pods if pod.get("ready") and pod.get("current"))
        return [pod["name"] for pod in good if pod["name"] != old_pod]

    (new_pod,) = eventually(serving)
    # 7. connections go to it, through the listener that was open before
    eventually(lambda: page(port).strip() == "two")
    moved = until(
        lambda: read("pf", "web")["status"]["forwardStatuses"][0],
        lambda status: status["podName"] == new_pod,
    )
    assert moved["startedAt"] == forward["startedAt"]
    # 8. its logs are followed, and those of the old pod no more once it is gone
    eventually(lambda: "serving 'two'" in project.run("logs", "web").stdout)
    stream = f"podlogstream.kapp.dev/web-{project.namespace}-{new_pod}"
    eventually(lambda: project.get("pls", "-o", "name").split() == [stream])
    # 9. one place says how it went
    ui = until(lambda: read("uiresource", "web"), lambda one: condition(one, "Ready") == "True")
    assert condition(ui, "UpToDate") == "True"
    assert ui["status"]["k8sResourceInfo"]["podName"] == new_pod
