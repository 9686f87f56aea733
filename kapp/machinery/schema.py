"""Checks objects against the OpenAPI schemas of their kinds: unknown fields, types, values. Pure.

A kind's schema is compiled once, lazily, into nodes; checking a Deployment then takes tens of
microseconds. Unknown fields are removed, as the real server drops them, and reported: what is done
with the report is the request's business (`fieldValidation`). A null is an absent field unless
the schema allows it.

`metadata` is always checked against the server's own schema (`metaschema`). Source of the
sentences: k8s.io/kube-openapi/pkg/validation/errors and apiserver's field validation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from kapp.machinery import metaschema
from kapp.machinery.objects import Json, Object
from kapp.machinery.schemarules import Rule, json_type, rules_of
from kapp.machinery.status import Cause

_DEEPEST = 200
"""Levels of nesting: deeper is refused rather than exhausting the stack."""


_LARGEST_INT64 = (1 << 63) - 1
_LARGEST_INT32 = (1 << 31) - 1


class Findings(NamedTuple):
    """What a check found; both empty when all is well."""

    unknown: list[str]
    """Paths of fields that the schema does not have, such as `spec.template.spec.foo`."""
    causes: list[Cause]
    """Values that are wrong, with the path of each."""


class _Node(msgspec.Struct):
    """One schema, resolved. Children are compiled when first needed: schemas may be recursive."""

    schema: Mapping[str, Any]
    types: frozenset[str] = frozenset()
    nullable: bool = False
    largest: int = _LARGEST_INT64
    open: bool = True
    properties: dict[str, _Node] = msgspec.field(default_factory=dict)
    pending: dict[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    additional: _Node | None = None
    items: _Node | None = None
    required: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    plain_text: bool = False
    """Any text will do."""


class Checker:
    """The compiled schema of one kind.

    Args:
        schema: OpenAPI v3 schema of the whole object.
        definitions: what its `$ref`s name.
        closed: a map without properties is empty, as in the schemas of custom kinds; else it may
            hold anything.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        definitions: Mapping[str, Mapping[str, Any]],
        *,
        closed: bool = False,
    ) -> None:
        self._closed = closed
        self._definitions = definitions
        self._by_ref: dict[str, _Node] = {}
        self._root = self._compile(schema)

    def check_types(self, obj: Object) -> Findings:
        """Find unknown fields and wrong types; removes unknown fields and nulls, in place."""
        findings = Findings([], [])
        meta = obj.get("metadata")
        if isinstance(meta, dict):
            _Walk(_META, findings, values=False).visit(meta, _META._root, "metadata")
        body = {k: v for k, v in obj.items() if k not in _IMPLIED}
        names = list(body)
        _Walk(self, findings, values=False).visit(body, self._root, "")
        for name in names:
            if name not in body:
                del obj[name]
        return findings

    def check_values(self, obj: Object) -> list[Cause]:
        """Required fields, enums, limits and so on, of an object whose types are right."""
        findings = Findings([], [])
        body = {k: v for k, v in obj.items() if k not in _IMPLIED}
        _Walk(self, findings, types=False).visit(body, self._root, "")
        return findings.causes

    def struct_field(self, path: str) -> tuple[str, bool]:
        """The part of a field's path that Go's decoder names, and whether it is a map of strings.

        That is the path without the keys of a map: a decoder knows the fields of its structs.
        """
        node, known = self._root, []
        for name in path.split("."):
            child = self._child(node, name.partition("[")[0])
            if child is None or child is node.additional:
                break
            known.append(name)
            node = child.items if "[" in name and child.items is not None else child
        of_strings = node.additional is not None and node.additional.types == {"string"}
        return ".".join(known) or path, of_strings

    def _compile(self, schema: Mapping[str, Any]) -> _Node:
        reference = _reference(schema)
        if reference is not None:
            node = self._by_ref.get(reference)
            if node is None:
                target = self._definitions.get(reference)
                if target is None:
                    target = metaschema.DEFINITIONS.get(reference, {})
                node = self._by_ref[reference] = self._build(target)
            return node
        return self._build(schema)

    def _build(self, schema: Mapping[str, Any]) -> _Node:
        if _reference(schema) is not None:
            return self._compile(schema)
        node = _Node(schema, types=_types(schema), nullable=bool(schema.get("nullable")))
        if schema.get("format") in ("int32", "int-or-string"):
            node.largest = _LARGEST_INT32
        node.pending = dict(schema.get("properties") or {})
        additional = schema.get("additionalProperties")
        preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        if isinstance(additional, Mapping):
            node.additional = self._compile(additional)
        bare = not node.pending and additional is None
        node.open = preserve or additional is True or (bare and not self._closed)
        if isinstance(items := schema.get("items"), Mapping):
            node.items = self._compile(items)
        node.required = tuple(schema.get("required") or ())
        node.rules = rules_of(schema, self._sub_checker)
        node.plain_text = "string" in node.types and not node.rules
        return node

    def _sub_checker(self, schema: Mapping[str, Any]) -> Callable[[Json], bool]:
        """For anyOf, oneOf and not: whether a value satisfies a schema; nothing is removed."""
        node = self._build({"x-kubernetes-preserve-unknown-fields": True, **schema})

        def satisfied(value: Json) -> bool:
            findings = Findings([], [])
            _Walk(self, findings).visit(value, node, "")
            return not findings.causes

        return satisfied

    def _child(self, node: _Node, name: str) -> _Node | None:
        child = node.properties.get(name)
        if child is None and name in node.pending:
            child = node.properties[name] = self._compile(node.pending.pop(name))
        return child or node.additional


class _Walk:
    """One check of one value."""

    __slots__ = ("_checker", "_depth", "_findings", "_prune", "_values")

    def __init__(
        self, checker: Checker, findings: Findings, *, types: bool = True, values: bool = True
    ) -> None:
        self._checker = checker
        self._findings = findings
        self._prune = types and not values
        self._values = values
        self._depth = 0

    def visit(self, value: Json, node: _Node, path: str) -> None:
        if node.types and not _has_type(value, node.types, node.largest):
            self._wrong_type(value, node, path)
            return
        if self._depth > _DEEPEST:
            self._findings.causes.append(Cause(path, "Invalid value: nested too deeply"))
            return
        self._depth += 1
        if isinstance(value, dict):
            self._object(value, node, path)
        elif isinstance(value, list) and node.items is not None:
            for index, item in enumerate(value):
                self.visit(item, node.items, f"{path}[{index}]")
        if self._values:
            for rule in node.rules:
                if (cause := rule(value, path)) is not None:
                    self._findings.causes.append(cause)
        self._depth -= 1

    def _object(self, value: dict[str, Json], node: _Node, path: str) -> None:
        dropped: list[str] = []
        child_of = self._checker._child
        for name, child_value in value.items():
            child = child_of(node, name)
            if child is None:
                if not node.open:
                    self._findings.unknown.append(f"{path}.{name}" if path else name)
                    dropped.append(name)
            elif child_value is None:
                if child is node.additional and "string" in child.types and self._prune:
                    value[name] = ""  # Go's zero value: the key is there
                elif child.types and not child.nullable:
                    dropped.append(name)
            elif type(child_value) is str and child.plain_text:
                continue  # most values are text, and most text may be any
            else:
                self.visit(child_value, child, f"{path}.{name}" if path else name)
        if self._prune:
            for name in dropped:
                del value[name]
        if self._values:
            self._required(value, node, path)

    def _required(self, value: dict[str, Json], node: _Node, path: str) -> None:
        for name in node.required:
            if name not in value and (path or name not in _IMPLIED):
                where = f"{path}.{name}" if path else name
                self._findings.causes.append(Cause(where, "Required value", "FieldValueRequired"))

    def _wrong_type(self, value: Json, node: _Node, path: str) -> None:
        wanted = "integer,string" if len(node.types) > 1 else next(iter(node.types))
        got = json_type(value)
        self._findings.causes.append(
            Cause(
                path,
                f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"',
                "FieldValueTypeInvalid",
            )
        )


_IMPLIED = frozenset(["apiVersion", "kind", "metadata"])


def _reference(schema: Mapping[str, Any]) -> str | None:
    """The definition that a schema is, if it is no more than a reference with a description."""
    reference = schema.get("$ref")
    if reference is None and "properties" not in schema and "type" not in schema:
        parts: list[Mapping[str, Any]] = schema.get("allOf") or []
        if len(parts) == 1:
            reference = parts[0].get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return frozenset(["integer", "string"])
    alternatives = schema.get("oneOf") or schema.get("anyOf") or ()
    if "type" in schema:
        return frozenset([schema["type"]])
    # Kubernetes publishes Quantity and IntOrString as alternatives of plain types.
    if alternatives and all(set(a) <= {"type", "format"} and "type" in a for a in alternatives):
        return frozenset(a["type"] for a in alternatives)
    if "properties" in schema:
        return frozenset(["object"])
    return frozenset()


def _has_type(value: Json, types: frozenset[str], largest: int) -> bool:
    found = json_type(value)
    if found not in ("integer", "number"):
        return found in types
    # A whole number is a number, and 3.0 is an integer, as in JSON Schema.
    if "number" in types:
        return True
    whole = found == "integer" or value.is_integer()
    return "integer" in types and whole and -largest - 1 <= value <= largest


_META = Checker(metaschema.OBJECT_META, metaschema.DEFINITIONS)
