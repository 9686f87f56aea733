"""Defaults of Jobs and CronJobs.

Source: pkg/apis/batch/v1/defaults.go and, for the selector, pkg/registry/batch/job/strategy.go.
"""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object, metadata_of, name_of, uid_of
from kapp.minicluster.defaults.pods import pod_spec

BACKOFF_LIMIT = 6
_UNLIMITED = 2**31 - 1
NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def job(obj: Object) -> None:
    """Fill in a Job; a new one gets its selector as soon as it has a uid."""
    spec = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return
    _job_spec(spec)
    template = spec.get("template")
    labels = (template.get("metadata") or {}).get("labels") if isinstance(template, dict) else None
    if labels and not metadata_of(obj).get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault(
        "podReplacementPolicy",
        "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    )
    spec.setdefault("manualSelector", False)
    is_new = uid_of(obj) and not metadata_of(obj).get("resourceVersion")
    if is_new and not spec["manualSelector"] and isinstance(template, dict):
        _select(obj, spec, template)


def _job_spec(spec: dict[str, Any]) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        per_index = spec.get("backoffLimitPerIndex") is not None
        spec["backoffLimit"] = _UNLIMITED if per_index else BACKOFF_LIMIT
    template = spec.get("template")
    if isinstance(template, dict) and isinstance(template.setdefault("spec", {}), dict):
        pod_spec(template["spec"])


def _select(obj: Object, spec: dict[str, Any], template: dict[str, Any]) -> None:
    """The labels by which a Job knows its pods."""
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    for label in NAME_LABELS:
        labels.setdefault(label, name_of(obj))
    for label in UID_LABELS:
        labels.setdefault(label, uid_of(obj))
    if not isinstance(spec.get("selector"), dict):
        spec["selector"] = {}
    spec["selector"].setdefault("matchLabels", {}).setdefault(UID_LABELS[1], uid_of(obj))


def cron_job(obj: Object) -> None:
    """Fill in a CronJob."""
    spec = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    template = (spec.get("jobTemplate") or {}).get("spec")
    if isinstance(template, dict) and isinstance(template.get("template"), dict):
        inner = template["template"]
        if isinstance(inner.setdefault("spec", {}), dict):
            pod_spec(inner["spec"])
