"""The status of a Deployment: counts, and the conditions Available, Progressing, ReplicaFailure.

Source: pkg/controller/deployment/progress.go, sync.go (calculateStatus) and
util/deployment_util.go. Pure. `kubectl rollout status` and kapp's readiness read this.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from kapp.machinery.objects import (
    Object,
    find_condition,
    format_time,
    metadata_of,
    name_of,
    parse_time,
)
from kapp.minicluster.controllers.deployment.rollout import fenceposts, wanted

NO_DEADLINE_S = 2**31 - 1
"""`progressDeadlineSeconds` of this value means none."""

CREATED = "NewReplicaSetCreated"
FOUND = "FoundNewReplicaSet"
COMPLETE = "NewReplicaSetAvailable"
UPDATED = "ReplicaSetUpdated"
TIMED_OUT = "ProgressDeadlineExceeded"
FAILED_CREATE = "ReplicaSetCreateError"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

_COUNTS = (
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
)


def condition_of(obj: Object, kind: str) -> dict[str, Any] | None:
    """One condition of the object, or None."""
    found = find_condition((obj.get("status") or {}).get("conditions"), kind)
    return dict(found) if found is not None else None


def with_condition(
    conditions: list[dict[str, Any]],
    kind: str,
    status: str,
    reason: str,
    message: str,
    now: datetime,
) -> list[dict[str, Any]]:
    """`conditions` with one set. Source: SetDeploymentCondition.

    One with the same status and reason stays as it is, times included.
    """
    old = next((c for c in conditions if c.get("type") == kind), None)
    if old is not None and old.get("status") == status and old.get("reason") == reason:
        return conditions
    stamp = format_time(now)
    same_status = old is not None and old.get("status") == status
    new = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": stamp,
        "lastTransitionTime": old["lastTransitionTime"] if old and same_status else stamp,
    }
    return [*(c for c in conditions if c.get("type") != kind), new]


def has_deadline(deployment: Object) -> bool:
    """Whether a rollout must progress within a time."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE_S


def counts(
    deployment: Object, sets: list[Object], new: Object | None, now: datetime
) -> dict[str, Any]:
    """The status but for Progressing and ReplicaFailure, which stay as they were.

    Available is judged by what the manifest allows, whether or not pods may surge here.
    """

    def added(field: str) -> int:
        return sum(int((s.get("status") or {}).get(field) or 0) for s in sets)

    old = deployment.get("status") or {}
    available, replicas = added("availableReplicas"), added("replicas")
    wanted_total = sum(int(s["spec"].get("replicas", 1)) for s in sets)
    numbers = {
        "replicas": replicas,
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas") or 0),
        "readyReplicas": added("readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, wanted_total - available),
    }
    status: dict[str, Any] = {field: numbers[field] for field in _COUNTS if numbers[field]}
    status["terminatingReplicas"] = added("terminatingReplicas")
    status["observedGeneration"] = metadata_of(deployment).get("generation", 1)
    if old.get("collisionCount"):
        status["collisionCount"] = old["collisionCount"]
    least = wanted(deployment) - fenceposts(deployment, may_surge=True).unavailable
    ok = available >= least
    status["conditions"] = with_condition(
        [dict(c) for c in old.get("conditions") or ()],
        "Available",
        "True" if ok else "False",
        "MinimumReplicasAvailable" if ok else "MinimumReplicasUnavailable",
        "Deployment has minimum availability."
        if ok
        else "Deployment does not have minimum availability.",
        now,
    )
    return status


def is_complete(deployment: Object, status: dict[str, Any]) -> bool:
    """Whether all wanted pods are new and available, and no old one is left."""
    return bool(
        status.get("updatedReplicas", 0) == wanted(deployment)
        and status.get("replicas", 0) == wanted(deployment)
        and status.get("availableReplicas", 0) == wanted(deployment)
        and status.get("observedGeneration", 0) >= metadata_of(deployment).get("generation", 1)
    )


def _has_progressed(deployment: Object, status: dict[str, Any]) -> bool:
    old = deployment.get("status") or {}

    def grew(field: str) -> bool:
        return bool(status.get(field, 0) > old.get(field, 0))

    def outdated(s: dict[str, Any]) -> int:
        return int(s.get("replicas", 0)) - int(s.get("updatedReplicas", 0))

    return (
        grew("updatedReplicas")
        or outdated(status) < outdated(old)
        or grew("readyReplicas")
        or grew("availableReplicas")
    )


def deadline_left_s(deployment: Object, condition: dict[str, Any], now: datetime) -> float:
    """Seconds until the rollout that `condition` (Progressing) tells of has taken too long."""
    since = condition.get("lastUpdateTime") or condition.get("lastTransitionTime")
    if not since:
        return 0.0
    limit = timedelta(seconds=int(deployment["spec"]["progressDeadlineSeconds"]))
    return (parse_time(since) + limit - now).total_seconds()


def _timed_out(deployment: Object, condition: dict[str, Any] | None, now: datetime) -> bool:
    if condition is None or condition.get("reason") == COMPLETE:
        return False
    if condition.get("reason") == TIMED_OUT:
        return True
    return deadline_left_s(deployment, condition, now) < 0


def with_progress(
    deployment: Object,
    status: dict[str, Any],
    sets: list[Object],
    new: Object | None,
    now: datetime,
) -> dict[str, Any]:
    """`status` with Progressing and ReplicaFailure as they are now. Source: syncRolloutStatus."""
    conditions = status["conditions"]
    current = next((c for c in conditions if c.get("type") == "Progressing"), None)
    subject = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
    settled = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current.get("reason") == COMPLETE
    )
    if not has_deadline(deployment):
        conditions = [c for c in conditions if c.get("type") != "Progressing"]
    elif not settled:
        if is_complete(deployment, status):
            message = f"{subject} has successfully progressed."
            conditions = with_condition(conditions, "Progressing", "True", COMPLETE, message, now)
        elif _has_progressed(deployment, status):
            conditions = _progressing(conditions, current, f"{subject} is progressing.", now)
        elif _timed_out(deployment, current, now):
            message = f"{subject} has timed out progressing."
            conditions = with_condition(conditions, "Progressing", "False", TIMED_OUT, message, now)
    return {**status, "conditions": _with_failure(conditions, sets, new)}


def _progressing(
    conditions: list[dict[str, Any]], current: dict[str, Any] | None, message: str, now: datetime
) -> list[dict[str, Any]]:
    """Progress moves lastUpdateTime even where status and reason stay: the deadline starts anew."""
    rest = [c for c in conditions if c.get("type") != "Progressing"]
    updated = with_condition(rest, "Progressing", "True", UPDATED, message, now)
    if current is not None and current.get("status") == "True":
        updated[-1]["lastTransitionTime"] = current.get("lastTransitionTime")
    return updated


def _with_failure(
    conditions: list[dict[str, Any]], sets: list[Object], new: Object | None
) -> list[dict[str, Any]]:
    rest = [c for c in conditions if c.get("type") != "ReplicaFailure"]
    ordered = ([new] if new is not None else []) + [s for s in sets if s is not new]
    for replica_set in ordered:
        failure = condition_of(replica_set, "ReplicaFailure")
        if failure is not None:
            failure.setdefault("lastUpdateTime", failure.get("lastTransitionTime"))
            return [*rest, failure]
    return rest
