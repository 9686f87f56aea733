"""How each field of a kind merges, read from its OpenAPI v3 schema.

`FieldTypes(schema, definitions)` is the tree's root; children are compiled when they are first
asked for and memoised by `$ref`, so recursive schemas cost nothing until they are walked. Used by
`fieldset` and `apply` (server-side apply) and by `strategic` (strategic merge patches).

A field merges in one of these ways; what a *value* is decides between the last three, so that
objects without a schema work too:

    atomic      one owner for the whole value (x-kubernetes-map-type, x-kubernetes-list-type)
    map         granular: each key by itself; `named` keys are the schema's properties
    map list    items are told apart by `keys` (x-kubernetes-list-map-keys)
    set         items are told apart by their value (x-kubernetes-list-type: set)
    leaf        scalars, and every other list

Source: sigs.k8s.io/structured-merge-diff/schema, k8s.io/kube-openapi/pkg/schemaconv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapp.machinery.objects import Json, Object

_Schema = Mapping[str, Any]


class FieldType:
    """How one field merges. Immutable to callers.

    Attributes:
        atomic: the value has one owner and is replaced as a whole.
        keys: the key fields of a map list; empty for every other type.
        key_defaults: what a missing key field counts as (`protocol: TCP`).
        is_set: a list whose items are its keys.
        patch_merge_key: the key of a list in strategic merge patches; "" if it has none.
        patch_strategies: `merge`, `replace`, `retainKeys`, of strategic merge patches.
    """

    __slots__ = (
        "_children",
        "_element",
        "_element_schema",
        "_properties",
        "_required",
        "_resolver",
        "atomic",
        "is_set",
        "key_defaults",
        "keys",
        "patch_merge_key",
        "patch_strategies",
    )

    def __init__(self, schema: _Schema, resolver: _Resolver) -> None:
        merged = resolver.flatten(schema)
        list_type = merged.get("x-kubernetes-list-type")
        self._resolver = resolver
        self._properties: _Schema = merged.get("properties") or {}
        self._required = frozenset(merged.get("required") or ())
        additional = merged.get("additionalProperties")
        items = merged.get("items")
        self._element_schema = items if isinstance(items, Mapping) else additional
        self._element: FieldType | None = None
        self._children: dict[str, tuple[str, FieldType]] = {}
        self.atomic = merged.get("x-kubernetes-map-type") == "atomic" or list_type == "atomic"
        self.is_set = list_type == "set"
        self.keys: tuple[str, ...] = (
            tuple(merged.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else ()
        )
        self.patch_merge_key = str(merged.get("x-kubernetes-patch-merge-key") or "")
        strategies = str(merged.get("x-kubernetes-patch-strategy") or "")
        self.patch_strategies = frozenset(part for part in strategies.split(",") if part)
        self.key_defaults: dict[str, Json] = self.element.defaults_of(self.keys)

    @property
    def element(self) -> FieldType:
        """The type of a list's items, or of a map's values that no property names."""
        if self._element is None:
            schema = self._element_schema
            self._element = self._resolver.type_of(schema if isinstance(schema, Mapping) else {})
        return self._element

    @property
    def properties(self) -> _Schema:
        """The schemas of the named fields."""
        return self._properties

    def named(self, name: str) -> bool:
        """Whether the schema names this field, rather than it being a key of a map."""
        return name in self._properties

    def child(self, name: str) -> tuple[str, FieldType]:
        """The path element of a map's field (`f:name`), and its type."""
        found = self._children.get(name)
        if found is None:
            schema = self._properties.get(name)
            if schema is None:
                return f"f:{name}", self.element
            found = self._children[name] = (f"f:{name}", self._resolver.type_of(schema))
        return found

    def defaults_of(self, names: tuple[str, ...]) -> dict[str, Json]:
        """The schema's defaults of some named fields."""
        found = ((name, self._properties.get(name) or {}) for name in names)
        return {name: schema["default"] for name, schema in found if "default" in schema}

    def empty(self) -> Object:
        """What a new, empty object of a compiled-in kind holds: its non-optional structs.

        A real server compares the first write with this object, which decides where managed
        fields get a `.` entry. OpenAPI marks such structs with `default: {}`.
        """
        filled: Object = {}
        for name, schema in self._properties.items():
            if schema.get("default") == {} and ("allOf" in schema or "$ref" in schema):
                filled[name] = self.child(name)[1].empty()
            elif name in self._required and "default" not in schema:
                filled[name] = None
        return filled


class _Resolver:
    """Follows `$ref`s and holds what has been compiled, for one set of definitions."""

    def __init__(self, definitions: Mapping[str, _Schema]) -> None:
        self._definitions = definitions
        self._by_ref: dict[str, FieldType] = {}
        # schemaless values: maps are granular, lists are atomic, all the way down
        self.untyped = FieldType.__new__(FieldType)
        self._make_untyped(self.untyped)

    def _make_untyped(self, untyped: FieldType) -> None:
        untyped._resolver = self
        untyped._properties = {}
        untyped._required = frozenset()
        untyped._element_schema = None
        untyped._element = untyped
        untyped._children = {}
        untyped.atomic = untyped.is_set = False
        untyped.keys = ()
        untyped.key_defaults = {}
        untyped.patch_merge_key = ""
        untyped.patch_strategies = frozenset()

    def flatten(self, schema: _Schema) -> _Schema:
        """The schema with `$ref` and a single `allOf` resolved; the referring side wins."""
        while True:
            parts = schema.get("allOf")
            if "$ref" in schema:
                target = self._definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
                rest = {name: value for name, value in schema.items() if name != "$ref"}
            elif isinstance(parts, list) and len(parts) == 1:
                target = parts[0]
                rest = {name: value for name, value in schema.items() if name != "allOf"}
            else:
                return schema
            schema = {**target, **rest}

    def type_of(self, schema: _Schema) -> FieldType:
        """The compiled type; the same one for each plain reference to a definition."""
        ref = schema.get("$ref")
        if ref is None:
            parts = schema.get("allOf")
            if isinstance(parts, list) and len(parts) == 1 and not _has_extension(schema):
                ref = parts[0].get("$ref")
        if ref is None:
            return FieldType(schema, self) if _says_something(schema) else self.untyped
        if (known := self._by_ref.get(ref)) is None:
            known = self._by_ref[ref] = FieldType(schema, self)
        return known


def _has_extension(schema: _Schema) -> bool:
    return any(name.startswith("x-kubernetes-") for name in schema)


def _says_something(schema: _Schema) -> bool:
    return (
        "properties" in schema
        or "items" in schema
        or "allOf" in schema
        or isinstance(schema.get("additionalProperties"), Mapping)
        or _has_extension(schema)
    )


class FieldTypes(FieldType):
    """The types of a whole object.

    Args:
        schema: OpenAPI v3 schema of the kind; empty for objects without one.
        definitions: what `$ref`s name, by the last part of the reference.

    `metadata` merges as ObjectMeta does, whatever the schema says: custom kinds leave it out.
    """

    __slots__ = ()

    def __init__(self, schema: _Schema, definitions: Mapping[str, _Schema] | None = None) -> None:
        resolver = _Resolver(definitions or {})
        flat = dict(resolver.flatten(schema))
        named = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        properties = {**named, **(flat.get("properties") or {})}
        if not (resolver.flatten(properties.get("metadata") or {}).get("properties")):
            properties["metadata"] = _OBJECT_META
        super().__init__({**flat, "properties": properties}, resolver)


_GRANULAR: _Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_META_SCALARS = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
_OBJECT_META: _Schema = {
    "type": "object",
    "properties": {
        "annotations": _GRANULAR,
        "labels": _GRANULAR,
        **{name: {"type": "string"} for name in _META_SCALARS},
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "ownerReferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"uid": {"type": "string"}},
                "x-kubernetes-map-type": "atomic",
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "uid",
        },
        "managedFields": {"type": "array", "x-kubernetes-list-type": "atomic"},
    },
}
