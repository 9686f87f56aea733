"""Objects of built-in kinds as they are once they went through Go's types.

A real API server decodes what it is sent into structs and stores what it encodes from those: zero
values of most fields are left out, nulls too, and quantities are written in one way. What owners
own and what conflicts are depends on it. Which fields keep a zero value is package data, made by
`tools/build_minicluster_zero_values.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from kapp.machinery.objects import Json, Object
from kapp.minicluster import openapi
from kapp.minicluster.quantities import canonical_quantity

_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_DROPPED: tuple[Json, ...] = ("", 0, False, [], {})


class _Field(NamedTuple):
    """A field: whether a zero value is left out, and which definition it or its items have."""

    omitted: bool
    definition: str


def typed(name: str, default: Callable[[Object], None] | None = None) -> Callable[[Object], None]:
    """Puts an object of the definition `io.k8s.api.` + `name` into that form, then defaults it.

    `metadata` is left alone: it is the same for all kinds, and `drop_empty_metadata`'s business.
    """

    def complete(obj: Object) -> None:
        rest = {name: value for name, value in obj.items() if name != "metadata"}
        _tidy(rest, f"io.k8s.api.{name}")
        for gone in obj.keys() - rest.keys() - {"metadata"}:
            del obj[gone]
        obj.update(rest)
        if default is not None:
            default(obj)

    return complete


@cache
def _zero_values() -> dict[str, list[str]]:
    table: dict[str, list[str]] = msgspec.json.decode(
        files("kapp.minicluster").joinpath("data", "zero_values.json").read_bytes()
    )
    return table


@cache
def _fields(definition: str) -> dict[str, _Field]:
    properties = openapi.definitions().get(definition, {}).get("properties") or {}
    kept = _zero_values().get(definition, ())
    return {
        name: _Field("type" in schema and name not in kept, _definition_of(schema))
        for name, schema in properties.items()
    }


def _definition_of(schema: dict[str, Any]) -> str:
    while True:
        inner = schema.get("items") or schema.get("additionalProperties")
        if isinstance(inner, dict):
            schema = inner
        elif schema.get("allOf"):
            schema = schema["allOf"][0]
        else:
            return str(schema.get("$ref", "")).rpartition("/")[2]


def _tidy(obj: dict[str, Any], definition: str) -> None:
    fields = _fields(definition)
    for name in list(obj):
        field, value = fields.get(name), obj[name]
        if value is None:
            del obj[name]
        elif field is None:
            continue
        elif field.omitted and value in _DROPPED:
            del obj[name]
        elif field.definition == _QUANTITY:
            obj[name] = _each_canonical(value)
        elif field.definition:
            _tidy_items(value, field.definition)


def _tidy_items(value: Json, definition: str) -> None:
    if isinstance(value, list):
        for item in value:
            _tidy_items(item, definition)
    elif isinstance(value, dict):
        _tidy(value, definition)


def _each_canonical(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: canonical_quantity(amount) for name, amount in value.items()}
    return canonical_quantity(value)
