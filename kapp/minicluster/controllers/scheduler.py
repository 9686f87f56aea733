"""The scheduler: gives pods a node, or says why none fits.

Source: pkg/scheduler/framework/plugins (nodename, nodeunschedulable, tainttoleration, nodeaffinity,
noderesources, nodeports) and pkg/scheduler/schedule_one.go (the sentences). There is no preemption
and no scoring: of the nodes that fit, the first by name is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    find_condition,
    format_time,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import PODS_PHASE_ENDED
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.volumes.matching import claims_used, is_bound
from kapp.minicluster.quantities import parse_quantity
from kapp.minicluster.resources import PODS
from kapp.runtime.client import Client, PatchType
from kapp.runtime.reflector import Reflector

SCHEDULER_NAME = "default-scheduler"

_RETRY_S = 30.0
"""A pod that fits nowhere is tried again by itself, besides on every change of a node."""

_NO_CLAIMS = "no new claims to deallocate"
_NO_PREEMPTION = "Preemption is not helpful for scheduling."


def needs_node(pod: Object) -> bool:
    """Whether the pod waits for this scheduler."""
    spec = pod.get("spec") or {}
    return (
        not spec.get("nodeName")
        and not spec.get("schedulingGates")
        and spec.get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
        and (pod.get("status") or {}).get("phase") not in PODS_PHASE_ENDED
        and not is_deleting(pod)
    )


def node_index(pod: Object) -> tuple[str, ...]:
    """Index value of a pod: `node/` and the name of its node."""
    return (f"node/{(pod.get('spec') or {}).get('nodeName') or ''}",)


class SchedulerReconciler:
    """Schedules one pod.

    Args:
        client: the cluster.
        pods: mirror of Pods, indexed by `node_index`.
        nodes: the nodes.
        claims: the claims that pods mount.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        pods: Mirror,
        nodes: Reflector,
        claims: Mirror,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._pods = pods
        self._nodes = nodes
        self._claims = claims
        self._now = now
        self._recorder = Recorder(client, SCHEDULER_NAME, now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bind the pod to a node, or say why it cannot be."""
        pod = self._pods.get(key)
        if pod is None or not needs_node(pod):
            return None
        if problem := self._claim_problem(pod):
            total = len(self._nodes.list())
            await self._refuse(pod, f"0/{total} nodes are available: {problem}. not found")
            return _RETRY_S
        reasons: Counter[str] = Counter()
        nodes = sorted(self._nodes.list(), key=name_of)
        for node in nodes:
            present = [p for p in self._pods.by(f"node/{name_of(node)}") if _counts(p)]
            if reason := misfit(pod, node, present):
                reasons[reason] += 1
            else:
                await self._bind(pod, name_of(node))
                return None
        await self._refuse(pod, _sentence(len(nodes), reasons))
        return _RETRY_S

    def _claim_problem(self, pod: Object) -> str:
        """Why the pod's claims keep it waiting; "" if they do not."""
        namespace = key_of(pod).namespace
        for name in sorted(claims_used(pod)):
            claim = self._claims.get(ObjectKey(namespace, name))
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if is_deleting(claim):
                return f'persistentvolumeclaim "{name}" is being deleted'
            if not is_bound(claim):
                return "pod has unbound immediate PersistentVolumeClaims"
        return ""

    async def _bind(self, pod: Object, node: str) -> None:
        key = key_of(pod)
        patch = {"metadata": {"uid": uid_of(pod)}, "spec": {"nodeName": node}}
        try:
            bound = await self._client.patch(PODS, key.name, patch, PatchType.MERGE, key.namespace)
            self._pods.wrote(bound)
            await self._set_condition(bound, "True", "", "")
        except ApiError as e:
            if e.code in (404, 409):
                return
            raise
        await self._recorder.normal(
            pod, "Scheduled", f"Successfully assigned {key.namespace}/{key.name} to {node}"
        )

    async def _refuse(self, pod: Object, message: str) -> None:
        known = find_condition((pod.get("status") or {}).get("conditions"), "PodScheduled")
        if known is not None and known.get("message") == message:
            return
        try:
            await self._set_condition(pod, "False", "Unschedulable", message)
        except ApiError as e:
            if e.code in (404, 409):
                return
            raise
        await self._recorder.warning(pod, "FailedScheduling", message)

    async def _set_condition(self, pod: Object, status: str, reason: str, message: str) -> None:
        """A strategic merge patch: conditions merge by type, so the kubelet's stay."""
        key = key_of(pod)
        condition: dict[str, Any] = {
            "type": "PodScheduled",
            "status": status,
            "lastProbeTime": None,
            "lastTransitionTime": format_time(self._now()),
            "reason": reason or None,
            "message": message or None,
            "observedGeneration": metadata_of(pod).get("generation", 1),
        }
        patch = {"metadata": {"uid": uid_of(pod)}, "status": {"conditions": [condition]}}
        self._pods.wrote(
            await self._client.patch(
                PODS, key.name, patch, PatchType.STRATEGIC, key.namespace, subresource="status"
            )
        )


def _counts(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in PODS_PHASE_ENDED


def _sentence(total: int, reasons: Counter[str]) -> str:
    if total == 0:
        return "no nodes available to schedule pods"
    parts = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return (
        f"0/{total} nodes are available: {parts}. {_NO_CLAIMS}, preemption: 0/{total} "
        f"nodes are available: "
        f"{total} {_NO_PREEMPTION}"
    )


def misfit(pod: Object, node: Object, present: list[Object]) -> str:
    """Why `pod` cannot run on `node`, where `present` pods are; "" if it can."""
    spec = pod["spec"]
    if (node.get("spec") or {}).get("unschedulable") and not _tolerates(
        spec, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    ):
        return "node(s) were unschedulable"
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint.get("effect") in ("NoSchedule", "NoExecute") and not _tolerates(spec, taint):
            value = f": {taint['value']}" if taint.get("value") else ": "
            return f"node(s) had untolerated taint {{{taint.get('key')}{value}}}"
    if not _selected(spec, node):
        return "node(s) didn't match Pod's node affinity/selector"
    if _host_ports(spec) & {port for p in present for port in _host_ports(p["spec"])}:
        return "node(s) didn't have free ports for the requested pod ports"
    return _insufficient(spec, node, present)


def _tolerates(spec: dict[str, Any], taint: dict[str, Any]) -> bool:
    return any(
        t.get("key", "") in ("", taint.get("key"))
        and t.get("effect", "") in ("", taint.get("effect"))
        and (t.get("operator") == "Exists" or t.get("value", "") == taint.get("value", ""))
        for t in spec.get("tolerations") or ()
    )


def _selected(spec: dict[str, Any], node: Object) -> bool:
    labels = labels_of(node)
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": name_of(node)}
    return any(
        (term.get("matchExpressions") or term.get("matchFields"))
        and all(_term_matches(e, labels) for e in term.get("matchExpressions") or ())
        and all(_term_matches(e, fields) for e in term.get("matchFields") or ())
        for term in required.get("nodeSelectorTerms") or ()
    )


def _term_matches(term: dict[str, Any], labels: dict[str, str]) -> bool:
    """One NodeSelectorRequirement. Source: pkg/apis/core/v1/helper (NodeSelectorRequirement)."""
    key, values = term.get("key") or "", term.get("values") or []
    value = labels.get(key)
    match term.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                left, right = int(value or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return left > right if operator == "Gt" else left < right
    return False


def _host_ports(spec: dict[str, Any]) -> set[tuple[str, int]]:
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _insufficient(spec: dict[str, Any], node: Object, present: list[Object]) -> str:
    status = node.get("status") or {}
    allocatable = status.get("allocatable") or status.get("capacity") or {}
    limit = parse_quantity(allocatable.get("pods"))
    if limit is not None and len(present) + 1 > limit:
        return "Too many pods"
    for name, amount in sorted(_requests(spec).items()):
        capacity = parse_quantity(allocatable.get(name, "0")) or Decimal(0)
        used = sum((_requests(p["spec"]).get(name, Decimal(0)) for p in present), Decimal(0))
        if amount > 0 and used + amount > capacity:
            return f"Insufficient {name}"
    return ""


def _requests(spec: dict[str, Any]) -> dict[str, Decimal]:
    """What a pod asks for: its containers' sum, or the largest init container if that is more."""
    result: dict[str, Decimal] = {}
    for container in spec.get("containers") or ():
        for name, amount in _container_requests(container).items():
            result[name] = result.get(name, Decimal(0)) + amount
    for container in spec.get("initContainers") or ():
        for name, amount in _container_requests(container).items():
            result[name] = max(result.get(name, Decimal(0)), amount)
    return result


def _container_requests(container: dict[str, Any]) -> dict[str, Decimal]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return {name: parse_quantity(amount) or Decimal(0) for name, amount in requests.items()}
