"""A registry with a few kinds and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kapp.machinery.objects import Object, ObjectKey
from kapp.machinery.options import DeleteOptions, WriteOptions
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind, Scheme, Subresource
from kapp.machinery.store import Store

SPEC_SCHEMA = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "colour": {"type": "string"},
        "replicas": {"type": "integer"},
    },
}


def make_kind(name: str, **more: Any) -> Kind:
    properties = {
        "spec": SPEC_SCHEMA,
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }
    fields: dict[str, Any] = {
        "group": "test.dev",
        "version": "v1",
        "kind": name,
        "plural": f"{name.lower()}s",
        "namespaced": True,
        "schema": {"type": "object", "properties": properties},
        **more,
    }
    return Kind(**fields)


WIDGET = make_kind(
    "Widget",
    selectable=("spec.colour",),
    subresources=(Subresource("scale", ("get", "update", "patch")),),
)
AGENT = make_kind("Agent", grace_period_s=lambda obj: (obj.get("spec") or {}).get("size", 30))
GUARDED = make_kind("Guarded", plural="guardeds", finalizers=("test.dev/guard",))


@dataclass
class Setup:
    registry: Registry
    time: datetime
    widget: Kind = WIDGET
    agent: Kind = AGENT
    guarded: Kind = GUARDED

    def create(self, name: str, kind: Kind = WIDGET, **more: Any) -> Object:
        meta = {"name": name, **more.pop("metadata", {})}
        obj = {"metadata": meta, **more}
        return self.registry.create(kind, "ns", obj, WriteOptions(manager="test"))

    def update(self, obj: Object, kind: Kind = WIDGET, **options: Any) -> Object:
        options.setdefault("manager", "test")
        key = ObjectKey("ns", obj["metadata"]["name"])
        return self.registry.update(kind, key, obj, WriteOptions(**options))

    def delete(self, name: str, kind: Kind = WIDGET, **options: Any) -> bool:
        return self.registry.delete(kind, ObjectKey("ns", name), DeleteOptions(**options))[1]

    def names(self, kind: Kind = WIDGET) -> list[str]:
        return [o["metadata"]["name"] for o in self.registry.list(kind).objects()]

    def get(self, name: str, kind: Kind = WIDGET) -> Object:
        return self.registry.get(kind, ObjectKey("ns", name))

    def pass_time(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def setup() -> Setup:
    return make_setup()


@pytest.fixture(scope="session")
def new_setup() -> Callable[[], Setup]:
    """For property tests, which need a registry for each example."""
    return make_setup


def make_setup() -> Setup:
    scheme = Scheme()
    for kind in (WIDGET, AGENT, GUARDED):
        scheme.register(kind)
    found: Setup
    registry = Registry(scheme, Store(), now=lambda: found.time)
    found = Setup(registry, datetime(2026, 1, 1, tzinfo=UTC))
    return found
