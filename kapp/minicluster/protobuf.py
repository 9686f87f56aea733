"""Reads objects as typed Go clients send them: Kubernetes' protobuf encoding.

`kubectl create deployment|job|role|…` sends nothing else (`kubectl apply` and `create -f` send
JSON); answers may be JSON, so there is nothing to write here. A field that is not known is an
error, never dropped in silence.

Source: k8s.io/apimachinery/pkg/runtime/serializer/protobuf (the envelope) and the struct tags of
k8s.io/api and k8s.io/apimachinery.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from kapp.machinery.objects import Object, format_micro_time, format_time
from kapp.machinery.status import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BITS = 70


class Field(NamedTuple):
    """One field: its JSON name ("" for one whose fields are its owner's), flag and type.

    `flag` is `[` for a list, `{` for a map, `*` for a pointer, else "". A pointer is kept when it
    is zero, because its presence means something; Go sends every other field, empty ones too.
    `type` is string, bytes, int, bool, a type of `_value`, or the name of a message.
    """

    name: str
    flag: str
    type: str


class _Tables(msgspec.Struct):
    kinds: dict[str, str]
    """Messages by `apiVersion/kind`."""
    messages: dict[str, dict[int, Field]]
    """Fields by number, by the message's name."""


@cache
def _tables() -> _Tables:
    """Package data made by `tools/build_minicluster_protobuf.py`; read when first needed."""
    packed = files("kapp.minicluster").joinpath("data", "protobuf.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=_Tables)


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
    message = _tables().kinds.get(f"{api_version}/{kind}")
    if message is None:
        raise bad_request(f"{kind or 'an object'} cannot be read as protobuf here: send JSON")
    return {
        "apiVersion": api_version,
        "kind": kind,
        **_message(message, _as_bytes(envelope.get(2, b""))),
    }


def _message(name: str, data: bytes) -> dict[str, Any]:
    fields = _tables().messages[name]
    result: dict[str, Any] = {}
    for number, _, raw in _read(data):
        field = fields.get(number)
        if field is None:
            raise bad_request(
                f"field {number} of {name} cannot be read as protobuf here: send JSON"
            )
        if field.flag == "{":
            entry = {n: v for n, _, v in _read(_as_bytes(raw))}
            key = _as_bytes(entry.get(1, b"")).decode()
            value = _value(field.type, entry.get(2, b""))
            result.setdefault(field.name, {})[key] = value
        elif field.flag == "[":
            result.setdefault(field.name, []).append(_value(field.type, raw))
        else:
            value = _value(field.type, raw)
            if not field.name:
                result |= value
            elif field.flag == "*" or value not in ("", 0, False, None, {}):
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
        case "Quantity":
            return _as_bytes({n: v for n, _, v in _read(_as_bytes(raw))}.get(1, b"")).decode()
        case "Raw":
            text = _as_bytes({n: v for n, _, v in _read(_as_bytes(raw))}.get(1, b""))
            return _json(text) if text else None
        case "Time" | "MicroTime":
            return _time(kind, {n: v for n, _, v in _read(_as_bytes(raw))})
    return _message(kind, _as_bytes(raw))


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as e:
        raise bad_request(f"the protobuf message holds what is no JSON: {e}") from e


def _time(kind: str, parts: dict[int, int | bytes]) -> str | None:
    if 1 not in parts:
        return None
    micros = _as_int(parts.get(2, 0)) // 1000
    try:
        moment = datetime.fromtimestamp(_as_int(parts[1]), UTC).replace(microsecond=micros)
    except (ValueError, OverflowError, OSError) as e:
        raise bad_request("the protobuf message holds a time that cannot be") from e
    return format_time(moment) if kind == "Time" else format_micro_time(moment)


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
