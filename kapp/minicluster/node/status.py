"""A pod's status from what the node knows. Pure.

Source: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go (`getPhase`, `convertToAPIContainerStatuses`)
and pkg/kubelet/status/generate.go (the conditions).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kapp.machinery.objects import Object, find_condition, format_time, set_condition
from kapp.minicluster.node import podspec
from kapp.minicluster.node.state import ContainerState, Ended, PodState

_OWN_CONDITIONS = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
)  # fmt: skip


def _terminated(ended: Ended) -> dict[str, Any]:
    state: dict[str, Any] = {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": format_time(ended.started_at),
        "finishedAt": format_time(ended.finished_at),
        "containerID": ended.container_id,
    }
    if ended.message:
        state["message"] = ended.message
    if ended.signal:
        state["signal"] = ended.signal
    return {"terminated": state}


def _container_status(spec: dict[str, Any], container: ContainerState) -> dict[str, Any]:
    running = container.phase == "running"
    if running and container.started_at is not None:
        state: dict[str, Any] = {"running": {"startedAt": format_time(container.started_at)}}
    elif container.phase == "terminated" and container.ended is not None:
        state = _terminated(container.ended)
    else:
        state = {"waiting": {"reason": container.reason}}
        if container.message:
            state["waiting"]["message"] = container.message
    status: dict[str, Any] = {
        "name": container.name,
        "state": state,
        "lastState": _terminated(container.last) if container.last else {},
        "ready": container.ready,
        "started": container.started and running,
        "restartCount": container.restart_count,
        "image": spec.get("image") or "",
        "imageID": "",
    }
    if container.container_id:
        status["containerID"] = container.container_id
    return status


def _done(container: ContainerState) -> bool:
    return (
        container.phase == "terminated"
        and container.ended is not None
        and container.ended.exit_code == 0
    )


def initialized(pod: Object, state: PodState) -> bool:
    """Whether every init container has done what the app containers wait for."""
    for spec in podspec.init_containers(pod):
        container = state.containers[spec["name"]]
        if podspec.is_sidecar(spec):
            if not container.started and not state.terminating:
                return False
        elif not _done(container):
            return False
    return True


def phase(pod: Object, state: PodState) -> str:
    """Pending, Running, Succeeded or Failed."""
    if state.failed_reason:
        return "Failed"
    policy = podspec.restart_policy(pod)
    for spec in podspec.init_containers(pod):
        ended = state.containers[spec["name"]].ended
        if (
            policy == "Never"
            and not podspec.is_sidecar(spec)
            and state.containers[spec["name"]].phase == "terminated"
            and ended is not None
            and ended.exit_code != 0
        ):
            return "Failed"
    apps = [state.containers[spec["name"]] for spec in podspec.containers(pod)]
    stopped = [c for c in apps if c.phase == "terminated" or (c.phase == "waiting" and c.last)]
    waiting = len([c for c in apps if c.phase == "waiting" and not c.last])
    if not initialized(pod, state) and not stopped:
        return "Pending"
    if waiting:
        return "Pending"
    if len(stopped) < len(apps):
        return "Running"
    if state.terminating or policy != "Always":
        if all(_done(c) for c in apps):
            return "Succeeded"
        if policy == "Never" or state.terminating:
            return "Failed"
    return "Running"


def _unready(names: Iterable[str]) -> str:
    return f"[{' '.join(names)}]"


def _conditions(pod: Object, state: PodState, pod_phase: str, now: datetime) -> list[Any]:
    old = list((pod.get("status") or {}).get("conditions") or ())
    if state.written is not None:
        mine = state.written["conditions"]
        old = [c for c in old if c.get("type") not in _OWN_CONDITIONS] + [
            dict(c) for c in mine if c.get("type") in _OWN_CONDITIONS
        ]
    conditions = [dict(c) for c in old]

    def put(kind: str, value: bool, reason: str = "", message: str = "") -> None:
        set_condition(conditions, kind, "True" if value else "False", reason, message, now)
        entry = next(c for c in conditions if c["type"] == kind)
        for name in ("reason", "message"):
            if not entry.get(name):
                entry.pop(name, None)

    put("PodReadyToStartContainers", state.sandbox)
    incomplete = [
        spec["name"]
        for spec in podspec.init_containers(pod)
        if not _done(state.containers[spec["name"]])
        and not (podspec.is_sidecar(spec) and state.containers[spec["name"]].started)
    ]
    if pod_phase == "Succeeded":
        put("Initialized", True, "PodCompleted")
    elif initialized(pod, state):
        put("Initialized", True)
    else:
        put(
            "Initialized", False, "ContainersNotInitialized",
            f"containers with incomplete status: {_unready(incomplete)}",
        )  # fmt: skip
    reason, message = "", ""
    counted = [
        spec["name"]
        for spec in podspec.all_containers(pod)
        if spec in podspec.containers(pod) or podspec.is_sidecar(spec)
    ]
    unready = [name for name in counted if not state.containers[name].ready]
    if pod_phase in ("Succeeded", "Failed"):
        reason = "PodCompleted" if pod_phase == "Succeeded" else "PodFailed"
    elif unready:
        reason = "ContainersNotReady"
        message = f"containers with unready status: {_unready(unready)}"
    put("ContainersReady", not reason, reason, message)
    if not reason:
        gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
        missing = [
            gate for gate in gates
            if (find_condition(conditions, gate) or {}).get("status") != "True"
        ]  # fmt: skip
        if missing:
            reason = "ReadinessGatesNotReady"
            message = "; ".join(
                f'corresponding condition of pod readiness gate "{gate}" does not exist.'
                if find_condition(conditions, gate) is None
                else f'the status of pod readiness gate "{gate}" is not "True"'
                for gate in missing
            )
    put("Ready", not reason, reason, message)
    scheduled = find_condition(conditions, "PodScheduled")
    if scheduled is None:
        put("PodScheduled", True)
    return conditions


def pod_status(pod: Object, state: PodState, host_address: str, now: datetime) -> dict[str, Any]:
    """The whole status, as a merge patch: what may have to vanish is there as None."""
    pod_phase = phase(pod, state)
    if pod_phase in ("Succeeded", "Failed") and state.running():
        pod_phase = "Running"  # the end is told when nothing runs any more, sidecars included
    status: dict[str, Any] = {
        "phase": pod_phase,
        "conditions": _conditions(pod, state, pod_phase, now),
        "hostIP": host_address,
        "hostIPs": [{"ip": host_address}],
        "podIP": state.address or None,
        "podIPs": [{"ip": state.address}] if state.address else None,
        "qosClass": podspec.qos_class(pod),
        "reason": state.failed_reason or None,
        "message": state.failed_message or state.problem or None,
        "containerStatuses": [
            _container_status(spec, state.containers[spec["name"]])
            for spec in podspec.containers(pod)
        ],
        "initContainerStatuses": [
            _container_status(spec, state.containers[spec["name"]])
            for spec in podspec.init_containers(pod)
        ]
        or None,
    }
    if state.started_at is not None:
        status["startTime"] = format_time(state.started_at)
    return status
