"""Defaults of Deployments and ReplicaSets. Source: pkg/apis/apps/v1/defaults.go."""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object
from kapp.minicluster.defaults.pods import pod_spec

REVISION_HISTORY_LIMIT = 10
PROGRESS_DEADLINE_S = 600


def deployment(obj: Object) -> None:
    """Fill in a Deployment."""
    spec = _workload_spec(obj)
    strategy = spec.get("strategy")
    if not isinstance(strategy, dict):
        strategy = spec["strategy"] = {}
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate")
        if not isinstance(rolling, dict):
            rolling = strategy["rollingUpdate"] = {}
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", REVISION_HISTORY_LIMIT)
    spec.setdefault("progressDeadlineSeconds", PROGRESS_DEADLINE_S)


def replica_set(obj: Object) -> None:
    """Fill in a ReplicaSet; one without labels takes its template's."""
    spec = _workload_spec(obj)
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def _workload_spec(obj: Object) -> dict[str, Any]:
    spec: Any = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return {}
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.setdefault("spec", {}), dict):
        pod_spec(template["spec"])
    return spec
