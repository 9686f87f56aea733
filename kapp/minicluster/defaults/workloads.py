"""Defaults of the workloads of `apps`. Source: pkg/apis/apps/v1/defaults.go."""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object
from kapp.minicluster.defaults.pods import pod_spec

REVISION_HISTORY_LIMIT = 10
PROGRESS_DEADLINE_S = 600


def deployment(obj: Object) -> None:
    """Fill in a Deployment."""
    spec = _workload_spec(obj)
    _rolling_update(spec, "strategy", unavailable="25%", surge="25%")
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    spec.setdefault("progressDeadlineSeconds", PROGRESS_DEADLINE_S)


def replica_set(obj: Object) -> None:
    """Fill in a ReplicaSet; one without labels takes its template's."""
    spec = _workload_spec(obj)
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def stateful_set(obj: Object) -> None:
    """Fill in a StatefulSet."""
    spec = _workload_spec(obj)
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    strategy = _mapping(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and isinstance(strategy.get("rollingUpdate"), dict):
        strategy["rollingUpdate"].setdefault("partition", 0)
    retention = _mapping(spec, "persistentVolumeClaimRetentionPolicy")
    retention.setdefault("whenDeleted", "Retain")
    retention.setdefault("whenScaled", "Retain")
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        if isinstance(claim.setdefault("spec", {}), dict):
            claim["spec"].setdefault("volumeMode", "Filesystem")
        claim.setdefault("status", {"phase": "Pending"})


def daemon_set(obj: Object) -> None:
    """Fill in a DaemonSet."""
    spec = _templated_spec(obj)
    _rolling_update(spec, "updateStrategy", unavailable=1, surge=0)
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)


def _workload_spec(obj: Object) -> dict[str, Any]:
    spec = _templated_spec(obj)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    return spec


def _templated_spec(obj: Object) -> dict[str, Any]:
    """The spec, with its pods' filled in; an empty one where it is none."""
    spec: Any = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return {}
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.setdefault("spec", {}), dict):
        pod_spec(template["spec"])
    return spec


def _rolling_update(
    spec: dict[str, Any], name: str, *, unavailable: int | str, surge: int | str
) -> None:
    strategy = _mapping(spec, name)
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = _mapping(strategy, "rollingUpdate")
        rolling.setdefault("maxUnavailable", unavailable)
        rolling.setdefault("maxSurge", surge)


def _mapping(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """What stands under a name, put there anew unless it is a mapping."""
    if not isinstance(parent.get(name), dict):
        parent[name] = {}
    found: dict[str, Any] = parent[name]
    return found
