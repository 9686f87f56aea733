"""How many pods a rollout puts where. Pure.

Source: pkg/controller/deployment/rolling.go, sync.go and util/deployment_util.go. `sets` are
ReplicaSets as plain objects; a plan is a list of (set, new size) in the order to apply it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from kapp.machinery.objects import Object, annotations_of, metadata_of, name_of
from kapp.minicluster.quantities import scaled

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"

Plan = list[tuple[Object, int]]


class Fenceposts(NamedTuple):
    """How many pods more than wanted, and how many fewer, a rollout may have."""

    surge: int
    unavailable: int


def size(replica_set: Object) -> int:
    """The pods it is to have."""
    return int(replica_set["spec"].get("replicas", 1))


def available(replica_set: Object) -> int:
    """The pods that are available."""
    return int((replica_set.get("status") or {}).get("availableReplicas") or 0)


def terminating(sets: Iterable[Object]) -> int:
    """The pods that are on their way out but not gone."""
    return sum(int((s.get("status") or {}).get("terminatingReplicas") or 0) for s in sets)


def total(sets: Iterable[Object]) -> int:
    """The pods that all are to have."""
    return sum(size(s) for s in sets)


def wanted(deployment: Object) -> int:
    """The pods that the Deployment is to have."""
    return int(deployment["spec"].get("replicas", 1))


def is_rolling(deployment: Object) -> bool:
    """Whether its strategy is RollingUpdate."""
    return bool((deployment["spec"].get("strategy") or {}).get("type") == "RollingUpdate")


def fenceposts(deployment: Object, *, may_surge: bool) -> Fenceposts:
    """MaxSurge and maxUnavailable in pods. Source: ResolveFenceposts.

    Without network namespaces two pods cannot listen on one port, so a rollout `may_surge` no
    further than the wanted number: old pods make room first. This is the one place that says so.
    """
    if not is_rolling(deployment) or wanted(deployment) == 0:
        return Fenceposts(0, 0)
    rolling: dict[str, Any] = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", 0), wanted(deployment), round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 0), wanted(deployment), round_up=False)
    if not may_surge:
        surge = 0
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Fenceposts(surge, min(unavailable, wanted(deployment)))


def new_set_size(deployment: Object, sets: list[Object], new_size: int, *, may_surge: bool) -> int:
    """The size that the new ReplicaSet may have now. Source: NewRSNewReplicas.

    Where pods may not surge, those that are still terminating count too: they hold their ports.
    """
    if not is_rolling(deployment):
        return wanted(deployment)
    present = total(sets) + (0 if may_surge else terminating(sets))
    limit = wanted(deployment) + fenceposts(deployment, may_surge=may_surge).surge
    if present >= limit:
        return new_size
    return new_size + max(0, min(limit - present, wanted(deployment) - new_size))


def scale_down(deployment: Object, old: list[Object], new: Object, *, may_surge: bool) -> Plan:
    """What the old ReplicaSets may give up now. Source: reconcileOldReplicaSets.

    First the pods that are not available, then as many as availability allows, oldest sets first.
    """
    old = sorted((s for s in old if size(s) > 0), key=_age)
    if not old:
        return []
    least = wanted(deployment) - fenceposts(deployment, may_surge=may_surge).unavailable
    new_unavailable = size(new) - available(new)
    budget = total(old) + size(new) - least - new_unavailable
    if budget <= 0:
        return []
    sizes = {name_of(s): size(s) for s in old}
    cleaned = 0
    for replica_set in old:
        unhealthy = min(budget - cleaned, size(replica_set) - available(replica_set))
        if unhealthy > 0:
            sizes[name_of(replica_set)] -= unhealthy
            cleaned += unhealthy
    spare = sum(available(s) for s in old) + available(new) - least
    for replica_set in old:
        down = min(sizes[name_of(replica_set)], spare)
        if down > 0:
            sizes[name_of(replica_set)] -= down
            spare -= down
    return [(s, sizes[name_of(s)]) for s in old if sizes[name_of(s)] != size(s)]


def active_or_latest(new: Object | None, old: list[Object]) -> Object | None:
    """The only ReplicaSet with pods, or the latest if none has; None if several have."""
    active = [s for s in [*old, *([new] if new else [])] if size(s) > 0]
    if len(active) == 1:
        return active[0]
    if not active:
        return new if new is not None else max(old, key=_age, default=None)
    return None


def is_saturated(deployment: Object, new: Object | None) -> bool:
    """Whether the new ReplicaSet has all pods, available, that are wanted. Source: IsSaturated."""
    if new is None:
        return False
    return (
        size(new) == wanted(deployment)
        and annotations_of(new).get(DESIRED) == str(wanted(deployment))
        and available(new) == wanted(deployment)
    )


def proportional(deployment: Object, sets: list[Object], *, may_surge: bool) -> Plan:
    """Sizes of ReplicaSets when the Deployment is scaled during a rollout. Source: scale()."""
    active = [s for s in sets if size(s) > 0]
    surge = fenceposts(deployment, may_surge=may_surge).surge
    allowed = wanted(deployment) + surge if wanted(deployment) > 0 else 0
    to_add = allowed - total(active)
    # The larger first; of equals the newer when growing and the older when shrinking.
    active.sort(key=_age, reverse=to_add > 0)
    active.sort(key=size, reverse=True)
    added = 0
    sizes: list[int] = []
    for replica_set in active:
        share = _share(deployment, replica_set, to_add, added, surge) if to_add else 0
        sizes.append(size(replica_set) + share)
        added += share
    if sizes and to_add:
        sizes[0] = max(0, sizes[0] + to_add - added)
    return list(zip(active, sizes, strict=True))


def _share(deployment: Object, replica_set: Object, to_add: int, added: int, surge: int) -> int:
    if to_add == added or size(replica_set) == 0:
        return 0
    if wanted(deployment) == 0:
        fraction = -size(replica_set)
    else:
        before = int(
            annotations_of(replica_set).get(MAX)
            or (deployment.get("status") or {}).get("replicas")
            or size(replica_set)
        )
        grown = size(replica_set) * (wanted(deployment) + surge) / max(before, 1)
        # Half away from zero, as Go's math.Round; sizes are never negative.
        fraction = int(grown + 0.5) - size(replica_set)
    left = to_add - added
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _age(replica_set: Object) -> tuple[str, str]:
    return str(metadata_of(replica_set).get("creationTimestamp") or ""), name_of(replica_set)
