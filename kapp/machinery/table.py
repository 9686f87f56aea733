"""Objects as the table that `kubectl get` prints, rendered by the server. Pure.

Source: KEP "server-side get"; k8s.io/apimachinery/pkg/apis/meta/v1 Table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, metadata_of, name_of
from kapp.machinery.scheme import Column, Kind

IncludeObject = Literal["None", "Metadata", "Object"]

NAME_COLUMN = Column(
    "Name",
    lambda obj, _now: name_of(obj),
    description="Name must be unique within a namespace.",
)
AGE_COLUMN = Column(
    "Age",
    lambda obj, now: human_age(metadata_of(obj).get("creationTimestamp"), now),
    description="Time since the object was created.",
)


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's columns; name and age for a kind that has none."""
    return kind.columns or (NAME_COLUMN, AGE_COLUMN)


def render_table(
    kind: Kind,
    objects: Iterable[Object],
    now: datetime,
    *,
    include: IncludeObject = "Metadata",
    headers: bool = True,
    metadata: Object | None = None,
) -> Object:
    """A Table with a row for each object.

    `include` says what each row carries of its object. `headers` describes the columns, which a
    watch does in its first event only. `metadata` is the list's.
    """
    columns = columns_of(kind)
    rows = []
    for obj in objects:
        row: dict[str, Any] = {"cells": [column.value(obj, now) for column in columns]}
        if include != "None":
            row["object"] = obj if include == "Object" else partial_metadata(obj)
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [_definition(column) for column in columns] if headers else [],
        "rows": rows,
    }


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.description,
        "priority": column.priority,
    }


def partial_metadata(obj: Object) -> Object:
    """The object's metadata alone, as a PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata_of(obj),
    }
