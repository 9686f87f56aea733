"""DaemonSets: a pod on every node that takes it.

Source: pkg/controller/daemon/{daemon_controller,update}.go and pkg/controller/daemon/util.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    annotations_of,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    name_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.admission import TEMPLATE_GENERATION
from kapp.minicluster.controllers.claims import claim
from kapp.minicluster.controllers.history import REVISION_LABEL, History, hash_of
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import (
    PODS_PHASE_ENDED,
    is_ready,
    seconds_until_available,
)
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.replicaset import pod_from
from kapp.minicluster.controllers.scheduler import misfit
from kapp.minicluster.controllers.writes import delete_pod, write_status
from kapp.minicluster.quantities import scaled
from kapp.minicluster.resources import DAEMON_SETS, PODS
from kapp.runtime.client import Client
from kapp.runtime.reflector import Reflector

_GENERATION_LABEL = "pod-template-generation"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


class _OnNode(NamedTuple):
    """A set's pods on one node, those that run or may yet."""

    node: str
    wanted: bool
    new: list[Object]
    old: list[Object]


class DaemonSetReconciler:
    """Looks after one DaemonSet.

    Args:
        client: the cluster.
        sets: mirror of DaemonSets.
        pods: mirror of Pods, indexed by their controller's uid.
        nodes: the nodes.
        history: the sets' revisions.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        sets: Mirror,
        pods: Mirror,
        nodes: Reflector,
        history: History,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._sets = sets
        self._pods = pods
        self._nodes = nodes
        self._history = history
        self._now = now
        self._recorder = Recorder(client, "daemonset-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass; wants to be called again when a pod becomes available by waiting."""
        owner = self._sets.get(key)
        if owner is None:
            return None
        pods = await claim(self._client, PODS, self._pods, owner)
        revision = await self._history.newest(owner)
        if not is_deleting(owner):
            pods = await self._manage(owner, revision, pods)
        again_s = await self._write_status(owner, revision, pods)
        hashes = {labels_of(pod).get(REVISION_LABEL, "") for pod in pods}
        live = {name_of(r) for r in self._history.of(owner) if hash_of(r) in hashes}
        await self._history.clean(owner, live | {name_of(revision)})
        return again_s

    def _by_node(self, owner: Object, revision: Object, pods: list[Object]) -> list[_OnNode]:
        found = []
        for node in sorted(self._nodes.list(), key=name_of):
            here = [pod for pod in pods if node_of(pod) == name_of(node)]
            new = [pod for pod in here if _is_new(pod, revision)]
            old = [pod for pod in here if not _is_new(pod, revision)]
            probe = {"spec": pod_for(owner, name_of(node), "", "")["spec"]}
            # What a node lacks keeps a pod waiting; what it refuses keeps it away.
            wanted = not misfit(probe, node, []).startswith("node(s)")
            found.append(_OnNode(name_of(node), wanted, new, old))
        return found

    async def _manage(self, owner: Object, revision: Object, pods: list[Object]) -> list[Object]:
        """Make missing pods, delete ended and superfluous ones, and replace old ones."""
        alive = []
        for pod in pods:
            if (pod.get("status") or {}).get("phase") in PODS_PHASE_ENDED:
                if not is_deleting(pod):
                    await self._delete(owner, pod)
            else:
                alive.append(pod)
        spots = self._by_node(owner, revision, alive)
        strategy = owner["spec"].get("updateStrategy") or {}
        rolling = strategy.get("rollingUpdate") or {}
        wanted = sum(spot.wanted for spot in spots)
        surge = scaled(rolling.get("maxSurge", 0), wanted, round_up=True)
        budget = scaled(rolling.get("maxUnavailable", 1), wanted, round_up=True)
        budget -= sum(spot.wanted and not self._serves(owner, spot) for spot in spots)
        for spot in spots:
            present = [pod for pod in (*spot.new, *spot.old) if not is_deleting(pod)]
            if not spot.wanted:
                for pod in present:
                    await self._delete(owner, pod)
            elif not spot.new and not spot.old:
                alive.append(await self._create(owner, revision, spot.node))
            elif strategy.get("type") != "OnDelete" and spot.old:
                alive += await self._replace(owner, revision, spot, surge, budget)
        return [self._pods.get(key_of(pod)) or pod for pod in alive]

    def _serves(self, owner: Object, spot: _OnNode) -> bool:
        return any(self._is_available(owner, pod) for pod in (*spot.new, *spot.old))

    def _is_available(self, owner: Object, pod: Object) -> bool:
        min_ready_s = int(owner["spec"].get("minReadySeconds") or 0)
        left_s = seconds_until_available(pod, min_ready_s, self._now())
        return left_s == 0 and not is_deleting(pod)

    async def _replace(
        self, owner: Object, revision: Object, spot: _OnNode, surge: int, budget: int
    ) -> list[Object]:
        """Bring one node's pod up to date; returns a pod that was made."""
        old = [pod for pod in spot.old if not is_deleting(pod)]
        if surge > 0:
            if not spot.new:
                return [await self._create(owner, revision, spot.node)]
            if any(self._is_available(owner, pod) for pod in spot.new):
                for pod in old:
                    await self._delete(owner, pod)
            return []
        for pod in old:
            if budget > 0 or not self._is_available(owner, pod):
                await self._delete(owner, pod)
        return []

    async def _create(self, owner: Object, revision: Object, node: str) -> Object:
        generation = annotations_of(owner).get(TEMPLATE_GENERATION, "1")
        pod = pod_for(owner, node, hash_of(revision), generation)
        try:
            made = await self._client.create(PODS, pod)
        except ApiError as e:
            await self._recorder.warning(owner, "FailedCreate", f"Error creating: {e.message}")
            raise
        await self._recorder.normal(owner, "SuccessfulCreate", f"Created pod: {name_of(made)}")
        return self._pods.wrote(made)

    async def _delete(self, owner: Object, pod: Object) -> None:
        await delete_pod(self._client, self._pods, pod)
        await self._recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")

    async def _write_status(
        self, owner: Object, revision: Object, pods: list[Object]
    ) -> float | None:
        alive = [p for p in pods if (p.get("status") or {}).get("phase") not in PODS_PHASE_ENDED]
        spots = self._by_node(owner, revision, alive)
        waits: list[float] = []
        counts = dict.fromkeys(_COUNTS, 0)
        for spot in spots:
            present = [*spot.new, *spot.old]
            counts["desiredNumberScheduled"] += spot.wanted
            if not present:
                continue
            counts["currentNumberScheduled" if spot.wanted else "numberMisscheduled"] += 1
            if not spot.wanted:
                continue
            first = present[0]
            left_s = seconds_until_available(
                first, int(owner["spec"].get("minReadySeconds") or 0), self._now()
            )
            if left_s:
                waits.append(left_s)
            counts["numberReady"] += is_ready(first)
            counts["numberAvailable"] += left_s == 0
            counts["updatedNumberScheduled"] += bool(spot.new)
        counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
        status: dict[str, Any] = {"observedGeneration": metadata_of(owner).get("generation", 1)}
        status |= {field: n for field, n in counts.items() if n or field in _ALWAYS}
        await write_status(self._client, DAEMON_SETS, self._sets, owner, status)
        return min(waits) if waits else None


_ALWAYS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
)
_COUNTS = (*_ALWAYS, "updatedNumberScheduled", "numberAvailable", "numberUnavailable")


def _is_new(pod: Object, revision: Object) -> bool:
    return labels_of(pod).get(REVISION_LABEL) == hash_of(revision)


def node_of(pod: Object) -> str:
    """The node that a pod is on, or was made for."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def pod_for(owner: Object, node: str, value: str, generation: str) -> Object:
    """The pod for a node. Source: CreatePodTemplate, ReplaceDaemonSetPodNodeNameNodeAffinity."""
    pod = pod_from(owner)
    labels = pod["metadata"].get("labels") or {}
    pod["metadata"]["labels"] = {
        **labels,
        REVISION_LABEL: value,
        _GENERATION_LABEL: generation,
    }
    spec: dict[str, Any] = pod["spec"]
    tolerations = list(spec.get("tolerations") or ())
    for key, effect in _tolerated(spec):
        wanted = {"key": key, "operator": "Exists", "effect": effect}
        if wanted not in tolerations:
            tolerations.append(wanted)
    spec["tolerations"] = tolerations
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = (node_affinity.get(key) or {}).get("nodeSelectorTerms") or [{}]
    node_affinity[key] = {"nodeSelectorTerms": [{**term, "matchFields": [field]} for term in terms]}
    spec["affinity"] = {**affinity, "nodeAffinity": node_affinity}
    return pod


def _tolerated(spec: dict[str, Any]) -> Iterable[tuple[str, str]]:
    yield from _TOLERATED
    if spec.get("hostNetwork"):
        yield ("node.kubernetes.io/network-unavailable", "NoSchedule")
