"""The OpenAPI v3 documents of a server: one for each group and version, and their index. Pure.

kubectl reads them to validate what it sends (`fieldValidation` must be among the parameters of a
PATCH), to explain, and to merge. Documents are made when first asked for, and made anew when the
kinds of their group change. Source: k8s.io/kube-openapi/pkg/handler3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from kapp.machinery import metaschema
from kapp.machinery.objects import Json, Object
from kapp.machinery.scheme import Kind, Scheme

_GVK = "x-kubernetes-group-version-kind"
# Enough of SHA-256 to tell documents apart in a URL.
_HASH_CHARS = 32

_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_LIST_PARAMETERS = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETE_PARAMETERS = ("dryRun", "gracePeriodSeconds", "propagationPolicy")


V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def empty_v2(title: str) -> tuple[Object, bytes]:
    """A document of the older form that describes no kind, as JSON and as protobuf.

    kubectl asks for it about a kind that it does not find in version 3; given none of it, it goes
    on to say that there is no such kind. Source of the field numbers: gnostic's OpenAPIv2.proto.
    """
    info = {"title": title, "version": "unversioned"}
    inner = b"".join(
        bytes([number << 3 | 2, len(text)]) + text.encode()
        for number, text in enumerate(info.values(), 1)
    )
    packed = b"\x0a\x032.0" + b"\x12" + bytes([len(inner)]) + inner + b"\x42\x00" + b"\x4a\x00"
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": {}}, packed


class Document(NamedTuple):
    """An encoded document, and the hash that names this edition of it."""

    body: bytes
    hash: str


class OpenApi:
    """Documents of a scheme, cached."""

    def __init__(self, scheme: Scheme, title: str) -> None:
        self._scheme = scheme
        self._title = title
        self._cache: dict[str, tuple[tuple[Kind, ...], Document]] = {}

    def index(self) -> Object:
        """The answer to `/openapi/v3`."""
        paths = {}
        for path in self._paths():
            document = self.document(path)
            if document is not None:
                url = f"/openapi/v3/{path}?hash={document.hash}"
                paths[path] = {"serverRelativeURL": url}
        return {"paths": paths}

    def document(self, path: str) -> Document | None:
        """The document at `/openapi/v3/` + `path` (`api/v1`, `apis/G/V`), if there is one."""
        kinds = tuple(kind for kind in self._scheme if _path(kind) == path)
        if not kinds:
            return None
        cached = self._cache.get(path)
        if cached is not None and len(cached[0]) == len(kinds):
            if all(one is other for one, other in zip(cached[0], kinds, strict=True)):
                return cached[1]
        body = msgspec.json.encode(_document(kinds, self._title))
        document = Document(body, hashlib.sha256(body).hexdigest()[:_HASH_CHARS].upper())
        self._cache[path] = (kinds, document)
        return document

    def _paths(self) -> list[str]:
        return list(dict.fromkeys(_path(kind) for kind in self._scheme))


def _path(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _document(kinds: Iterable[Kind], title: str) -> Object:
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for kind in kinds:
        name = _schema_name(kind)
        schemas[name] = _published(kind)
        paths.update(_kind_paths(kind, name))
        _add_referenced(schemas[name], kind.definitions, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": "unversioned"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schema_name(kind: Kind) -> str:
    for name, schema in kind.definitions.items():
        if schema is kind.schema:
            return name
    reversed_group = ".".join(reversed(kind.group.split("."))) if kind.group else "core"
    return f"{reversed_group}.{kind.version}.{kind.kind}"


def _published(kind: Kind) -> Object:
    properties = dict(kind.schema.get("properties") or {})
    properties.setdefault("apiVersion", {"type": "string", "description": _API_VERSION})
    properties.setdefault("kind", {"type": "string", "description": _KIND})
    properties["metadata"] = {
        "allOf": [{"$ref": f"{metaschema.REF_PREFIX}{metaschema.PREFIX}ObjectMeta"}],
        "default": {},
        "description": "Standard object's metadata.",
    }
    gvk = {"group": kind.group, "kind": kind.kind, "version": kind.version}
    return {"type": "object", **kind.schema, "properties": properties, _GVK: [gvk]}


_API_VERSION = "APIVersion defines the versioned schema of this representation of an object."
_KIND = "Kind is a string value representing the REST resource this object represents."


def _add_referenced(
    schema: Json, definitions: Mapping[str, Mapping[str, Any]], schemas: dict[str, Any]
) -> None:
    """Add to `schemas` what `schema` refers to, directly or not."""
    pending = list(_references(schema))
    while pending:
        name = pending.pop()
        if name in schemas:
            continue
        found = definitions.get(name) or metaschema.DEFINITIONS.get(name)
        schemas[name] = found if found is not None else {"type": "object"}
        pending += _references(schemas[name])


def _references(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "$ref" and isinstance(child, str):
                yield child.rpartition("/")[2]
            else:
                yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _kind_paths(kind: Kind, schema: str) -> Iterator[tuple[str, Any]]:
    namespace = "{namespace}" if kind.namespaced else ""
    collection = kind.resource.path(namespace)
    item = kind.resource.path(namespace, "{name}")
    wanted = {
        collection: (
            ("get", "list", _LIST_PARAMETERS),
            ("post", "create", _WRITE_PARAMETERS),
            ("delete", "deletecollection", (*_LIST_PARAMETERS, *_DELETE_PARAMETERS)),
        ),
        item: (
            ("get", "get", ()),
            ("put", "update", _WRITE_PARAMETERS),
            ("patch", "patch", (*_WRITE_PARAMETERS, "force")),
            ("delete", "delete", _DELETE_PARAMETERS),
        ),
    }
    if kind.has_status:
        wanted[f"{item}/status"] = wanted[item][:3]
    for path, operations in wanted.items():
        yield (
            path,
            {
                method: _operation(kind, verb, parameters, schema)
                for method, verb, parameters in operations
                if verb in kind.verbs
            },
        )


def _operation(kind: Kind, verb: str, parameters: Iterable[str], schema: str) -> Object:
    content = {
        "application/json": {"schema": {"$ref": f"{metaschema.REF_PREFIX}{schema}"}},
    }
    operation: Object = {
        "operationId": f"{verb}{kind.kind}",
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(verb, verb),
        _GVK: {"group": kind.group, "kind": kind.kind, "version": kind.version},
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
            for name in parameters
        ],
        "responses": {"200": {"description": "OK", "content": content}},
    }
    if verb in ("create", "update"):
        operation["requestBody"] = {"content": content, "required": True}
    return operation
