"""Turns a struct into a `Kind` that a server can serve. Called once per kind, at start-up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from kapp.api.schema import PREFIX, REF_PREFIX, defaults_of, definitions_of
from kapp.api.v1alpha1.meta import GROUP, VERSION, TypedObject
from kapp.machinery.objects import Object, metadata_of, name_of
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

T = TypeVar("T", bound=TypedObject)

OBJECT_META_REF = {"$ref": f"{REF_PREFIX}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}


def no_causes(_: Any) -> list[Cause]:
    """The check of a kind whose types say everything."""
    return []


def define(
    cls: type[T],
    *,
    short_names: tuple[str, ...] = (),
    columns: tuple[Column, ...] = (),
    check: Callable[[T], Iterable[Cause]] = no_causes,
    has_status: bool = True,
) -> Kind:
    """The kind of the objects that `cls` views.

    Args:
        cls: A TypedObject with its KIND, PLURAL, and `spec`, `status` or other fields.
        short_names: What a user may type instead of the plural.
        columns: Columns after NAME, before CREATED AT.
        check: What is wrong with an object whose fields all have the right type.
        has_status: Whether status is written separately.
    """
    definitions = definitions_of([cls])
    # Metadata is the server's: it has the schema of every kind's metadata.
    for name in ("ObjectMeta", "OwnerReference"):
        definitions.pop(f"{PREFIX}{name}", None)
    own = definitions.pop(f"{PREFIX}{cls.__name__}")
    schema = {
        **own,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            **own["properties"],
            "metadata": OBJECT_META_REF,
        },
    }
    body = {**own, "properties": {k: v for k, v in own["properties"].items() if k != "metadata"}}

    defaults = defaults_of(body, definitions)

    def default(obj: Object) -> None:
        if defaults is not None:
            defaults.fill(obj)

    def validate(new: Object, _old: Object | None) -> list[Cause]:
        try:
            typed = decode(new, cls)
        except msgspec.ValidationError as error:
            return [_cause_of(error)]
        return list(check(typed))

    return Kind(
        group=GROUP,
        version=VERSION,
        kind=cls.KIND,
        plural=cls.PLURAL,
        short_names=short_names,
        categories=("all",),
        columns=(NAME, *columns, CREATED_AT),
        schema=schema,
        definitions=definitions,
        default=default,
        validate=validate,
        has_status=has_status,
        # Resources are named as in Tilt: `web:deployment:shop`, `(Kappfile)`.
        name_rule="path_segment",
    )


def decode(obj: Object, cls: type[T]) -> T:
    """The typed view of `obj`. Raises msgspec.ValidationError, whose text ends with the path."""
    return msgspec.convert(obj, cls)


def _cause_of(error: msgspec.ValidationError) -> Cause:
    message, _, path = str(error).partition(" - at `$")
    return Cause(path.rstrip("`").lstrip("."), message)


def field(path: str) -> Callable[[Object, Any], Any]:
    """A column's value: what stands at a dotted path of the object, or ""."""
    parts = path.split(".")

    def value(obj: Object, _now: Any) -> Any:
        node: Any = obj
        for part in parts:
            node = (node or {}).get(part)
        return "" if node is None else node

    return value


NAME = Column("Name", lambda obj, _: name_of(obj), description="Name of the object.")
CREATED_AT = Column(
    "Created At",
    lambda obj, _: metadata_of(obj).get("creationTimestamp", ""),
    description="When the object was created (RFC 3339).",
)
