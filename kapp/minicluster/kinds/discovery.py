"""The kinds of the group discovery.k8s.io, version v1.

Their schema is written here: it is small, and no document of that group is among the package data.
Source: k8s.io/api/discovery/v1/types.go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.minicluster import openapi
from kapp.minicluster.columns.cells import AGE, NAME

_PREFIX = "io.k8s.api.discovery.v1."
_SHOWN = 3
"""Addresses shown by `kubectl get`; the rest are counted."""


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


def _ref(name: str, description: str = "") -> dict[str, Any]:
    return {"description": description, "allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def _list(items: dict[str, Any], description: str, kind: str = "atomic") -> dict[str, Any]:
    return {
        "type": "array",
        "items": items,
        "description": description,
        "x-kubernetes-list-type": kind,
    }


_MAP = {"type": "object", "additionalProperties": {"type": "string"}}

_DEFINITIONS: dict[str, dict[str, Any]] = {
    "EndpointConditions": {
        "type": "object",
        "description": "EndpointConditions represents the current condition of an endpoint.",
        "properties": {
            "ready": _flag("ready indicates that this endpoint is ready to receive traffic."),
            "serving": _flag("serving is like ready, but holds for terminating endpoints too."),
            "terminating": _flag("terminating indicates that this endpoint is terminating."),
        },
    },
    "Endpoint": {
        "type": "object",
        "description": 'Endpoint represents a single logical "backend" of a service.',
        "required": ["addresses"],
        "properties": {
            "addresses": _list(
                {"type": "string"}, "addresses of this endpoint, of the slice's type.", "set"
            ),
            "conditions": _ref(f"{_PREFIX}EndpointConditions", "conditions of the endpoint."),
            "deprecatedTopology": {**_MAP, "description": "information from before this API."},
            "hostname": _text("hostname of this endpoint."),
            "hints": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "nodeName": _text("nodeName is the name of the node that hosts this endpoint."),
            "targetRef": _ref(
                "io.k8s.api.core.v1.ObjectReference", "the object that this endpoint represents."
            ),
            "zone": _text("zone is the name of the zone this endpoint exists in."),
        },
    },
    "EndpointPort": {
        "type": "object",
        "description": "EndpointPort represents a port used by an EndpointSlice.",
        "properties": {
            "appProtocol": _text("The application protocol for this port."),
            "name": _text("name of this port; empty or a DNS label."),
            "port": {"type": "integer", "format": "int32", "description": "The port number."},
            "protocol": _text("UDP, TCP or SCTP; TCP by default."),
        },
        "x-kubernetes-map-type": "atomic",
    },
    "EndpointSlice": {
        "type": "object",
        "description": "EndpointSlice represents a set of service endpoints.",
        "required": ["endpoints", "addressType"],
        "properties": {
            "apiVersion": _text("APIVersion defines the versioned schema of this object."),
            "kind": _text("Kind is the REST resource this object represents."),
            "metadata": _ref("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "metadata."),
            "addressType": _text("The type of address: IPv4, IPv6 or FQDN. Immutable."),
            "endpoints": _list(
                {"$ref": f"#/components/schemas/{_PREFIX}Endpoint"},
                "endpoints is a list of unique endpoints in this slice, at most 1000.",
            ),
            "ports": _list(
                {"$ref": f"#/components/schemas/{_PREFIX}EndpointPort"},
                "ports exposed by each endpoint in this slice, at most 100.",
            ),
        },
        "x-kubernetes-group-version-kind": [
            {"group": "discovery.k8s.io", "kind": "EndpointSlice", "version": "v1"}
        ],
    },
}


def _ports(endpoint_slice: Object, _now: datetime) -> str:
    ports = [str(port.get("port") or "*") for port in endpoint_slice.get("ports") or ()]
    return _some(ports) if ports else "<unset>"


def _endpoints(endpoint_slice: Object, _now: datetime) -> str:
    found = endpoint_slice.get("endpoints") or ()
    addresses = [address for e in found for address in e.get("addresses") or ()]
    return _some(addresses) if addresses else "<unset>"


def _some(items: list[str]) -> str:
    more = len(items) - _SHOWN
    shown = ",".join(items[:_SHOWN])
    return f"{shown} + {more} more..." if more > 0 else shown


def _default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


_definitions = {
    **openapi.definitions(),
    **{_PREFIX + name: schema for name, schema in _DEFINITIONS.items()},
}

ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    namespaced=True,
    columns=(
        NAME,
        Column("AddressType", lambda obj, _now: obj.get("addressType")),
        Column("Ports", _ports),
        Column("Endpoints", _endpoints),
        AGE,
    ),
    schema=_definitions[f"{_PREFIX}EndpointSlice"],
    definitions=_definitions,
    default=_default,
    has_status=False,
    strategic=True,
)

KINDS = (ENDPOINT_SLICE,)
