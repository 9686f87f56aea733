"""The columns of the core kinds that are not pods. Source: printers.go."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, find_condition, labels_of
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import AGE, NAME, NONE, UNKNOWN, field, labels_text

_ROLE_PREFIX = "node-role.kubernetes.io/"


def _external_ip(service: Object, _now: datetime) -> str:
    spec = service.get("spec") or {}
    kind, external = spec.get("type"), ",".join(spec.get("externalIPs") or ())
    if kind == "ExternalName":
        return str(spec.get("externalName") or "")
    if kind == "LoadBalancer":
        ingress = field(service, "status", "loadBalancer", "ingress") or ()
        found = ",".join(sorted({i.get("ip") or i.get("hostname") or "" for i in ingress}))
        return ",".join(text for text in (found, external) if text) or "<pending>"
    return external or NONE


def _ports(service: Object, _now: datetime) -> str:
    def one(port: dict[str, Any]) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node_port}/{port.get('protocol')}"

    return ",".join(one(port) for port in field(service, "spec", "ports") or ()) or NONE


SERVICES = (
    NAME,
    Column("Type", lambda obj, _now: field(obj, "spec", "type")),
    Column("Cluster-IP", lambda obj, _now: field(obj, "spec", "clusterIP") or NONE),
    Column("External-IP", _external_ip),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", lambda obj, _now: labels_text(field(obj, "spec", "selector")), priority=1),
)


def _node_status(node: Object, _now: datetime) -> str:
    ready = find_condition(field(node, "status", "conditions"), "Ready")
    text = "Unknown"
    if ready is not None:
        text = "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if field(node, "spec", "unschedulable") else text


def _roles(node: Object, _now: datetime) -> str:
    labels = labels_of(node)
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    if role := labels.get("kubernetes.io/role"):
        roles.add(role)
    return ",".join(sorted(roles)) or NONE


def _address(kind: str) -> Column:
    def value(node: Object, _now: datetime) -> str:
        for address in field(node, "status", "addresses") or ():
            if address.get("type") == kind:
                return str(address.get("address"))
        return NONE

    return Column(kind.replace("IP", "-IP"), value, priority=1)


def _info(title: str, name: str, priority: int = 1) -> Column:
    return Column(
        title,
        lambda node, _now: field(node, "status", "nodeInfo", name) or UNKNOWN,
        priority=priority,
    )


NODES = (
    NAME,
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    _info("Version", "kubeletVersion", priority=0),
    _address("InternalIP"),
    _address("ExternalIP"),
    _info("OS-Image", "osImage"),
    _info("Kernel-Version", "kernelVersion"),
    _info("Container-Runtime", "containerRuntimeVersion"),
)

NAMESPACES = (
    NAME,
    Column("Status", lambda obj, _now: field(obj, "status", "phase")),
    AGE,
)


def _size(obj: Object, _now: datetime) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


_DATA = Column("Data", _size, type="integer")
CONFIG_MAPS = (NAME, _DATA, AGE)
SECRETS = (NAME, Column("Type", lambda obj, _now: obj.get("type")), _DATA, AGE)
SERVICE_ACCOUNTS = (
    NAME,
    Column("Secrets", lambda obj, _now: len(obj.get("secrets") or ()), type="integer"),
    AGE,
)


def _first_seen(event: Object, now: datetime) -> str:
    return human_age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Object, now: datetime) -> str:
    last = field(event, "series", "lastObservedTime") or event.get("lastTimestamp")
    return human_age(last, now) if last else _first_seen(event, now)


def _about(event: Object, _now: datetime) -> str:
    about = event.get("involvedObject") or {}
    kind, name = str(about.get("kind") or "").lower(), about.get("name") or ""
    return f"{kind}/{name}" if name else kind


def _source(event: Object, _now: datetime) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent") or ""
    host = source.get("host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


EVENTS = (
    Column("Last Seen", _last_seen),
    Column("Type", lambda obj, _now: obj.get("type")),
    Column("Reason", lambda obj, _now: obj.get("reason")),
    Column("Object", _about),
    Column(
        "Subobject", lambda obj, _now: field(obj, "involvedObject", "fieldPath") or "", priority=1
    ),
    Column("Source", _source, priority=1),
    Column("Message", lambda obj, _now: str(obj.get("message") or "").strip()),
    Column("First Seen", _first_seen, priority=1),
    Column(
        "Count",
        lambda obj, _now: field(obj, "series", "count") or obj.get("count") or 1,
        type="integer",
        priority=1,
    ),
    Column("Name", lambda obj, _now: field(obj, "metadata", "name"), priority=1),
)
