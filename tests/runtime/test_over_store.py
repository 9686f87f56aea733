"""Reflectors and controllers over a real registry: what they see equals what is stored."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import ObjectKey, key_of
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.runtime.client import PatchType
from kapp.runtime.controller import Controller, Source
from kapp.runtime.local import LocalClient
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import Reflector

from .scripted import CONFIG_MAPS, eventually

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def local_client():
    scheme = Scheme()
    scheme.register(
        Kind(
            group="",
            version="v1",
            kind="ConfigMap",
            plural="configmaps",
            namespaced=True,
            schema=ANYTHING,
        )
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return LocalClient(Registry(scheme, Store(), now=lambda: now))


def config_map(name, **data):
    meta = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def put(client, name, value):
    await client.patch(
        CONFIG_MAPS,
        name,
        config_map(name, v=value),
        PatchType.APPLY,
        "default",
        field_manager="test",
        force=True,
    )


steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["1", "2", "delete", "pause"])), max_size=25
)


@given(steps)
@settings(max_examples=40, deadline=None)
def test_cache_and_replayed_changes_equal_the_store(writes):
    async def play():
        client = local_client()
        reflector = Reflector(client, CONFIG_MAPS)
        replayed = {}

        def replay(change, obj, old):
            key = key_of(obj)
            assert (old is None) == (change == "ADDED")
            assert (key in replayed) == (change != "ADDED")
            if change == "DELETED":
                del replayed[key]
            else:
                replayed[key] = obj

        reflector.subscribe(replay)
        async with TaskGroup("test") as tasks:
            tasks.spawn(reflector.run(), "reflector")
            for name, value in writes:
                if value == "pause":
                    await asyncio.sleep(0)
                elif value == "delete":
                    with suppress(ApiError):  # there may be nothing to delete
                        await client.delete(CONFIG_MAPS, name, "default")
                else:
                    await put(client, name, value)
            listed = await client.list(CONFIG_MAPS)
            stored = {key_of(obj): obj for obj in listed.items}
            await eventually(lambda: reflector.synced.is_set() and reflector.cache == stored)
            assert replayed == stored

    asyncio.run(play())


class CountToThree:
    """Raises `data.n` to 3, one write at a time."""

    def __init__(self, client):
        self.client = client
        self.running = set()

    async def reconcile(self, key):
        assert key not in self.running, "one key was reconciled twice at once"
        self.running.add(key)
        try:
            obj = await self.client.get(CONFIG_MAPS, key.name, key.namespace)
            await asyncio.sleep(0)
            if int(obj["data"]["n"]) < 3:
                obj["data"]["n"] = str(int(obj["data"]["n"]) + 1)
                await self.client.update(CONFIG_MAPS, obj)
        finally:
            self.running.discard(key)


async def test_a_controller_brings_every_object_to_its_end():
    client = local_client()
    manager = Manager()
    source = Source(client=client, resource=CONFIG_MAPS)
    manager.add(Controller("counter", CountToThree(client), [source], workers=4))
    manager.start()
    for number in range(20):
        await client.create(CONFIG_MAPS, config_map(f"c{number}", n="0"))
    reflector = manager.reflector(client, CONFIG_MAPS)
    await eventually(
        lambda: (
            len(reflector.cache) == 20 and all(obj["data"]["n"] == "3" for obj in reflector.list())
        )
    )
    async with asyncio.timeout(2):
        await manager.close()
    assert reflector.get(ObjectKey("default", "c0"))["data"] == {"n": "3"}


@pytest.mark.parametrize("selector", ["app=a", "app in (a)"])
async def test_selectors_are_passed_to_the_server(selector):
    client = local_client()
    for name in ("a", "b"):
        labelled = config_map(name)
        labelled["metadata"]["labels"] = {"app": name}
        await client.create(CONFIG_MAPS, labelled)
    reflector = Reflector(client, CONFIG_MAPS, label_selector=selector)
    async with TaskGroup("test") as tasks:
        tasks.spawn(reflector.run(), "reflector")
        await reflector.synced.wait()
        assert [key.name for key in reflector.cache] == ["a"]
