"""Reads objects as typed Go clients send them: Kubernetes' protobuf encoding.

`kubectl create namespace|configmap|secret|serviceaccount|service|deployment` sends nothing else
(`kubectl apply` and `create -f` send JSON); answers may be JSON, so there is nothing to write here.
The messages known are those that such commands make. A field that is not known is an error, never
dropped in silence.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf (the envelope) and the field numbers in
generated.proto of k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kapp.machinery.objects import Object, format_time
from kapp.machinery.status import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BITS = 70


class Field(NamedTuple):
    """One field: its JSON name and its type.

    `type` is string, bytes, int, bool, or the name of a message. A `pointer` is kept when it is
    zero, because its presence means something; Go sends every other field, empty ones too.
    """

    name: str
    type: str
    repeated: bool = False
    mapped: bool = False
    pointer: bool = False


def _fields(**numbers: str) -> dict[int, Field]:
    """Fields written as `name="number:type"`, with `[]`, `{}` or `*` before the type."""
    found = {}
    for name, text in numbers.items():
        number, _, kind = text.partition(":")
        found[int(number)] = Field(
            name,
            kind.lstrip("[]{}*"),
            kind.startswith("[]"),
            kind.startswith("{}"),
            kind.startswith("*"),
        )
    return found


_MESSAGES: dict[str, dict[int, Field]] = {
    "ObjectMeta": _fields(
        name="1:string",
        generateName="2:string",
        namespace="3:string",
        selfLink="4:string",
        uid="5:string",
        resourceVersion="6:string",
        generation="7:int",
        creationTimestamp="8:Time",
        deletionTimestamp="9:Time",
        deletionGracePeriodSeconds="10:*int",
        labels="11:{}string",
        annotations="12:{}string",
        ownerReferences="13:[]OwnerReference",
        finalizers="14:[]string",
    ),
    "OwnerReference": _fields(
        kind="1:string",
        name="3:string",
        uid="4:string",
        apiVersion="5:string",
        controller="6:*bool",
        blockOwnerDeletion="7:*bool",
    ),
    "Namespace": _fields(
        metadata="1:ObjectMeta", spec="2:NamespaceSpec", status="3:NamespaceStatus"
    ),
    "NamespaceSpec": _fields(finalizers="1:[]string"),
    "NamespaceStatus": _fields(phase="1:string"),
    "ConfigMap": _fields(
        metadata="1:ObjectMeta", data="2:{}string", binaryData="3:{}bytes", immutable="4:*bool"
    ),
    "Secret": _fields(
        metadata="1:ObjectMeta",
        data="2:{}bytes",
        type="3:string",
        stringData="4:{}string",
        immutable="5:*bool",
    ),
    "ServiceAccount": _fields(metadata="1:ObjectMeta", automountServiceAccountToken="4:*bool"),
    "Service": _fields(metadata="1:ObjectMeta", spec="2:ServiceSpec", status="3:ServiceStatus"),
    "ServiceStatus": _fields(loadBalancer="1:Empty"),
    "ServiceSpec": _fields(
        ports="1:[]ServicePort",
        selector="2:{}string",
        clusterIP="3:string",
        type="4:string",
        externalIPs="5:[]string",
        sessionAffinity="7:string",
        loadBalancerIP="8:string",
        loadBalancerSourceRanges="9:[]string",
        externalName="10:string",
        externalTrafficPolicy="11:string",
        healthCheckNodePort="12:int",
        publishNotReadyAddresses="13:bool",
    ),
    "ServicePort": _fields(
        name="1:string",
        protocol="2:string",
        port="3:int",
        targetPort="4:IntOrString",
        nodePort="5:int",
        appProtocol="6:*string",
    ),
    "Deployment": _fields(
        metadata="1:ObjectMeta", spec="2:DeploymentSpec", status="3:DeploymentStatus"
    ),
    "DeploymentStatus": _fields(
        observedGeneration="1:int",
        replicas="2:int",
        updatedReplicas="3:int",
        availableReplicas="4:int",
        unavailableReplicas="5:int",
        readyReplicas="7:int",
    ),
    "DeploymentSpec": _fields(
        replicas="1:*int",
        selector="2:LabelSelector",
        template="3:PodTemplateSpec",
        strategy="4:DeploymentStrategy",
        minReadySeconds="5:int",
        revisionHistoryLimit="6:*int",
        paused="7:bool",
        progressDeadlineSeconds="9:*int",
    ),
    "DeploymentStrategy": _fields(type="1:string", rollingUpdate="2:RollingUpdateDeployment"),
    "RollingUpdateDeployment": _fields(maxUnavailable="1:IntOrString", maxSurge="2:IntOrString"),
    "LabelSelector": _fields(matchLabels="1:{}string", matchExpressions="2:[]Requirement"),
    "Requirement": _fields(key="1:string", operator="2:string", values="3:[]string"),
    "PodTemplateSpec": _fields(metadata="1:ObjectMeta", spec="2:PodSpec"),
    "PodSpec": _fields(
        containers="2:[]Container",
        restartPolicy="3:string",
        terminationGracePeriodSeconds="4:*int",
        activeDeadlineSeconds="5:*int",
        dnsPolicy="6:string",
        nodeSelector="7:{}string",
        serviceAccountName="8:string",
        serviceAccount="9:string",
        nodeName="10:string",
        hostNetwork="11:bool",
        hostPID="12:bool",
        hostIPC="13:bool",
        hostname="16:string",
        subdomain="17:string",
        schedulerName="19:string",
        priorityClassName="24:string",
    ),
    "Container": _fields(
        name="1:string",
        image="2:string",
        command="3:[]string",
        args="4:[]string",
        workingDir="5:string",
        ports="6:[]ContainerPort",
        env="7:[]EnvVar",
        resources="8:Empty",
        terminationMessagePath="13:string",
        imagePullPolicy="14:string",
        stdin="16:bool",
        stdinOnce="17:bool",
        tty="18:bool",
        terminationMessagePolicy="20:string",
    ),
    "ContainerPort": _fields(
        name="1:string",
        hostPort="2:int",
        containerPort="3:int",
        protocol="4:string",
        hostIP="5:string",
    ),
    "EnvVar": _fields(name="1:string", value="2:string"),
    "Empty": {},
}

_TOP = {
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
}


def decode(body: bytes) -> Object:
    """The object in a request's body. Raises ApiError (400) for what is not known here."""
    if not body.startswith(_MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message")
    try:
        return _decode(body)
    except UnicodeDecodeError as e:
        raise bad_request("the protobuf message has a string that is no UTF-8") from e


def _decode(body: bytes) -> Object:
    envelope = {number: value for number, _, value in _read(body[len(_MAGIC) :])}
    types = {n: v for n, _, v in _read(_as_bytes(envelope.get(1, b"")))}
    api_version, kind = (_as_bytes(types.get(n, b"")).decode() for n in (1, 2))
    if (api_version, kind) not in _TOP:
        raise bad_request(f"{kind or 'an object'} cannot be read as protobuf here: send JSON")
    return {
        "apiVersion": api_version,
        "kind": kind,
        **_message(kind, _as_bytes(envelope.get(2, b""))),
    }


def _message(name: str, data: bytes) -> dict[str, Any]:
    fields = _MESSAGES[name]
    result: dict[str, Any] = {}
    for number, _, raw in _read(data):
        field = fields.get(number)
        if field is None:
            raise bad_request(
                f"field {number} of {name} cannot be read as protobuf here: send JSON"
            )
        if field.mapped:
            entry = {n: v for n, _, v in _read(_as_bytes(raw))}
            key = _as_bytes(entry.get(1, b"")).decode()
            value = _value(field.type, entry.get(2, b""))
            result.setdefault(field.name, {})[key] = value
        elif field.repeated:
            result.setdefault(field.name, []).append(_value(field.type, raw))
        else:
            value = _value(field.type, raw)
            if field.pointer or value not in ("", 0, False, None, {}):
                result[field.name] = value
    return result


def _value(kind: str, raw: int | bytes) -> Any:
    match kind:
        case "int":
            number = _as_int(raw)
            return number - (1 << 64) if number >> 63 else number
        case "bool":
            return bool(_as_int(raw))
        case "string":
            return _as_bytes(raw).decode()
        case "bytes":
            return base64.b64encode(_as_bytes(raw)).decode()
        case "IntOrString":
            parts = {n: v for n, _, v in _read(_as_bytes(raw))}
            if _as_int(parts.get(1, 0)):
                return _as_bytes(parts.get(3, b"")).decode()
            return _value("int", parts.get(2, 0))
        case "Time":
            seconds = {n: v for n, _, v in _read(_as_bytes(raw))}.get(1)
            if seconds is None:
                return None
            return format_time(datetime.fromtimestamp(_as_int(seconds), UTC))
    return _message(kind, _as_bytes(raw))


def _read(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, value) of each field. Raises ApiError (400)."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, wire, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(wire)
        if wire == _BYTES:
            length, position = _varint(data, position)
        if length is None or position + length > len(data):
            raise bad_request("the protobuf message is damaged")
        yield number, wire, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < _MAX_VARINT_BITS:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
    raise bad_request("the protobuf message is damaged")


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise bad_request("the protobuf message is damaged")
    return value


def _as_int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        if value:
            raise bad_request("the protobuf message is damaged")
        return 0
    return value
