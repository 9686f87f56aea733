"""ReplicaSets: as many pods as asked for.

Source: pkg/controller/replicaset/replica_set.go and pkg/controller/controller_utils.go. Pods are
claimed by label selector: a matching pod that nobody controls is adopted, an own pod that no longer
matches is released.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any

from kapp.errors import KappError
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    controller_reference,
    format_time,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.claims import claim
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import (
    is_active,
    is_ready,
    ready_since,
    restarts_of,
    seconds_until_available,
)
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.writes import delete, write_status
from kapp.minicluster.resources import PODS, REPLICA_SETS
from kapp.runtime.client import Client

BURST = 500
"""`BurstReplicas`: pods made or deleted in one go, so that other sets get their turn."""

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSetReconciler:
    """Makes the pods of one ReplicaSet as many as it wants."""

    def __init__(
        self, client: Client, sets: Mirror, pods: Mirror, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._sets = sets
        self._pods = pods
        self._now = now
        self._recorder = Recorder(client, "replicaset-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass; wants to be called again when a pod becomes available by waiting."""
        owner = self._sets.get(key)
        if owner is None:
            return None
        pods = await claim(self._client, PODS, self._pods, owner)
        active = [pod for pod in pods if is_active(pod)]
        failure: KappError | None = None
        if not is_deleting(owner):
            try:
                active = await self._scale(owner, active)
            except KappError as e:
                failure = e
        again_s = await self._write_status(owner, pods, active, failure)
        if failure is not None:
            raise failure
        return again_s

    async def _scale(self, owner: Object, active: list[Object]) -> list[Object]:
        wanted = int(owner["spec"].get("replicas", 1))
        surplus = len(active) - wanted
        if surplus < 0:
            return active + await self._create(owner, min(-surplus, BURST))
        if surplus > 0:
            doomed = sorted(active, key=lambda pod: _deletion_order(pod))[: min(surplus, BURST)]
            await self._delete(owner, doomed)
            gone = {uid_of(pod) for pod in doomed}
            return [pod for pod in active if uid_of(pod) not in gone]
        return active

    async def _create(self, owner: Object, count: int) -> list[Object]:
        made: list[Object] = []
        for _ in range(count):
            try:
                pod = await self._client.create(PODS, pod_from(owner))
            except ApiError as e:
                await self._recorder.warning(owner, "FailedCreate", f"Error creating: {e.message}")
                raise
            made.append(self._pods.wrote(pod))
            await self._recorder.normal(owner, "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return made

    async def _delete(self, owner: Object, pods: list[Object]) -> None:
        for pod in pods:
            try:
                await delete(self._client, PODS, pod)
            except ApiError as e:
                await self._recorder.warning(owner, "FailedDelete", f"Error deleting: {e.message}")
                raise
            self._pods.removed(pod)
            await self._recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    async def _write_status(
        self, owner: Object, pods: list[Object], active: list[Object], failure: KappError | None
    ) -> float | None:
        now = self._now()
        status, again_s = new_status(owner, pods, active, failure, now)
        await write_status(self._client, REPLICA_SETS, self._sets, owner, status)
        return again_s


def new_status(
    owner: Object,
    pods: list[Object],
    active: list[Object],
    failure: KappError | None,
    now: datetime,
) -> tuple[dict[str, Any], float | None]:
    """The status of a ReplicaSet, and the seconds until a pod becomes available by waiting.

    Source: calculateStatus in pkg/controller/replicaset/replica_set_utils.go.
    """
    min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
    wanted_labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    waits = [seconds_until_available(pod, min_ready_s, now) for pod in active]
    counts = {
        "fullyLabeledReplicas": sum(
            wanted_labels.items() <= labels_of(pod).items() for pod in active
        ),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(wait == 0 for wait in waits),
    }
    status: dict[str, Any] = {"replicas": len(active)}
    status.update({field: count for field, count in counts.items() if count})
    status["terminatingReplicas"] = sum(is_deleting(pod) and not _has_ended(pod) for pod in pods)
    status["observedGeneration"] = metadata_of(owner).get("generation", 1)
    conditions = _conditions(owner, len(active), failure, now)
    if conditions:
        status["conditions"] = conditions
    pending = [wait for wait in waits if wait]
    return status, min(pending) if pending else None


def _has_ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _conditions(
    owner: Object, active: int, failure: KappError | None, now: datetime
) -> list[dict[str, Any]]:
    old = (owner.get("status") or {}).get("conditions") or []
    others = [dict(c) for c in old if c.get("type") != "ReplicaFailure"]
    if failure is None:
        return others
    reason = "FailedCreate" if active < owner["spec"].get("replicas", 1) else "FailedDelete"
    known = next((dict(c) for c in old if c.get("type") == "ReplicaFailure"), None)
    if known is not None and known.get("reason") == reason:
        return [*others, known]
    return [
        *others,
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": reason,
            "message": failure.message,
            "lastTransitionTime": format_time(now),
        },
    ]


def pod_from(owner: Object) -> Object:
    """A new pod from the owner's template. Source: GetPodFromTemplate in controller_utils.go."""
    template = deepcopy(owner["spec"]["template"])
    meta = template.get("metadata") or {}
    new_meta: dict[str, Any] = {
        "generateName": f"{name_of(owner)}-",
        "namespace": key_of(owner).namespace,
        "ownerReferences": [controller_reference(owner)],
    }
    for field in ("labels", "annotations", "finalizers"):
        if meta.get(field):
            new_meta[field] = meta[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": new_meta, "spec": template["spec"]}


def _deletion_order(pod: Object) -> tuple[Any, ...]:
    """Sorts the pods whose loss hurts least first. Source: ActivePodsWithRanks.Less."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    annotations = metadata_of(pod).get("annotations") or {}
    try:
        cost = int(annotations.get(_DELETION_COST, 0))
    except ValueError:
        cost = 0
    since = ready_since(pod)
    created = str(metadata_of(pod).get("creationTimestamp") or "")
    return (
        bool(spec.get("nodeName")),
        _PHASES.get(str(status.get("phase")), 1),
        is_ready(pod),
        cost,
        -since.timestamp() if since is not None else 0.0,
        -restarts_of(pod),
        _reversed_text(created),
    )


def _reversed_text(text: str) -> tuple[int, ...]:
    return tuple(-ord(char) for char in text)
