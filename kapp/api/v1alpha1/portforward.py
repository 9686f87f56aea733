"""PortForward: local ports that lead to the best pod of a resource at any moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.schema import defaulted
from kapp.api.v1alpha1.meta import Port, Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause


class Forward(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One local port and where it leads.

    Attributes:
        local_port: Port to listen on.
        container_port: Port in the container; 0 is the declared port equal to localPort, else the
            first declared one, else localPort.
        host: Host name or address to listen on.
        name: What to call the link to it.
        path: Path of the link to it.
    """

    local_port: Port
    container_port: Annotated[int, msgspec.Meta(ge=0, le=65535), defaulted(0)]
    host: Annotated[str, defaulted("localhost")]
    name: str = ""
    path: str = ""


class PortForwardTemplateSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The forwards that a resource wants.

    Attributes:
        forwards: One entry for each local port.
    """

    forwards: list[Forward] = []


class PortForwardSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which ports, and to what.

    Attributes:
        forwards: One entry for each local port.
        discovery: Name of the KubernetesDiscovery whose pods serve the connections.
        pod_name: One pod, instead of a discovery.
        namespace: The namespace of that pod.
        cluster: Name of the Cluster.
    """

    forwards: list[Forward]
    discovery: str = ""
    pod_name: str = ""
    namespace: str = ""
    cluster: Annotated[str, defaulted("default")] = "default"


class ForwardStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What one local port does.

    Attributes:
        local_port: The port it listens on.
        container_port: The port in the container, as chosen; 0 before there is a pod.
        addresses: Addresses it listens on.
        pod_name: The pod that the next connection goes to.
        started_at: When it began to listen.
        connections: Connections that are open.
        parked: Connections that wait for a pod.
        error: Why it does not listen or cannot forward, in plain words; empty when all is well.
        last_error: The last error there was.
    """

    local_port: int
    container_port: int = 0
    addresses: list[str] = []
    pod_name: str = ""
    started_at: Time = ""
    connections: int = 0
    parked: int = 0
    error: str = ""
    last_error: str = ""


class PortForwardStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What the local ports do.

    Attributes:
        forward_statuses: One entry for each of `spec.forwards`, in that order.
    """

    forward_statuses: list[ForwardStatus] = []


class PortForward(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """Local ports that lead to the best pod of a resource at any moment.

    Attributes:
        spec: Which ports, and to what.
        status: What they do.
    """

    KIND: ClassVar[str] = "PortForward"
    PLURAL: ClassVar[str] = "portforwards"

    spec: PortForwardSpec
    status: PortForwardStatus = msgspec.field(default_factory=PortForwardStatus)


def check_forwards(forwards: list[Forward], path: str) -> Iterable[Cause]:
    """Two forwards of one object may not listen on the same port of the same host."""
    seen: set[tuple[str, int]] = set()
    for index, forward in enumerate(forwards):
        address = forward.host, forward.local_port
        if address in seen:
            yield Cause(
                f"{path}[{index}].localPort",
                f"Duplicate value: {forward.local_port}",
                "FieldValueDuplicate",
            )
        seen.add(address)


def _check(obj: PortForward) -> Iterable[Cause]:
    spec = obj.spec
    yield from check_forwards(spec.forwards, "spec.forwards")
    if bool(spec.discovery) == bool(spec.pod_name):
        yield Cause(
            "spec", "Required value: exactly one of discovery and podName", "FieldValueRequired"
        )
    if spec.pod_name and not spec.namespace:
        yield Cause(
            "spec.namespace", "Required value: names the namespace of podName", "FieldValueRequired"
        )


def _ports(obj: Object, _now: Any) -> str:
    forwards = (obj.get("spec") or {}).get("forwards") or ()
    return ",".join(
        f"{f['localPort']}:{f['containerPort']}" if f.get("containerPort") else str(f["localPort"])
        for f in forwards
    )


def _from_statuses(name: str) -> Any:
    def value(obj: Object, _now: Any) -> str:
        statuses = (obj.get("status") or {}).get("forwardStatuses") or ()
        return ", ".join(dict.fromkeys(str(s[name]) for s in statuses if s.get(name)))

    return value


def _connections(obj: Object, _now: Any) -> int:
    statuses = (obj.get("status") or {}).get("forwardStatuses") or ()
    return sum(s.get("connections", 0) for s in statuses)


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        PortForward,
        short_names=("pf",),
        columns=(
            Column("Ports", _ports, description="Local port, and container port where given."),
            Column("Pod", _from_statuses("podName"), description="Pod of the next connection."),
            Column("Connections", _connections, "integer", "Connections that are open."),
            Column("Error", _from_statuses("error"), description="What is wrong."),
            Column("Discovery", field("spec.discovery"), description="Whose pods.", priority=1),
        ),
        check=_check,
    )
