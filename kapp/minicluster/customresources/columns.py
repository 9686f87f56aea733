"""The columns that a CustomResourceDefinition adds to `kubectl get`.

Source: apiextensions-apiserver/pkg/registry/customresource/tableconvertor/tableconvertor.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kapp.machinery import gojson
from kapp.machinery.duration import human_duration
from kapp.machinery.jsonpath import JsonPathError, Template
from kapp.machinery.objects import Json, Object, parse_time
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import AGE, NAME


def columns_of(definitions: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The name, then the additional columns; the age if there are none."""
    found = tuple(_column(definition) for definition in definitions)
    return (NAME, *found) if found else (NAME, AGE)


def _column(definition: Mapping[str, Any]) -> Column:
    path, kind = definition["jsonPath"], definition["type"]
    template = Template(f"{{{path}}}")

    def value(obj: Object, now: datetime) -> Json:
        try:
            found = template.find(obj)
        except JsonPathError:
            return None
        return _cell(kind, found[0], now) if found else None

    return Column(
        definition["name"],
        value,
        kind,
        definition.get("description")
        or f"Custom resource definition column (in JSONPath format): {path}",
        int(definition.get("priority") or 0),
    )


def _cell(kind: str, value: Json, now: datetime) -> Json:
    """A value as its column's type shows it; None for one of another type."""
    if kind == "string":
        if isinstance(value, dict | list):
            return gojson.encode(value)
        return None if value is None else gojson.value_text(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        return _date(value, now) if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" else float(value)


def _date(text: str, now: datetime) -> str:
    try:
        return human_duration((now - parse_time(text)).total_seconds())
    except (ValueError, TypeError):
        return "<invalid>"
