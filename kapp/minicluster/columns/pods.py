"""The columns of pods, above all STATUS. Source: printPod in printers.go."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, find_condition, is_deleting
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import AGE, NAME, NONE, field


class _Restarts(NamedTuple):
    """A number of restarts, and when the last of them was ("" if unknown)."""

    total: int = 0
    last: str = ""

    def plus(self, status: Mapping[str, Any]) -> _Restarts:
        """Those of one more container. Timestamps of one form and zone compare as text."""
        last = field(status, "lastState", "terminated", "finishedAt") or ""
        return _Restarts(self.total + (status.get("restartCount") or 0), max(self.last, last))


class Summary(NamedTuple):
    """What `kubectl get pods` says of a pod."""

    ready: int
    total: int
    status: str
    restarts: int
    last_restart: str


def summary(pod: Object) -> Summary:
    """READY, STATUS and RESTARTS of a pod."""
    status: dict[str, Any] = pod.get("status") or {}
    spec: dict[str, Any] = pod.get("spec") or {}
    phase = status.get("phase") or ""
    reason = status.get("reason") or phase
    scheduled = find_condition(status.get("conditions"), "PodScheduled")
    if scheduled and scheduled.get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    sidecars = {c["name"] for c in spec.get("initContainers") or () if _is_sidecar(c)}
    total = len(spec.get("containers") or ()) + len(sidecars)
    initialising, ready, restarts, sidecar_restarts = _init_status(status, spec, sidecars)
    if not initialising or _is_true(status, "Initialized"):
        reason, more_ready, restarts = _container_status(status, reason, sidecar_restarts)
        ready += more_ready
    elif initialising:
        reason = initialising
    if is_deleting(pod):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif phase not in ("Succeeded", "Failed"):
            reason = "Terminating"
    return Summary(ready, total, reason, restarts.total, restarts.last)


def _is_sidecar(container: Mapping[str, Any]) -> bool:
    return container.get("restartPolicy") == "Always"


def _is_true(status: Mapping[str, Any], condition: str) -> bool:
    found = find_condition(status.get("conditions"), condition)
    return found is not None and found.get("status") == "True"


def _init_status(
    status: Mapping[str, Any], spec: Mapping[str, Any], sidecars: set[str]
) -> tuple[str, int, _Restarts, _Restarts]:
    """Why it is initialising ("" when done), ready sidecars, restarts of all and of sidecars."""
    ready, restarts, sidecar_restarts = 0, _Restarts(), _Restarts()
    for number, container in enumerate(status.get("initContainerStatuses") or ()):
        restarts = restarts.plus(container)
        is_sidecar = container.get("name") in sidecars
        if is_sidecar:
            sidecar_restarts = sidecar_restarts.plus(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated and not terminated.get("exitCode"):
            continue
        if is_sidecar and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        if terminated:
            return f"Init:{_exit_reason(terminated)}", ready, restarts, sidecar_restarts
        if waiting.get("reason") not in (None, "", "PodInitializing"):
            return f"Init:{waiting['reason']}", ready, restarts, sidecar_restarts
        total = len(spec.get("initContainers") or ())
        return f"Init:{number}/{total}", ready, restarts, sidecar_restarts
    return "", ready, restarts, sidecar_restarts


def _exit_reason(terminated: Mapping[str, Any]) -> str:
    if reason := terminated.get("reason"):
        return str(reason)
    if signal := terminated.get("signal"):
        return f"Signal:{signal}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _container_status(
    status: Mapping[str, Any], reason: str, restarts: _Restarts
) -> tuple[str, int, _Restarts]:
    ready, has_running = 0, False
    for container in reversed(status.get("containerStatuses") or ()):
        restarts = restarts.plus(container)
        state = container.get("state") or {}
        if waiting := field(state, "waiting", "reason"):
            reason = waiting
        elif state.get("terminated") is not None:
            reason = _exit_reason(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            has_running = True
            ready += 1
    if reason == "Completed" and has_running:
        reason = "Running" if _is_true(status, "Ready") else "NotReady"
    return reason, ready, restarts


def _ready(pod: Object, _now: datetime) -> str:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def _restarts(pod: Object, now: datetime) -> str:
    found = summary(pod)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({human_age(found.last_restart, now)} ago)"
    return str(found.restarts)


def _ip(pod: Object, _now: datetime) -> str:
    addresses = field(pod, "status", "podIPs") or ()
    return addresses[0].get("ip") or NONE if addresses else NONE


def _gates(pod: Object, _now: datetime) -> str:
    gates = field(pod, "spec", "readinessGates") or ()
    if not gates:
        return NONE
    status = pod.get("status") or {}
    true = sum(_is_true(status, gate.get("conditionType") or "") for gate in gates)
    return f"{true}/{len(gates)}"


PODS = (
    NAME,
    Column("Ready", _ready, description="Ready containers, and all."),
    Column("Status", lambda pod, _now: summary(pod).status, description="The state of the pod."),
    Column("Restarts", _restarts, description="Restarts of containers, and the last one."),
    AGE,
    Column("IP", _ip, priority=1),
    Column("Node", lambda pod, _now: field(pod, "spec", "nodeName") or NONE, priority=1),
    Column(
        "Nominated Node",
        lambda pod, _now: field(pod, "status", "nominatedNodeName") or NONE,
        priority=1,
    ),
    Column("Readiness Gates", _gates, priority=1),
)
