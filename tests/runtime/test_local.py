"""The in-process client: the registry's semantics, and copies on both sides."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.runtime.client import Client, PatchType
from kapp.runtime.local import LocalClient

KIND = Kind(
    group="test.dev",
    version="v1",
    kind="Widget",
    plural="widgets",
    namespaced=True,
    schema={"type": "object", "properties": {"spec": {"type": "object"}, "status": {}}},
)
WIDGETS = KIND.resource


@pytest.fixture
def client() -> Client:
    scheme = Scheme()
    scheme.register(KIND)
    return LocalClient(Registry(scheme, Store(), now=lambda: datetime.now(UTC)))


def widget(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}


async def test_objects_are_copied_both_ways(client: Client) -> None:
    mine = widget("a", size=[1])
    made = await client.create(WIDGETS, mine)
    mine["spec"]["size"].append(2)  # type: ignore[index]
    made["spec"]["size"].append(3)
    assert (await client.get(WIDGETS, "a", "ns"))["spec"] == {"size": [1]}
    assert "uid" not in mine["metadata"]  # type: ignore[operator]


async def test_every_verb(client: Client) -> None:
    await client.create(WIDGETS, widget("a", size=1), field_manager="me")
    status = {**widget("a"), "status": {"phase": "Up"}}
    await client.update(WIDGETS, status, subresource="status")
    patch = {"spec": {"size": 2}}
    await client.patch(WIDGETS, "a", patch, PatchType.MERGE, "ns")
    found = await client.get(WIDGETS, "a", "ns")
    assert (found["spec"], found["status"]) == ({"size": 2}, {"phase": "Up"})
    applied = {
        "apiVersion": "test.dev/v1",
        "kind": "Widget",
        "metadata": {"name": "b"},
        "spec": {"size": 3},
    }
    await client.patch(WIDGETS, "b", applied, PatchType.APPLY, "ns", field_manager="me")
    listed = await client.list(WIDGETS)
    assert [o["metadata"]["name"] for o in listed.items] == ["a", "b"]
    only = await client.list(WIDGETS, "ns", field_selector="metadata.name=b")
    assert len(only.items) == 1
    with pytest.raises(ApiError) as strategic:
        await client.patch(WIDGETS, "a", {}, PatchType.STRATEGIC, "ns")
    assert strategic.value.code == 415
    await client.delete(WIDGETS, "a", "ns", uid=found["metadata"]["uid"])
    with pytest.raises(ApiError) as missing:
        await client.get(WIDGETS, "a", "ns")
    assert missing.value.code == 404
    with pytest.raises(ApiError) as unknown:
        await client.list(WIDGETS._replace(plural="gadgets"))
    assert unknown.value.code == 404


async def test_a_watch_continues_a_list_and_waits(client: Client) -> None:
    await client.create(WIDGETS, widget("a"))
    listed = await client.list(WIDGETS)
    await client.create(WIDGETS, widget("b"))
    async with aclosing(client.watch(WIDGETS, resource_version=listed.resource_version)) as events:
        assert (await anext(events)).object["metadata"]["name"] == "b"
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        await client.delete(WIDGETS, "b", "ns")
        async with asyncio.timeout(5):
            assert (await waiting).type == "DELETED"


async def test_a_watch_ends_with_a_bookmark(client: Client) -> None:
    await client.create(WIDGETS, widget("a"))
    events = [e async for e in client.watch(WIDGETS, resource_version="1", timeout_s=0)]
    assert [(e.type, e.object["metadata"]) for e in events] == [
        ("BOOKMARK", {"resourceVersion": "1"})
    ]


async def test_an_overtaken_watch_raises_410() -> None:
    scheme = Scheme()
    scheme.register(KIND)
    store = Store(history_events=5)
    client = LocalClient(Registry(scheme, store, now=lambda: datetime.now(UTC)))
    await client.create(WIDGETS, widget("a"))
    async with aclosing(client.watch(WIDGETS, resource_version="0")) as events:
        await anext(events)
        for size in range(20):
            await client.update(WIDGETS, widget("a", size=size))
        with pytest.raises(ApiError) as overtaken:
            await anext(events)
    assert overtaken.value.code == 410
    with pytest.raises(ApiError) as too_old:
        await anext(client.watch(WIDGETS, resource_version="1"))
    assert too_old.value.code == 410
