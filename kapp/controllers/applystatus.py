"""The conditions and counts of a KubernetesApply's status. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kapp.api.v1alpha1.kubernetesapply import (
    APPLIED,
    READY,
    REASON_APPLIED,
    REASON_ERROR,
    DriftedField,
    DriftedObject,
    KubernetesApply,
    PodCounts,
)
from kapp.api.v1alpha1.kubernetesdiscovery import Pod
from kapp.cluster.drift import Drift
from kapp.controllers.conditions import set_condition
from kapp.machinery.objects import key_of

SUCCEEDED = "Succeeded"
REASON_DRIFTED = "Drifted"
"""Of Ready and UpToDate: somebody else changed or deleted what was applied."""


def set_applied(apply: KubernetesApply, reason: str, message: str, now: datetime) -> None:
    """Set the Applied condition; its status is True for the reason Applied only."""
    status = "True" if reason == REASON_APPLIED else "False"
    apply.status.conditions = set_condition(
        apply.status.conditions, APPLIED, status, reason, message, now
    )


def is_applied(apply: KubernetesApply) -> bool:
    """Whether the newest input is applied."""
    return any(one.type == APPLIED and one.status == "True" for one in apply.status.conditions)


def is_failed(apply: KubernetesApply) -> bool:
    """Whether the newest input was refused."""
    return any(
        one.type == APPLIED and one.reason == REASON_ERROR for one in apply.status.conditions
    )


def set_ready(
    apply: KubernetesApply,
    problem: tuple[bool, str, str] | None,
    now: datetime,
    *,
    unknown: tuple[str, str] | None = None,
) -> None:
    """Set the Ready condition and runtimeStatus; to be called after `set_drift`.

    Ready is True if the newest input is applied, nobody changed it since, and there is no `problem`
    (failed, reason, message). `unknown` (reason, message) says why the cluster cannot be looked at.
    """
    status, reason, message = "True", "Ready", ""
    if not is_applied(apply):
        status, reason, message = "False", "NotApplied", "the newest input is not applied"
    elif unknown is not None:
        status, reason, message = "Unknown", *unknown
    elif problem is not None:
        status, reason, message = "False", problem[1], problem[2]
    elif apply.status.drift:
        status, reason, message = "False", REASON_DRIFTED, drift_text(apply)
    apply.status.conditions = set_condition(
        apply.status.conditions, READY, status, reason, message, now
    )
    if not apply.status.objects:
        apply.status.runtime_status = "pending"
    elif unknown is not None:
        apply.status.runtime_status = "unknown"
    elif problem is not None:
        apply.status.runtime_status = "error" if problem[0] else "pending"
    else:
        apply.status.runtime_status = "ok"


def set_drift(apply: KubernetesApply, found: Iterable[Drift]) -> None:
    """Write down what others did to the applied objects, while the newest input is applied."""
    apply.status.drift = [_drifted(one) for one in found] if is_applied(apply) else []


def drift_text(apply: KubernetesApply) -> str:
    """One line on what drifted and what to do; "" if nothing did."""
    drift = apply.status.drift
    if not drift:
        return ""
    more = f" (and {len(drift) - 1} more)" if len(drift) > 1 else ""
    return f"{_one_text(drift[0])}{more}; `kapp trigger {apply.name}` restores it"


def _one_text(one: DriftedObject) -> str:
    place = f"{one.namespace}/" if one.namespace else ""
    name = f"{one.kind}/{place}{one.name}"
    if one.deleted:
        return f"{name} was deleted"
    first = one.fields[0]
    more = f" and {len(one.fields) - 1} more" if len(one.fields) > 1 else ""
    by = f" by {first.manager}" if first.manager else ""
    return f"{name} {first.path}{more} was changed{by}: {first.wanted} → {first.live}"


def _drifted(one: Drift) -> DriftedObject:
    namespace, name = key_of(one.returned)
    return DriftedObject(
        kind=str(one.returned.get("kind")),
        namespace=namespace,
        name=name,
        deleted=one.changes is None,
        fields=[DriftedField(**change._asdict()) for change in one.changes or ()],
    )


def current_pods(pods: Iterable[Pod]) -> list[Pod]:
    """Pods of the newest apply that are not being deleted."""
    return [pod for pod in pods if pod.current and not pod.deleting]


def count_pods(pods: Iterable[Pod]) -> PodCounts:
    """How many of the newest apply's pods there are, and how many serve or have done their work."""
    current = current_pods(pods)
    ready = sum(pod.ready or pod.phase == SUCCEEDED for pod in current)
    return PodCounts(ready=ready, total=len(current))
