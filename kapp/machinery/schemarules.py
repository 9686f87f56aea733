"""The value rules of an OpenAPI schema (enum, minimum, pattern, oneOf, …), compiled. Pure.

Used by `schema.Checker` for kinds whose schema is their validation, such as custom resources.
Sentences as in k8s.io/kube-openapi/pkg/validation/errors/schema.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from kapp.machinery.formats import FORMATS
from kapp.machinery.objects import Json
from kapp.machinery.status import Cause

Rule: TypeAlias = Callable[[Json, str], Cause | None]
"""Given a value and its path: what is wrong, or None."""

SubChecker: TypeAlias = Callable[[Mapping[str, Any]], Callable[[Json], bool]]


def json_type(value: Json) -> str:
    """The JSON type of a value: object, array, string, boolean, integer, number or null."""
    return _TYPES.get(type(value), "null")


_TYPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def quoted(value: Json) -> str:
    """A value as messages show it."""
    return msgspec.json.encode(value).decode()


def rules_of(schema: Mapping[str, Any], sub_checker: SubChecker) -> tuple[Rule, ...]:
    """The rules of one schema, not of its children."""
    return (*_value_rules(schema), *_size_rules(schema), *_logic_rules(schema, sub_checker))


def _value_rules(schema: Mapping[str, Any]) -> Iterator[Rule]:
    if (allowed := schema.get("enum")) is not None:
        yield _enum(list(allowed))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        strict = bool(schema.get("exclusiveMinimum"))
        yield _number(lambda v: v > low if strict else v >= low, f"should be {word} {low}")
    if high is not None:
        below = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        strictly = bool(schema.get("exclusiveMaximum"))
        yield _number(lambda v: v < high if strictly else v <= high, f"should be {below} {high}")
    if factor := schema.get("multipleOf"):
        yield _number(lambda v: v % factor == 0, f"should be a multiple of {factor}")
    name = schema.get("format") if schema.get("type") == "string" else None
    if (fits := FORMATS.get(str(name))) is not None:
        yield _format(fits, str(name))
    if (pattern := schema.get("pattern")) is not None:
        try:
            search = re.compile(pattern).search
        except re.error:
            return  # written for Go's engine: better unchecked than every object refused
        yield _text(lambda v: search(v) is not None, f"should match '{pattern}'")


def _size_rules(schema: Mapping[str, Any]) -> Iterator[Rule]:
    for key, kind, text in (
        ("minLength", str, "should be at least {} chars long"),
        ("maxLength", str, "should be at most {} chars long"),
        ("minItems", list, "should have at least {} items"),
        ("maxItems", list, "should have at most {} items"),
        ("minProperties", dict, "should have at least {} properties"),
        ("maxProperties", dict, "should have at most {} properties"),
    ):
        if (limit := schema.get(key)) is not None:
            yield _size(kind, limit, key.startswith("min"), text.format(limit))
    if schema.get("uniqueItems") or schema.get("x-kubernetes-list-type") == "set":
        yield _unique
    if schema.get("x-kubernetes-list-type") == "map":
        yield _unique_keys(tuple(schema.get("x-kubernetes-list-map-keys") or ()))


def _logic_rules(schema: Mapping[str, Any], sub_checker: SubChecker) -> Iterator[Rule]:
    if "type" not in schema and schema.get("oneOf") and _plain(schema["oneOf"]):
        return  # the alternatives are types only, which the type check has seen to
    for key, holds, text in (
        ("anyOf", lambda n, _: n > 0, "must validate at least one schema (anyOf)"),
        ("oneOf", lambda n, _: n == 1, "must validate one and only one schema (oneOf)"),
        ("allOf", lambda n, total: n == total, "must validate all the schemas (allOf)"),
    ):
        if parts := schema.get(key):
            yield _logic([sub_checker(part) for part in parts], holds, text)
    if (banned := schema.get("not")) is not None:
        yield _logic(
            [sub_checker(banned)], lambda n, _: n == 0, "must not validate the schema (not)"
        )


def _plain(parts: list[Mapping[str, Any]]) -> bool:
    return all(set(part) <= {"type", "format"} for part in parts)


def _invalid(value: Json, path: str, text: str) -> Cause:
    return Cause(path, f"Invalid value: {quoted(value)}: {path} in body {text}")


def _enum(allowed: list[Json]) -> Rule:
    listed = ", ".join(quoted(value) for value in allowed)

    def rule(value: Json, path: str) -> Cause | None:
        if value in allowed:
            return None
        return Cause(
            path,
            f"Unsupported value: {quoted(value)}: supported values: {listed}",
            "FieldValueNotSupported",
        )

    return rule


def _number(holds: Callable[[Any], bool], text: str) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        if not isinstance(value, int | float) or isinstance(value, bool) or holds(value):
            return None
        return _invalid(value, path, text)

    return rule


def _text(holds: Callable[[str], bool], text: str) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        return None if not isinstance(value, str) or holds(value) else _invalid(value, path, text)

    return rule


def _format(fits: Callable[[str], bool], name: str) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        if not isinstance(value, str) or fits(value):
            return None
        return _invalid(value, path, f"must be of type {name}: {quoted(value)}")

    return rule


def _size(kind: type, limit: int, minimum: bool, text: str) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        if not isinstance(value, kind):
            return None
        size = len(value)  # type: ignore[arg-type]  # str, list or dict
        return (
            None if (size >= limit if minimum else size <= limit) else _invalid(value, path, text)
        )

    return rule


def _unique(value: Json, path: str) -> Cause | None:
    if not isinstance(value, list):
        return None
    seen: list[Json] = []
    for item in value:
        if item in seen:
            return Cause(path, f"Duplicate value: {quoted(item)}", "FieldValueDuplicate")
        seen.append(item)
    return None


def _unique_keys(keys: tuple[str, ...]) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        seen: set[bytes] = set()
        for index, item in enumerate(value if isinstance(value, list) else ()):
            found = {key: item.get(key) for key in keys} if isinstance(item, dict) else {}
            encoded = msgspec.json.encode(found)
            if found and encoded in seen:
                return Cause(
                    f"{path}[{index}]", f"Duplicate value: {quoted(found)}", "FieldValueDuplicate"
                )
            seen.add(encoded)
        return None

    return rule


def _logic(
    parts: list[Callable[[Json], bool]], holds: Callable[[int, int], bool], text: str
) -> Rule:
    def rule(value: Json, path: str) -> Cause | None:
        if holds(sum(part(value) for part in parts), len(parts)):
            return None
        return Cause(path, f'Invalid value: "{path}" {text}')

    return rule
