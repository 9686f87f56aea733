"""The columns of kinds that are stored and not acted on: rules, policies, classes, budgets.

Source: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kapp.machinery.objects import Object, annotations_of, controller_of, metadata_of, name_of
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import AGE, NAME, NONE, UNKNOWN, field, selector_text

UNSET = "<unset>"
_MOST_HOSTS = 3
_MOST_METRICS = 2
_ADDRESS_CHARS = 16


def text(title: str, *path: str, empty: str = "") -> Column:
    """A text at a path; `empty` where there is none."""

    def value(obj: Object, _now: datetime) -> str:
        found = field(obj, *path)
        return empty if found in (None, "") else str(found)

    return Column(title, value)


CREATED_AT = (
    NAME,
    Column("Created At", lambda obj, _now: metadata_of(obj).get("creationTimestamp"), "date"),
)


def _subjects(kind: str) -> Any:
    def value(obj: Object, _now: datetime) -> str:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{s.get('namespace', '')}/{s.get('name')}" for s in found)
        return ", ".join(str(s.get("name")) for s in found)

    return value


ROLE_BINDINGS = (
    NAME,
    Column(
        "Role",
        lambda obj, _now: f"{field(obj, 'roleRef', 'kind')}/{field(obj, 'roleRef', 'name')}",
    ),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)


def _default_name(annotation: str) -> Column:
    def value(obj: Object, _now: datetime) -> str:
        is_default = annotations_of(obj).get(annotation) == "true"
        return f"{name_of(obj)} (default)" if is_default else name_of(obj)

    return Column("Name", value, description="Name must be unique.")


def _hosts(ingress: Object, _now: datetime) -> str:
    found = [r["host"] for r in field(ingress, "spec", "rules") or () if r.get("host")]
    if not found:
        return "*"
    more = len(found) - _MOST_HOSTS
    shown = ",".join(found[:_MOST_HOSTS])
    return f"{shown} + {more} more..." if more > 0 else shown


def _address(ingress: Object, _now: datetime) -> str:
    entries = field(ingress, "status", "loadBalancer", "ingress") or ()
    found = ",".join(sorted({str(e.get("ip") or e.get("hostname") or "") for e in entries}))
    return found if len(found) <= _ADDRESS_CHARS else found[: _ADDRESS_CHARS - 3] + "..."


INGRESSES = (
    NAME,
    text("Class", "spec", "ingressClassName", empty=NONE),
    Column("Hosts", _hosts),
    Column("Address", _address),
    Column("Ports", lambda obj, _now: "80, 443" if field(obj, "spec", "tls") else "80"),
    AGE,
)


def _parameters(ingress_class: Object, _now: datetime) -> str:
    found = field(ingress_class, "spec", "parameters")
    if not found:
        return NONE
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind')}{group}/{found.get('name')}"


INGRESS_CLASSES = (
    _default_name("ingressclass.kubernetes.io/is-default-class"),
    text("Controller", "spec", "controller"),
    Column("Parameters", _parameters),
    AGE,
)
NETWORK_POLICIES = (
    NAME,
    Column("Pod-Selector", lambda obj, _now: selector_text(field(obj, "spec", "podSelector"))),
    AGE,
)


def _budget(name: str) -> Any:
    def value(obj: Object, _now: datetime) -> str:
        found = field(obj, "spec", name)
        return "N/A" if found is None else str(found)

    return value


POD_DISRUPTION_BUDGETS = (
    NAME,
    Column("Min Available", _budget("minAvailable")),
    Column("Max Unavailable", _budget("maxUnavailable")),
    Column(
        "Allowed Disruptions",
        lambda obj, _now: field(obj, "status", "disruptionsAllowed") or 0,
        "integer",
    ),
    AGE,
)


def _quota(*, limits: bool) -> Any:
    def value(obj: Object, _now: datetime) -> str:
        hard, used = field(obj, "status", "hard") or {}, field(obj, "status", "used") or {}
        names = sorted(n for n in hard if n.startswith("limits.") == limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return value


RESOURCE_QUOTAS = (
    NAME,
    Column("Request", _quota(limits=False)),
    Column("Limit", _quota(limits=True)),
    AGE,
)
STORAGE_CLASSES = (
    _default_name("storageclass.kubernetes.io/is-default-class"),
    text("Provisioner", "provisioner"),
    text("ReclaimPolicy", "reclaimPolicy", empty="Delete"),
    text("VolumeBindingMode", "volumeBindingMode", empty="Immediate"),
    Column("AllowVolumeExpansion", lambda obj, _now: bool(obj.get("allowVolumeExpansion"))),
    AGE,
)
PRIORITY_CLASSES = (
    NAME,
    Column("Value", lambda obj, _now: obj.get("value") or 0, "integer"),
    Column("Global-Default", lambda obj, _now: bool(obj.get("globalDefault")), "boolean"),
    AGE,
    text("PreemptionPolicy", "preemptionPolicy"),
)
LEASES = (NAME, text("Holder", "spec", "holderIdentity"), AGE)
WEBHOOK_CONFIGURATIONS = (
    NAME,
    Column("Webhooks", lambda obj, _now: len(obj.get("webhooks") or ()), "integer"),
    AGE,
)


def _controller(obj: Object, _now: datetime) -> str:
    owner = controller_of(obj)
    if owner is None:
        return NONE
    group = owner["apiVersion"].rpartition("/")[0]
    return f"{owner['kind'].lower()}{'.' if group else ''}{group}/{owner['name']}"


CONTROLLER_REVISIONS = (
    NAME,
    Column("Controller", _controller),
    Column("Revision", lambda obj, _now: obj.get("revision") or 0),
    AGE,
)


def _metric(spec: Mapping[str, Any]) -> str:
    """What an autoscaler aims at; what is measured is not known here."""
    kind = str(spec.get("type") or "")
    source: Mapping[str, Any] = spec.get(kind[:1].lower() + kind[1:]) or {}
    target: Mapping[str, Any] = source.get("target") or {}
    if kind in ("Resource", "ContainerResource"):
        if target.get("averageValue") is not None:
            return f"{source.get('name')}: {UNKNOWN}/{target['averageValue']}"
        wanted = target.get("averageUtilization")
        return f"{source.get('name')}: {UNKNOWN}/{'<auto>' if wanted is None else f'{wanted}%'}"
    if target.get("averageValue") is not None:
        return f"{UNKNOWN}/{target['averageValue']}{'' if kind == 'Pods' else ' (avg)'}"
    return f"{UNKNOWN}/{target.get('value')}"


def _targets(autoscaler: Object, _now: datetime) -> str:
    found = [_metric(spec) for spec in field(autoscaler, "spec", "metrics") or ()]
    if not found:
        return NONE
    more = len(found) - _MOST_METRICS
    shown = ", ".join(found[:_MOST_METRICS])
    return f"{shown} + {more} more..." if more > 0 else shown


def _target(autoscaler: Object, _now: datetime) -> str:
    found = field(autoscaler, "spec", "scaleTargetRef") or {}
    return f"{found.get('kind')}/{found.get('name')}"


HORIZONTAL_POD_AUTOSCALERS = (
    NAME,
    Column("Reference", _target),
    Column("Targets", _targets),
    text("MinPods", "spec", "minReplicas", empty=UNSET),
    text("MaxPods", "spec", "maxReplicas", empty="0"),
    text("Replicas", "status", "currentReplicas", empty="0"),
    AGE,
)
