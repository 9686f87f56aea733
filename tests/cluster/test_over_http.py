"""The whole way over TLS: connection, discovery, apply, inventory, reflector, a server restart."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from kapp.cluster import pauses
from kapp.cluster.apply import ApplyError, apply
from kapp.cluster.connection import Connection
from kapp.cluster.failures import Rejected
from kapp.cluster.inventory import Inventory
from kapp.cluster.kubeconfig import KubeContext
from kapp.cluster.mapping import RestMapping
from kapp.cluster.prepare import prepare
from kapp.cluster.resolve import resolve
from kapp.errors import ClusterError
from kapp.machinery.scheme import Kind
from kapp.runtime.manager import Manager
from kapp.server.http import serve
from kapp.server.listeners import TlsListener
from tests.runtime.httpserver import self_signed
from tests.runtime.scripted import eventually

from .world import World, deployment, obj

WIDGET = Kind(
    group="example.com",
    version="v1",
    kind="Widget",
    plural="widgets",
    namespaced=True,
    schema={
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
        },
    },
)


class Cluster:
    """A world behind TLS, and a connection to it."""

    def __init__(self, directory):
        self.world = World()
        self.world.scheme.register(WIDGET)
        _, cert, key = self_signed(directory)
        self._listener = TlsListener("t0ken", cert, key)
        self._ca = cert.read_bytes()
        self.port = 0

    @asynccontextmanager
    async def serving(self):
        listener = self._listener
        listener = TlsListener(
            listener.token, listener.certificate_file, listener.key_file, port=self.port
        )
        async with await serve(self.world.registry, [listener]) as server:
            self.port = server.ports[0]
            yield

    def connection(self, token="t0ken"):
        return Connection(
            KubeContext(
                context="dev",
                cluster="one",
                namespace="default",
                server=f"https://127.0.0.1:{self.port}",
                ca=self._ca,
                token=token,
            )
        )


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path)


async def deploy(connection, *objects):
    mapping = RestMapping(connection.client)
    inventory = Inventory(connection.client, mapping, project="demo", namespace="default")
    prepared = prepare(objects, resource="web", part_of=inventory.id)
    targets = await resolve(mapping, prepared, connection.namespace)
    results = await apply(connection.client, targets, record=inventory.record)
    return inventory, results


async def test_deployed_changed_and_gone_again(cluster, monkeypatch):
    monkeypatch.setattr(pauses, "FIRST_S", 0.001)
    async with cluster.serving():
        connection = cluster.connection()
        assert (await connection.connect()).version
        objects = [deployment(), obj("Secret", "s"), obj("Widget", "w", "example.com/v1")]
        _, first = await deploy(connection, *objects)
        assert [r["kind"] for r in first] == ["Deployment", "Secret", "Widget"]
        objects[0] = deployment(image="b")
        inventory, second = await deploy(connection, *objects)
        assert second[0]["metadata"]["uid"] == first[0]["metadata"]["uid"]
        assert second[0]["metadata"]["generation"] == 2
        done = await inventory.delete_all()
        assert done.left == []
        # Custom objects first: their finalizers may need what the workloads run.
        assert done.deleted == ["Widget/default/w", "Deployment/default/web", "Secret/default/s"]
        for kind in ("Deployment", "Secret", "Widget", "ConfigMap"):
            assert cluster.world.names(kind) == []
        await connection.close()


async def test_an_unknown_field_is_told_in_one_sentence(cluster):
    async with cluster.serving():
        connection = cluster.connection()
        with pytest.raises(ApplyError) as e:
            await deploy(connection, obj("Widget", "w", "example.com/v1", spec={"siez": 1}))
        assert str(e.value) == "Widget/default/w spec.siez: unknown field"
        await connection.close()


async def test_a_kind_that_is_no_longer_served_is_asked_for_again(cluster):
    async with cluster.serving():
        connection = cluster.connection()
        mapping = RestMapping(connection.client)
        widget = obj("Widget", "w", "example.com/v1")
        targets = await resolve(mapping, [widget], "default")
        cluster.world.scheme.unregister(WIDGET.gvk)

        async def recorded(_):
            return None

        with pytest.raises(ApplyError, match="could not find the requested resource"):
            await apply(connection.client, targets, record=recorded, mapping=mapping)
        with pytest.raises(Rejected, match="the cluster has no kind Widget"):
            await resolve(mapping, [widget], "default")
        await connection.close()


async def test_a_wrong_token_is_told_in_plain_words(cluster):
    async with cluster.serving():
        connection = cluster.connection(token="wrong")
        with pytest.raises(ClusterError, match="does not accept the credentials"):
            await connection.connect()
        await connection.close()


async def test_an_apply_waits_out_a_server_that_comes_back(cluster):
    async with cluster.serving():
        connection = cluster.connection()
        await deploy(connection, deployment())
    redeploy = asyncio.create_task(_apply_only(connection, deployment(image="b"), cluster))
    await asyncio.sleep(0)
    async with cluster.serving():
        results = await redeploy
        assert results[0]["metadata"]["generation"] == 2
        await connection.close()


async def _apply_only(connection, given_object, cluster):
    targets = await cluster.world.targets(given_object)

    async def recorded(_):
        return None

    return await apply(connection.client, targets, record=recorded)


async def test_a_reflector_sees_through_a_restart_what_changed_meanwhile(cluster):
    manager = Manager()
    changes = []
    async with cluster.serving():
        connection = cluster.connection()
        await deploy(connection, obj("Secret", "a"), obj("Secret", "b"))
        mapping = RestMapping(connection.client)
        secrets = await mapping.resource_of_kind("", "Secret")
        reflector = manager.reflector(connection.client, secrets)
        reflector.subscribe(lambda change, new, old: changes.append(change))
        manager.start()
        await eventually(lambda: len(reflector.cache) == 2)
    await eventually(lambda: reflector.error)
    await cluster.world.local.delete(secrets, "a", "default")
    async with cluster.serving():
        await eventually(lambda: len(reflector.cache) == 1)
        await eventually(lambda: not reflector.error)
        assert changes == ["ADDED", "ADDED", "DELETED"]
        async with asyncio.timeout(2):
            await manager.close()
        await connection.close()
