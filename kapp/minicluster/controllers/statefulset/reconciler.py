"""One pass over one StatefulSet: make, delete or replace pods in order, and write the status.

Source: updateStatefulSet in pkg/controller/statefulset/stateful_set_control.go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.claims import claim
from kapp.minicluster.controllers.history import History, with_template
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import (
    PODS_PHASE_ENDED,
    is_ready,
    seconds_until_available,
)
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.statefulset.identity import (
    claims_of,
    new_pod,
    ordinal_of,
    ordinals,
    revision_of,
)
from kapp.minicluster.controllers.statefulset.retention import keep_claims
from kapp.minicluster.controllers.writes import delete_pod, write_status
from kapp.minicluster.quantities import scaled
from kapp.minicluster.resources import CLAIMS, PODS, STATEFUL_SETS
from kapp.runtime.client import Client


class StatefulSetReconciler:
    """Looks after one StatefulSet.

    Args:
        client: the cluster.
        sets: mirror of StatefulSets.
        pods: mirror of Pods, indexed by their controller's uid.
        history: their revisions.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        sets: Mirror,
        pods: Mirror,
        history: History,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._sets = sets
        self._pods = pods
        self._history = history
        self._now = now
        self._recorder = Recorder(client, "statefulset-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass; wants to be called again when a pod becomes available by waiting."""
        owner = self._sets.get(key)
        if owner is None:
            return None
        found = await claim(self._client, PODS, self._pods, owner)
        pods = {o: pod for pod in found if (o := ordinal_of(owner, pod)) >= 0}
        update = await self._history.newest(owner)
        known = {name_of(r): r for r in self._history.of(owner)}
        name = (owner.get("status") or {}).get("currentRevision")
        current = known.get(name or "", update)
        if not is_deleting(owner):
            await keep_claims(self._client, owner, pods)
            await self._advance(owner, current, update, pods)
        again_s = await self._write_status(owner, current, update, list(pods.values()))
        live = {name_of(current), name_of(update), *map(revision_of, pods.values())}
        await self._history.clean(owner, live)
        return again_s

    # Steps. Each returns whether the pass ends with it.

    async def _advance(
        self, owner: Object, current: Object, update: Object, pods: dict[int, Object]
    ) -> None:
        """Take the next step, or as many as a Parallel set may take at once."""
        ordered = owner["spec"].get("podManagementPolicy") != "Parallel"
        wanted = ordinals(owner)
        for ordinal in wanted:
            stops = await self._keep(owner, current, update, pods, ordinal)
            if stops and ordered:
                return
        condemned = sorted((o for o in pods if o not in wanted), reverse=True)
        unhealthy = next(
            (
                o
                for o in (*wanted, *reversed(condemned))
                if self._is_unavailable(owner, pods.get(o))
            ),
            None,
        )
        for ordinal in condemned:
            pod = pods[ordinal]
            if ordered and (is_deleting(pod) or unhealthy not in (None, ordinal)):
                return
            if not is_deleting(pod):
                await self._delete(owner, pods, ordinal)
                if ordered:
                    return
        await self._update(owner, update, pods, wanted)

    async def _keep(
        self,
        owner: Object,
        current: Object,
        update: Object,
        pods: dict[int, Object],
        ordinal: int,
    ) -> bool:
        """Make the pod of one number, or wait for it."""
        pod = pods.get(ordinal)
        if pod is not None and _phase(pod) in PODS_PHASE_ENDED:
            if not is_deleting(pod):
                await self._delete(owner, pods, ordinal)
            return True
        if pod is None:
            revision = current if _keeps_old(owner, ordinal) else update
            await self._create(owner, revision, pods, ordinal)
            return True
        return is_deleting(pod) or self._is_unavailable(owner, pod)

    async def _update(
        self, owner: Object, update: Object, pods: dict[int, Object], wanted: range
    ) -> None:
        """Delete pods of an older revision, the last first, as many as may be unavailable."""
        strategy = owner["spec"].get("updateStrategy") or {}
        if strategy.get("type") == "OnDelete":
            return
        rolling = strategy.get("rollingUpdate") or {}
        limit = scaled(rolling.get("maxUnavailable", 1), len(wanted), round_up=False)
        budget = max(1, limit)
        budget -= sum(self._is_unavailable(owner, pods.get(ordinal)) for ordinal in wanted)
        for ordinal in reversed(wanted):
            if budget <= 0 or ordinal < wanted.start + int(rolling.get("partition") or 0):
                return
            pod = pods.get(ordinal)
            if pod is None or is_deleting(pod) or revision_of(pod) == name_of(update):
                continue
            await self._delete(owner, pods, ordinal)
            budget -= 1

    def _is_unavailable(self, owner: Object, pod: Object | None) -> bool:
        if pod is None or is_deleting(pod) or _phase(pod) != "Running":
            return True
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        return seconds_until_available(pod, min_ready_s, self._now()) != 0

    # Pods

    async def _create(
        self, owner: Object, revision: Object, pods: dict[int, Object], ordinal: int
    ) -> None:
        await self._create_claims(owner, ordinal)
        pod = new_pod(with_template(owner, revision), ordinal, name_of(revision))
        name = name_of(pod)
        try:
            made = await self._client.create(PODS, pod)
        except ApiError as e:
            text = f"Create Pod {name} in StatefulSet {name_of(owner)} failed error: {e.message}"
            await self._recorder.warning(owner, "FailedCreate", text)
            raise
        pods[ordinal] = self._pods.wrote(made)
        text = f"Create Pod {name} in StatefulSet {name_of(owner)} successful"
        await self._recorder.normal(owner, "SuccessfulCreate", text)

    async def _create_claims(self, owner: Object, ordinal: int) -> None:
        for wanted in claims_of(owner, ordinal):
            key = key_of(wanted)
            try:
                await self._client.get(CLAIMS, key.name, key.namespace)
                continue
            except ApiError as e:
                if e.code != 404:
                    raise
            await self._client.create(CLAIMS, wanted)
            pod = f"{name_of(owner)}-{ordinal}"
            text = f"Create Claim {key.name} Pod {pod} in StatefulSet {name_of(owner)} success"
            await self._recorder.normal(owner, "SuccessfulCreate", text)

    async def _delete(self, owner: Object, pods: dict[int, Object], ordinal: int) -> None:
        pod = pods.pop(ordinal)
        marked = await delete_pod(self._client, self._pods, pod)
        if marked is not None:
            pods[ordinal] = marked
        text = f"Delete Pod {name_of(pod)} in StatefulSet {name_of(owner)} successful"
        await self._recorder.normal(owner, "SuccessfulDelete", text)

    # Status

    async def _write_status(
        self, owner: Object, current: Object, update: Object, pods: list[Object]
    ) -> float | None:
        now = self._now()
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        status, waits = _status(owner, current, update, pods, min_ready_s, now)
        await write_status(self._client, STATEFUL_SETS, self._sets, owner, status)
        return min(waits) if waits else None


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _keeps_old(owner: Object, ordinal: int) -> bool:
    """Whether a pod that is made anew gets the current revision, not the update."""
    strategy = owner["spec"].get("updateStrategy") or {}
    start = ordinals(owner).start
    rolling = strategy.get("rollingUpdate")
    if isinstance(rolling, dict):
        return ordinal < start + int(rolling.get("partition") or 0)
    replicas = int((owner.get("status") or {}).get("currentReplicas") or 0)
    return strategy.get("type") == "RollingUpdate" and ordinal < start + replicas


def _status(
    owner: Object,
    current: Object,
    update: Object,
    pods: list[Object],
    min_ready_s: int,
    now: datetime,
) -> tuple[dict[str, Any], list[float]]:
    """The status, and the seconds until pods become available by waiting."""
    live = [pod for pod in pods if not is_deleting(pod)]
    ready = [pod for pod in pods if _phase(pod) == "Running" and is_ready(pod)]
    waits = [seconds_until_available(pod, min_ready_s, now) for pod in ready]
    counts = {
        "availableReplicas": sum(wait == 0 for wait in waits),
        "currentReplicas": sum(revision_of(pod) == name_of(current) for pod in live),
        "readyReplicas": len(ready),
        "replicas": len(pods),
        "updatedReplicas": sum(revision_of(pod) == name_of(update) for pod in live),
    }
    revision = name_of(current)
    wanted = int(owner["spec"].get("replicas", 1))
    strategy = (owner["spec"].get("updateStrategy") or {}).get("type")
    complete = all(counts[f] == wanted for f in ("updatedReplicas", "readyReplicas", "replicas"))
    if strategy == "RollingUpdate" and complete:
        revision, counts["currentReplicas"] = name_of(update), counts["updatedReplicas"]
    status: dict[str, Any] = {
        "observedGeneration": metadata_of(owner).get("generation", 1),
        "currentRevision": revision,
        "updateRevision": name_of(update),
        "collisionCount": (owner.get("status") or {}).get("collisionCount", 0),
    }
    kept = ("replicas", "availableReplicas")
    status |= {field: n for field, n in counts.items() if n or field in kept}
    return status, [wait for wait in waits if wait]
