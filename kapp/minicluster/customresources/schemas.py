"""Structural schemas: defaults, and what a schema says without saying it. Pure.

Source: apiextensions-apiserver/pkg/apiserver/schema/defaulting/algorithm.go and
pkg/controller/openapi/builder/builder.go (embedded resources).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from kapp.machinery.metaschema import PREFIX, REF_PREFIX
from kapp.machinery.objects import Json, Object

Schema = Mapping[str, Any]

_IMPLIED = ("apiVersion", "kind", "metadata")


def published(schema: Schema) -> dict[str, Any]:
    """The schema with the fields that embedded resources have by nature."""
    result = _map_children(schema, published)
    if schema.get("x-kubernetes-embedded-resource"):
        properties = dict(result.get("properties") or {})
        properties.setdefault("apiVersion", {"type": "string"})
        properties.setdefault("kind", {"type": "string"})
        properties["metadata"] = {"allOf": [{"$ref": f"{REF_PREFIX}{PREFIX}ObjectMeta"}]}
        result["properties"] = properties
    return result


def _map_children(schema: Schema, change: Callable[[Schema], dict[str, Any]]) -> dict[str, Any]:
    result = dict(schema)
    if isinstance(properties := schema.get("properties"), Mapping):
        result["properties"] = {name: change(child) for name, child in properties.items()}
    for name in ("items", "additionalProperties"):
        if isinstance(child := schema.get(name), Mapping):
            result[name] = change(child)
    return result


def defaulter(schema: Schema) -> Callable[[Object], None] | None:
    """What fills in the defaults of an object, in place; None if there are none to fill in."""
    properties = {
        name: child
        for name, child in (schema.get("properties") or {}).items()
        if name not in _IMPLIED
    }
    root = {**schema, "properties": properties}
    if not _has_defaults(root):
        return None

    def fill(obj: Object) -> None:
        _fill(obj, root)

    return fill


def _children(schema: Schema) -> list[Schema]:
    found = list((schema.get("properties") or {}).values())
    found += [schema.get("items"), schema.get("additionalProperties")]
    return [child for child in found if isinstance(child, Mapping)]


def _has_defaults(schema: Schema) -> bool:
    return any("default" in child or _has_defaults(child) for child in _children(schema))


def _fill(value: Json, schema: Schema) -> None:
    if isinstance(value, list):
        if isinstance(items := schema.get("items"), Mapping):
            for item in value:
                _fill(item, items)
        return
    if not isinstance(value, dict):
        return
    properties: Schema = schema.get("properties") or {}
    for name, child in properties.items():
        absent = name not in value or (value[name] is None and not child.get("nullable"))
        if absent and "default" in child:
            value[name] = deepcopy(child["default"])
    additional = schema.get("additionalProperties")
    for name, below in value.items():
        child = properties.get(name, additional)
        if isinstance(child, Mapping):
            _fill(below, child)
