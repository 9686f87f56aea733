"""What the node knows of a pod when it first sees it: what the pod's status remembers. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kapp.machinery.objects import Object, key_of, uid_of
from kapp.minicluster.node import podspec
from kapp.minicluster.node.state import ContainerState, Ended, PodState


def admit(pod: Object, now: datetime) -> PodState:
    """Begin with a pod; one that ran under an earlier run of the cluster starts again."""
    old = pod.get("status") or {}
    before = {
        entry["name"]: entry
        for field in ("initContainerStatuses", "containerStatuses")
        for entry in old.get(field) or ()
    }
    state = PodState(uid_of(pod), key_of(pod), pod, {})
    for spec in podspec.all_containers(pod):
        container = ContainerState(spec["name"])
        if podspec.init_containers(pod) and spec in podspec.containers(pod):
            container.reason = "PodInitializing"
        state.containers[spec["name"]] = container
        if spec["name"] in before:
            _adopt(container, before[spec["name"]], now)
    if start := old.get("startTime"):
        state.started_at = datetime.fromisoformat(start)
    return state


def _adopt(container: ContainerState, entry: dict[str, Any], moment: datetime) -> None:
    """Take over a container's history; its process, if it had one, is gone."""
    current = entry.get("state") or {}
    ended = current.get("terminated") or (entry.get("lastState") or {}).get("terminated")
    if not entry.get("containerID"):
        return
    container.attempts = int(entry.get("restartCount") or 0) + 1
    container.container_id = entry["containerID"]

    def when(text: str | None) -> datetime:
        return datetime.fromisoformat(text) if text else moment

    if "running" in current:
        container.ended = Ended(
            255, "Unknown", when(current["running"].get("startedAt")), moment,
            container.container_id, "the embedded cluster was stopped",
        )  # fmt: skip
    elif ended is not None:
        container.ended = Ended(
            int(ended.get("exitCode") or 0), ended.get("reason") or "",
            when(ended.get("startedAt")), when(ended.get("finishedAt")),
            ended.get("containerID") or "", ended.get("message") or "",
            int(ended.get("signal") or 0),
        )  # fmt: skip
    else:
        return
    container.phase = "terminated"
