"""Validation of the workloads of `apps`. Source: pkg/apis/apps/validation/validation.go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapp.machinery.objects import Object, name_of
from kapp.machinery.selectors import from_label_selector
from kapp.machinery.status import Cause
from kapp.minicluster.quantities import parse_percent
from kapp.minicluster.validation.fields import Errors
from kapp.minicluster.validation.pods import pod_spec

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_STRATEGIES = ("Recreate", "RollingUpdate")
_NUMBERS = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
MISMATCH = "`selector` does not match template `labels`"


def deployment(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a Deployment."""
    errors = Errors()
    spec = new.get("spec") or {}
    _workload(errors, spec, old)
    strategy = spec.get("strategy") or {}
    errors.choice("spec.strategy.type", strategy.get("type"), _STRATEGIES)
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate") is not None:
        errors.forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        )
    elif isinstance(rolling := strategy.get("rollingUpdate"), dict):
        _rolling_update(errors, "spec.strategy.rollingUpdate", rolling)
    deadline, ready_s = spec.get("progressDeadlineSeconds"), spec.get("minReadySeconds") or 0
    if isinstance(deadline, int) and deadline <= ready_s:
        errors.invalid(
            "spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"
        )
    return errors.causes


def replica_set(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a ReplicaSet."""
    errors = Errors()
    _workload(errors, new.get("spec") or {}, old)
    return errors.causes


_KINDS = {"deployment": "ReplicaSet", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
_STATEFUL_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
STATEFUL_UPDATE_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


def stateful_set(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a StatefulSet."""
    errors = Errors()
    spec = new.get("spec") or {}
    policy = spec.get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        errors.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in ("OnDelete", "RollingUpdate"):
        errors.invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif strategy["type"] == "OnDelete" and strategy.get("rollingUpdate") is not None:
        errors.invalid(
            "spec.updateStrategy.rollingUpdate",
            strategy["rollingUpdate"],
            "only allowed for updateStrategy 'RollingUpdate'",
        )
    rolling = strategy.get("rollingUpdate") or {}
    errors.not_negative("spec.updateStrategy.rollingUpdate.partition", rolling.get("partition"))
    if _is_zero(rolling.get("maxUnavailable")):
        path = "spec.updateStrategy.rollingUpdate.maxUnavailable"
        errors.invalid(path, rolling["maxUnavailable"], "cannot be 0")
    claims = [name_of(claim) for claim in spec.get("volumeClaimTemplates") or ()]
    _workload(errors, spec, None, "statefulset", claims)
    if old is not None:
        before = old.get("spec") or {}
        fields = (spec.keys() | before.keys()) - set(_STATEFUL_MUTABLE)
        if any(_claims_alike(f, spec.get(f)) != _claims_alike(f, before.get(f)) for f in fields):
            errors.forbidden("spec", STATEFUL_UPDATE_FORBIDDEN)
    return errors.causes


def _claims_alike(field: str, value: Any) -> Any:
    """A claim template's status is nobody's wish."""
    if field != "volumeClaimTemplates":
        return value
    return [{k: v for k, v in claim.items() if k != "status"} for claim in value or ()]


def daemon_set(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a DaemonSet."""
    errors = Errors()
    spec = new.get("spec") or {}
    _workload(errors, spec, old, "daemonset")
    strategy = spec.get("updateStrategy") or {}
    errors.choice("spec.updateStrategy.type", strategy.get("type"), ("OnDelete", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "RollingUpdate" and isinstance(rolling, dict):
        path = "spec.updateStrategy.rollingUpdate"
        surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
        if not _is_zero(surge) and not _is_zero(unavailable):
            text = "may not be set when maxUnavailable is non-zero"
            errors.invalid(f"{path}.maxSurge", surge, text)
        elif _is_zero(surge) and _is_zero(unavailable):
            errors.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    return errors.causes


def _workload(
    errors: Errors,
    spec: dict[str, Any],
    old: Object | None,
    what: str = "deployment",
    claims: Iterable[str] = (),
) -> None:
    for field in _NUMBERS:
        errors.not_negative(f"spec.{field}", spec.get(field))
    selector = spec.get("selector")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not isinstance(selector, dict):
        errors.required("spec.selector")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        errors.invalid("spec.selector", selector, f"empty selector is invalid for {what}")
    else:
        _selector(errors, selector, labels)
    errors.labels("spec.template.labels", labels)
    pod_spec(errors, "spec.template.spec", template.get("spec") or {}, claims)
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy in ("OnFailure", "Never"):
        errors.unsupported("spec.template.spec.restartPolicy", policy, ["Always"])
    if (template.get("spec") or {}).get("activeDeadlineSeconds") is not None:
        errors.forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            f"activeDeadlineSeconds in {_KINDS[what]} is not Supported",
        )
    if old is not None:
        errors.immutable("spec.selector", selector, (old.get("spec") or {}).get("selector"))


def _selector(errors: Errors, selector: dict[str, Any], labels: dict[str, str]) -> None:
    known = True
    for number, term in enumerate(selector.get("matchExpressions") or ()):
        if term.get("operator") not in _OPERATORS:
            path = f"spec.selector.matchExpressions[{number}].operator"
            errors.invalid(path, term.get("operator"), "not a valid selector operator")
            known = False
    if not known:
        return
    parsed = from_label_selector(selector)
    if parsed is not None and not parsed.matches(labels):
        errors.invalid("spec.template.metadata.labels", labels, MISMATCH)


def _rolling_update(errors: Errors, path: str, rolling: dict[str, Any]) -> None:
    for field in ("maxUnavailable", "maxSurge"):
        value = rolling.get(field)
        if isinstance(value, str) and parse_percent(value) is None:
            errors.invalid(
                f"{path}.{field}",
                value,
                "a valid percent string must be a numeric string followed by an ending '%' "
                "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            )
        errors.not_negative(f"{path}.{field}", value)
    unavailable = rolling.get("maxUnavailable")
    if _is_zero(unavailable) and _is_zero(rolling.get("maxSurge")):
        errors.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if (percent := parse_percent(unavailable)) is not None and percent > 100:
        errors.invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def _is_zero(value: Any) -> bool:
    return value == 0 or parse_percent(value) == 0
