"""Media types: what a client accepts, and what it sends. Pure.

Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from kapp.machinery.objects import Json
from kapp.machinery.status import ApiError, bad_request, unsupported_media_type

JSON = "application/json"
YAML = "application/yaml"

Decoder: TypeAlias = Callable[[bytes], Json]
"""Reads a request's body of one media type."""

Form = Literal["Object", "Table", "PartialObjectMetadata", "APIGroupDiscoveryList"]

_YAML_TYPES = frozenset([YAML, "text/yaml", "application/x-yaml", "application/apply-patch+yaml"])
_BODY_TYPES = (JSON, YAML)


class Accepted(NamedTuple):
    """What to answer: the encoding, and the form (`as=`) with its version."""

    media_type: str
    form: Form
    version: str = ""


def negotiate(accept: str, *, discovery: Sequence[str] = ()) -> Accepted:
    """The first of the accepted types that the server can write.

    `discovery` lists the versions of aggregated discovery that may be answered here. Raises
    ApiError (406).
    """
    for item in accept.split(","):
        media_type, _, rest = item.strip().partition(";")
        media_type = media_type.strip().lower()
        parameters = {
            k.strip(): v.strip() for k, _, v in (p.partition("=") for p in rest.split(";")) if v
        }
        if media_type in ("", "*/*", "application/*"):
            return Accepted(JSON, "Object")
        if media_type not in (JSON, *_YAML_TYPES):
            continue
        media_type = JSON if media_type == JSON else YAML
        if (found := _form(media_type, parameters, discovery)) is not None:
            return found
    raise ApiError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: " + ", ".join(_BODY_TYPES),
    )


def _form(
    media_type: str, parameters: Mapping[str, str], discovery: Sequence[str]
) -> Accepted | None:
    wanted, group, version = (parameters.get(k, "") for k in ("as", "g", "v"))
    if not wanted:
        return Accepted(media_type, "Object")
    if wanted == "APIGroupDiscoveryList" and version in discovery:
        return Accepted(media_type, "APIGroupDiscoveryList", version)
    if group == "meta.k8s.io" and version == "v1" and not discovery:
        if wanted == "Table":
            return Accepted(media_type, "Table", version)
        if wanted in ("PartialObjectMetadata", "PartialObjectMetadataList"):
            return Accepted(media_type, "PartialObjectMetadata", version)
    return None


def media_type_of(content_type: str) -> str:
    """`type/subtype` of a Content-Type header."""
    return content_type.partition(";")[0].strip().lower()


def encode_body(value: Json, media_type: str) -> bytes:
    """A value as JSON or YAML."""
    if media_type == YAML:
        from kapp import yamlio  # only who asks for YAML pays for it

        return yamlio.dump(value).encode()
    return msgspec.json.encode(value) + b"\n"


def decode_body(
    raw: bytes, media_type: str, decoders: Mapping[str, Decoder] = MappingProxyType({})
) -> tuple[Json, list[str]]:
    """A request's body, and the paths of fields that it has twice.

    `decoders` read further media types; they raise ApiError.

    Raises ApiError: 400 for what cannot be parsed, 415 for another type than JSON and YAML.
    """
    if media_type in _YAML_TYPES:
        try:
            # kubectl sends JSON as "YAML" in apply patches, and JSON is faster to read.
            return _decode_json(raw)
        except ApiError:  # then it is YAML proper
            return _decode_yaml(raw), []
    if media_type in ("", JSON) or media_type.endswith("+json"):
        return _decode_json(raw)
    if (decoder := decoders.get(media_type)) is not None:
        return decoder(raw), []
    raise unsupported_media_type(_BODY_TYPES)


def _decode_yaml(raw: bytes) -> Json:
    from kapp import yamlio
    from kapp.errors import ConfigError

    try:
        value = yamlio.load(raw.decode())
        # YAML can spell half of a surrogate pair, which no JSON and no store can hold.
        msgspec.json.encode(value)
        return value
    except (ConfigError, UnicodeError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


def _decode_json(raw: bytes) -> tuple[Json, list[str]]:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"error decoding the request's body: {error}") from error
    return value, _duplicates(raw)


class _Pairs(dict[str, Any]):
    """A JSON object that remembers which of its keys came twice."""

    twice: tuple[str, ...] = ()


def _duplicates(raw: bytes) -> list[str]:
    found = False

    def keep(pairs: list[tuple[str, Any]]) -> _Pairs:
        nonlocal found
        obj = _Pairs(pairs)
        if len(obj) != len(pairs):
            seen: set[str] = set()
            obj.twice = tuple(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
            found = True
        return obj

    try:
        value = json.loads(raw, object_pairs_hook=keep)
    except (ValueError, RecursionError):
        return []
    return _paths(value, "") if found else []


def _paths(value: Json, path: str) -> list[str]:
    paths: list[str] = []
    if isinstance(value, _Pairs):
        dot = f"{path}." if path else ""
        paths += [f"{dot}{name}" for name in value.twice]
        for name, child in value.items():
            paths += _paths(child, f"{dot}{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            paths += _paths(child, f"{path}[{index}]")
    return paths
