"""When something may be deleted from the cluster, and when it is too early to know.

The cluster's side is a recorder here: that what is pruned is gone is told by tests/engine.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from kapp.api.typed import TypedClient, encode, resource_of
from kapp.api.v1alpha1.kappfile import Kappfile, KappfileSpec, KappfileStatus, KappfileTerminated
from kapp.api.v1alpha1.kubernetesapply import (
    APPLIED,
    REASON_APPLYING,
    KubernetesApply,
    KubernetesApplySpec,
)
from kapp.api.v1alpha1.meta import Condition, ObjectMeta
from kapp.api.v1alpha1.scheme import scheme
from kapp.cluster.removal import Removal
from kapp.controllers import inventory as module
from kapp.controllers.inventory import InventoryReconciler
from kapp.machinery.objects import ObjectKey
from kapp.machinery.registry import Registry
from kapp.machinery.store import Store
from kapp.runtime.local import LocalClient

KEY = ObjectKey("", "default")
YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: n}\n"


class Recorder:
    """Stands for what was applied to the cluster; counts the prunes."""

    def __init__(self) -> None:
        self.wanted: list[set[str]] = []

    @contextlib.asynccontextmanager
    async def pruning(self) -> AsyncIterator[bool]:
        yield True

    async def prune(self, wanted, *, resources) -> Removal:
        self.wanted.append({one.name for one in wanted})
        return Removal([], [])


class World:
    def __init__(self) -> None:
        self.client = LocalClient(Registry(scheme(), Store(), now=lambda: datetime.now(UTC)))
        self.objects = TypedClient(self.client)
        self.recorder = Recorder()
        handle = SimpleNamespace(connection=SimpleNamespace(namespace="n"))
        self.reconciler = InventoryReconciler(
            self.objects,
            lambda: self.cached,
            SimpleNamespace(get=lambda _: handle),
            SimpleNamespace(of=lambda *_: self.recorder),
            SimpleNamespace(write=lambda *_: None),
        )
        self.cached = []

    async def kappfile(self, *resources: str) -> None:
        made = await self.objects.ensure(
            Kappfile(metadata=ObjectMeta(name="(Kappfile)"), spec=KappfileSpec(path="/Kappfile"))
        )
        before = encode(made)
        made.status = KappfileStatus(
            terminated=KappfileTerminated(finished_at="2026-11-23T18:29:16Z"),
            resources=list(resources),
        )
        await self.objects.write_status(made, before)

    async def apply(self, name: str, reason: str) -> None:
        made = await self.objects.ensure(
            KubernetesApply(metadata=ObjectMeta(name=name), spec=KubernetesApplySpec(yaml=YAML))
        )
        before = encode(made)
        made.status.observed_generation = made.metadata.generation
        made.status.applied_input_hash = "" if reason == REASON_APPLYING else "hash"
        status = "Unknown" if reason == REASON_APPLYING else "True"
        made.status.conditions = [Condition(type=APPLIED, status=status, reason=reason)]
        await self.objects.write_status(made, before)
        self.cached = (await self.client.list(resource_of(KubernetesApply))).items

    async def look(self) -> list[set[str]]:
        await self.reconciler.reconcile(KEY)
        return self.recorder.wanted


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "COALESCE_S", 0.0)
    return World()


async def test_what_was_deleted_by_hand_is_still_wanted(world: World) -> None:
    await world.kappfile("web")
    assert await world.look() == []
    await world.apply("web", "Applied")
    assert await world.look() == [{"a"}]


async def test_nothing_is_pruned_while_something_is_applied(world: World) -> None:
    await world.kappfile("web", "db")
    await world.apply("web", "Applied")
    await world.apply("db", REASON_APPLYING)
    assert await world.look() == []
    world.cached = []  # a cache that is behind does not decide that it is time
    assert await world.look() == []
    await world.apply("db", "Applied")
    assert await world.look() == [{"a"}]


async def test_a_kappfile_without_resources_wants_nothing(world: World) -> None:
    await world.kappfile()
    assert await world.look() == [set()]
