"""Validation of the core kinds that are not pods.

Source: pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Any

from kapp.machinery.objects import Object, name_of
from kapp.machinery.status import Cause
from kapp.minicluster.validation.fields import IMMUTABLE, Errors, each

MAX_DATA_BYTES = 1024 * 1024
"""`MaxSecretSize`: what one ConfigMap or Secret may hold."""

_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_FROZEN = "field is immutable when `immutable` is set"
_SECRET_KEYS = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}


def namespace(new: Object, _old: Object | None) -> list[Cause]:
    """What is wrong with a Namespace: its name must be a label."""
    errors = Errors()
    if name := name_of(new):
        errors.dns_label("metadata.name", name)
    return errors.causes


def config_map(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a ConfigMap."""
    errors = Errors()
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    for key in data:
        errors.config_key("data", key)
        if key in binary:
            errors.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        errors.config_key("binaryData", key)
    size = sum(len(str(text).encode()) for text in data.values())
    size += sum(_decoded_size(errors, f"binaryData[{k}]", v) for k, v in binary.items())
    if size > MAX_DATA_BYTES:
        errors.too_long("", MAX_DATA_BYTES)
    if old is not None:
        _immutable_data(errors, new, old, ("data", "binaryData"))
    return errors.causes


def secret(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a Secret. Values never appear in the causes."""
    errors = Errors()
    data = new.get("data") or {}
    size = 0
    for key, value in data.items():
        errors.config_key("data", key)
        size += _decoded_size(errors, f"data[{key}]", value)
    if size > MAX_DATA_BYTES:
        errors.too_long("data", MAX_DATA_BYTES)
    for key in _SECRET_KEYS.get(new.get("type") or "", ()):
        if key not in data:
            errors.required(f"data[{key}]")
    if old is not None:
        if new.get("type") != old.get("type"):
            errors.invalid("type", new.get("type"), IMMUTABLE)
        _immutable_data(errors, new, old, ("data",))
    return errors.causes


def _decoded_size(errors: Errors, path: str, value: Any) -> int:
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, TypeError, ValueError):
        errors.invalid(path, "<redacted>", "must be base64-encoded")
        return 0


def _immutable_data(errors: Errors, new: Object, old: Object, fields: tuple[str, ...]) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        errors.forbidden("immutable", _FROZEN)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            errors.forbidden(field, _FROZEN)


def service(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a Service."""
    errors = Errors()
    spec = new.get("spec") or {}
    if (name := name_of(new)) and old is None:
        errors.dns_1035_label("metadata.name", name)
    kind = spec.get("type")
    errors.choice("spec.type", kind, _SERVICE_TYPES)
    errors.choice("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    errors.labels("spec.selector", spec.get("selector"))
    address = spec.get("clusterIP") or ""
    if kind == "ExternalName":
        if not spec.get("externalName"):
            errors.required("spec.externalName")
        if address:
            errors.forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'")
    elif not spec.get("ports") and address != "None":
        errors.required("spec.ports")
    if address not in ("", "None"):
        _address(errors, "spec.clusterIPs[0]", address)
    _service_ports(errors, spec.get("ports"), named=len(spec.get("ports") or ()) > 1)
    if old is not None and kind != "ExternalName":
        before = (old.get("spec") or {}).get("clusterIP")
        if before and (old.get("spec") or {}).get("type") != "ExternalName" and before != address:
            errors.invalid("spec.clusterIPs[0]", address, "may not change once set")
    return errors.causes


def _address(errors: Errors, path: str, address: str) -> None:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        errors.invalid(
            path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        )


def _service_ports(errors: Errors, ports: Any, *, named: bool) -> None:
    names: set[str] = set()
    used: set[tuple[Any, Any]] = set()

    def check(errors: Errors, path: str, port: dict[str, Any]) -> None:
        name = port.get("name") or ""
        if not name and named:
            errors.required(f"{path}.name")
        elif name:
            errors.dns_label(f"{path}.name", name)
            if name in names:
                errors.duplicate(f"{path}.name", name)
            names.add(name)
        errors.port(f"{path}.port", port.get("port"))
        errors.choice(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)
        if isinstance(target := port.get("targetPort"), int):
            errors.port(f"{path}.targetPort", target)
        elif isinstance(target, str):
            errors.port_name(f"{path}.targetPort", target)
        key = (port.get("protocol"), port.get("port"))
        if key in used:
            errors.duplicate(path, {"port": key[1], "protocol": key[0]})
        used.add(key)

    each(errors, "spec.ports", ports, check)


def event(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with an Event: it must be about an object of its own namespace."""
    errors = Errors()
    about = (new.get("involvedObject") or {}).get("namespace") or ""
    own = (new.get("metadata") or {}).get("namespace") or ""
    if old is None and own and (about or "default") != own:
        errors.invalid("involvedObject.namespace", about, "does not match event.namespace")
    return errors.causes
