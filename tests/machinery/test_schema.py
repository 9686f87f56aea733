"""Schema checks: unknown fields, types, values, and the sentences for them."""

from __future__ import annotations

from typing import Any

import pytest

from kapp.machinery.schema import Checker

DEFINITIONS = {
    "test.Part": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/test.Part"}},
            "port": {"$ref": "#/components/schemas/io.k8s.IntOrString"},
        },
        "required": ["name"],
    },
    "io.k8s.IntOrString": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
}
SPEC = {
    "type": "object",
    "properties": {
        "count": {"type": "integer", "minimum": 1, "maximum": 3},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "on": {"type": "boolean"},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
        "broken": {"type": "string", "pattern": "(?<x"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object"},
        "any": {},
        "maybe": {"type": "string", "nullable": True},
        "part": {"allOf": [{"$ref": "#/components/schemas/test.Part"}], "default": {}},
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "map": {
            "type": "array",
            "items": {"type": "object", "properties": {"k": {"type": "string"}}},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
        },
        "either": {"x-kubernetes-int-or-string": True},
        "open": {
            "type": "object",
            "properties": {"known": {"type": "integer"}},
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "choice": {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}],
        },
        "no": {"type": "integer", "not": {"enum": [13]}},
    },
}
CHECKER = Checker({"type": "object", "properties": {"spec": SPEC}}, DEFINITIONS)


def check(spec: Any) -> tuple[list[str], dict[str, str], Any]:
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec}
    found = CHECKER.check_types(obj)
    causes = found.causes or CHECKER.check_values(obj)
    return found.unknown, {c.field: c.message for c in causes}, obj.get("spec")


def test_what_fits_passes_unchanged() -> None:
    spec = {
        "count": 2,
        "ratio": 1,
        "on": False,
        "mode": "a",
        "code": "AB",
        "broken": "anything",
        "labels": {"a": "b"},
        "free": {"x": [1, {"y": None}]},
        "any": [1, "x"],
        "maybe": None,
        "part": {"name": "p", "parts": [{"name": "q", "parts": []}], "port": "http"},
        "set": ["a", "b"],
        "map": [{"k": "a"}, {"k": "b"}],
        "either": 5,
        "open": {"known": 1, "unknown": {"x": 1}},
        "choice": {"x": 1},
        "no": 12,
    }
    unknown, causes, after = check(spec)
    assert (unknown, causes) == ([], {})
    assert after == spec


def test_unknown_fields_are_named_and_dropped() -> None:
    spec = {"foo": 1, "part": {"name": "p", "parts": [{"name": "q", "bar": 2}]}, "free": {"z": 1}}
    unknown, causes, after = check(spec)
    assert unknown == ["spec.foo", "spec.part.parts[0].bar"]
    assert causes == {}
    assert after == {"part": {"name": "p", "parts": [{"name": "q"}]}, "free": {"z": 1}}


def test_nulls_are_absent_fields() -> None:
    assert check({"count": None, "maybe": None}) == ([], {}, {"maybe": None})
    obj: dict[str, Any] = {"metadata": {"name": "x", "labels": None}, "spec": None}
    CHECKER.check_types(obj)
    assert obj == {"metadata": {"name": "x"}}


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (5, "spec", 'Invalid value: "integer": spec in body must be of type object: "integer"'),
        (
            {"count": "x"},
            "spec.count",
            'Invalid value: "string": spec.count in body must be of type integer: "string"',
        ),
        ({"count": True}, "spec.count", None),
        ({"count": 1.5}, "spec.count", None),
        ({"ratio": "1"}, "spec.ratio", None),
        ({"on": 1}, "spec.on", None),
        ({"labels": {"a": 1}}, "spec.labels.a", None),
        ({"set": {}}, "spec.set", None),
        ({"either": 1.5}, "spec.either", None),
        (
            {"count": 0},
            "spec.count",
            "Invalid value: 0: spec.count in body should be greater than or equal to 1",
        ),
        ({"count": 4}, "spec.count", None),
        ({"ratio": 0}, "spec.ratio", None),
        (
            {"mode": "c"},
            "spec.mode",
            'Unsupported value: "c": supported values: "a", "b"',
        ),
        ({"code": "ab"}, "spec.code", None),
        ({"part": {}}, "spec.part.name", "Required value"),
        ({"part": {"name": ""}}, "spec.part.name", None),
        ({"part": {"name": "a", "parts": [{"port": 1}]}}, "spec.part.parts[0].name", None),
        ({"set": ["a", "a"]}, "spec.set", 'Duplicate value: "a"'),
        ({"map": [{"k": "a"}, {"k": "a"}]}, "spec.map[1]", 'Duplicate value: {"k":"a"}'),
        ({"choice": {"x": 1, "y": 2}}, "spec.choice", None),
        ({"choice": {}}, "spec.choice", None),
        ({"no": 13}, "spec.no", None),
    ],
)
def test_what_does_not_fit_is_explained(spec: Any, field: str, message: str | None) -> None:
    _, causes, _ = check(spec)
    assert list(causes) == [field]
    if message is not None:
        assert causes[field] == message


def test_endless_nesting_is_refused() -> None:
    part: dict[str, Any] = {"name": "p"}
    for _ in range(400):
        part = {"name": "p", "parts": [part]}
    _, causes, _ = check({"part": part})
    assert next(iter(causes.values())) == "Invalid value: nested too deeply"


def test_metadata_has_the_servers_schema() -> None:
    obj: dict[str, Any] = {"metadata": {"name": "x", "foo": 1, "labels": {"a": 1}}}
    found = CHECKER.check_types(obj)
    assert found.unknown == ["metadata.foo"]
    assert [c.field for c in found.causes] == ["metadata.labels.a"]


@pytest.mark.parametrize(
    ("schema", "value", "fits"),
    [
        ({"type": "integer", "format": "int32"}, 2**31 - 1, True),
        ({"type": "integer", "format": "int32"}, 2**31, False),
        ({"type": "integer", "format": "int32"}, -(2**31), True),
        ({"type": "integer", "format": "int64"}, 2**31, True),
        ({"type": "integer"}, 2**63, False),
        ({"type": "integer"}, 1e20, False),
        ({"type": "integer"}, 3.0, True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, 1e20, True),
        ({"x-kubernetes-int-or-string": True}, "1e20", True),
    ],
)
def test_integers_have_the_size_that_go_gives_them(schema: Any, value: Any, fits: bool) -> None:
    checker = Checker({"type": "object", "properties": {"n": schema}}, {})
    assert (checker.check_types({"n": value}).causes == []) == fits
