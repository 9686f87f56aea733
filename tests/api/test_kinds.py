"""The kinds as a server serves them: defaults, validation, columns, schemas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kapp.api.v1alpha1.meta import API_VERSION
from kapp.api.v1alpha1.scheme import scheme
from kapp.machinery.objects import Object, format_time

SCHEME = scheme()
NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


def make(kind: str, spec: Object, **rest: Any) -> Object:
    obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    return {**obj, **rest}


def causes(obj: Object) -> list[str]:
    kind = SCHEME.by_name(obj["kind"])
    assert kind is not None
    kind.default(obj)
    return [cause.field for cause in kind.validate(obj, None)]


def cells(obj: Object) -> dict[str, Any]:
    kind = SCHEME.by_name(obj["kind"])
    assert kind is not None
    return {column.name: column.value(obj, NOW) for column in kind.columns}


@pytest.mark.parametrize(
    ("name", "plural"),
    [
        ("ka", "kubernetesapplys"),
        ("kapp", "kubernetesapplys"),
        ("kd", "kubernetesdiscoveries"),
        ("kdisco", "kubernetesdiscoveries"),
        ("pf", "portforwards"),
        ("pls", "podlogstreams"),
        ("kf", "kappfiles"),
        ("fw", "filewatches"),
        ("cm", "configmaps"),
        ("cluster", "clusters"),
        ("uiresource", "uiresources"),
        ("session", "sessions"),
    ],
)
def test_names_a_user_types(name: str, plural: str) -> None:
    kind = SCHEME.by_name(name)
    assert kind is not None
    assert kind.plural == plural


def test_forwards_always_name_container_port_and_host() -> None:
    obj = make(
        "KubernetesApply",
        {"yaml": "x", "portForwardTemplateSpec": {"forwards": [{"localPort": 8000}]}},
    )
    assert causes(obj) == []
    assert obj["spec"]["portForwardTemplateSpec"] == {
        "forwards": [{"localPort": 8000, "containerPort": 0, "host": "localhost"}]
    }


@pytest.mark.parametrize(
    ("obj", "fields"),
    [
        (make("KubernetesApply", {}), ["spec"]),
        (make("KubernetesApply", {"yaml": "x", "applyCmd": {"args": ["a"]}}), ["spec"]),
        (make("KubernetesApply", {"applyCmd": {"args": []}}), ["spec.applyCmd.args"]),
        (make("KubernetesApply", {"yaml": "x", "timeout": "soon"}), ["spec.timeout"]),
        (make("KubernetesApply", {"yaml": 3}), ["spec.yaml"]),
        (
            make("PortForward", {"discovery": "web", "forwards": [{"localPort": 0}]}),
            ["spec.forwards[0].localPort"],
        ),
        (
            make("PortForward", {"discovery": "web", "forwards": [{"localPort": 1}] * 2}),
            ["spec.forwards[1].localPort"],
        ),
        (make("PortForward", {"forwards": []}), ["spec"]),
        (make("PodLogStream", {"pod": "a", "namespace": ""}), ["spec.namespace"]),
        (make("FileWatch", {"watchedPaths": ["a"]}), ["spec.watchedPaths[0]"]),
        (make("FileWatch", {"watchedPaths": []}), ["spec.watchedPaths"]),
        (make("Kappfile", {"path": "Kappfile"}), ["spec.path"]),
        (make("Session", {"kappfilePath": "/k", "ci": {"timeout": "x"}}), ["spec.ci.timeout"]),
        (make("KubernetesDiscovery", {"watches": [{}]}), ["spec.watches[0]"]),
    ],
)
def test_what_is_wrong_is_named_by_its_path(obj: Object, fields: list[str]) -> None:
    assert causes(obj) == fields


def test_columns_of_an_apply() -> None:
    created = "2026-11-23T18:29:16Z"
    obj = make(
        "KubernetesApply",
        {"yaml": "x"},
        metadata={"name": "web", "creationTimestamp": created},
        status={
            "lastApplyTime": format_time(NOW - timedelta(seconds=4)),
            "pods": {"ready": 1, "total": 1},
            "conditions": [{"type": "Applied", "status": "True", "reason": "Applied"}],
        },
    )
    shown = cells(obj)
    assert list(shown) == ["Name", "Status", "Pods", "Last Apply", "Ready", "Created At"]
    assert shown["Status"] == "Applied"
    assert shown["Pods"] == "1/1"
    assert shown["Last Apply"] == "4s"
    assert shown["Created At"] == created


def test_an_apply_that_failed_says_why() -> None:
    obj = make(
        "KubernetesApply",
        {"yaml": "x"},
        status={
            "error": "Deployment/web spec.replicas: must be a number",
            "conditions": [{"type": "Applied", "status": "False", "reason": "Error"}],
        },
    )
    assert cells(obj)["Status"] == "Error: Deployment/web spec.replicas: must be a number"
    assert cells(make("KubernetesApply", {"yaml": "x"}))["Status"] == "Pending"


def test_every_kind_has_columns_for_an_empty_object() -> None:
    for kind in SCHEME:
        obj = make(kind.kind, {})
        assert all(column.value(obj, NOW) is not None for column in kind.columns)


def test_schemas_are_openapi() -> None:
    for kind in SCHEME:
        text = repr((kind.schema, dict(kind.definitions)))
        assert "'null'" not in text
        assert "x-kapp-default" not in text
        for name, schema in kind.definitions.items():
            assert schema.get("description"), name
            for field, child in schema.get("properties", {}).items():
                assert child.get("description"), f"{name}.{field} has no description"


def test_every_enumeration_has_a_type():
    for kind in scheme():
        for definition in kind.definitions.values():
            for name, schema in (definition.get("properties") or {}).items():
                assert "enum" not in schema or schema["type"] == "string", name
