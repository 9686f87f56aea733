"""A cluster without server and processes: the registry, the controllers, a pretended node."""

import asyncio
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kapp.machinery.objects import is_deleting, key_of
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.minicluster.admission import DEFAULT_NAMESPACES, Admission
from kapp.minicluster.controllers.wiring import add_controllers
from kapp.minicluster.customresources.serving import CustomKinds
from kapp.minicluster.kinds import new_scheme
from kapp.minicluster.resources import DEPLOYMENTS, EVENTS, NAMESPACES, NODES, PODS
from kapp.runtime.client import PatchType
from kapp.runtime.controller import Controller, Source
from kapp.runtime.local import LocalClient
from kapp.runtime.manager import Manager

DEADLINE_S = 30


class Kubelet:
    """Says that every pod it is given runs and is ready, except those whose image says `broken`."""

    def __init__(self, client):
        self.client = client
        self.reflector = None

    async def reconcile(self, key):
        try:
            pod = await self.client.get(PODS, key.name, key.namespace)
        except ApiError:
            return
        if not pod["spec"].get("nodeName"):
            return
        with suppress(ApiError):
            if is_deleting(pod):
                await self.client.delete(PODS, key.name, key.namespace, grace_period_s=0)
            elif pod["status"]["phase"] == "Pending":
                await self.run(pod)

    async def run(self, pod):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ok = not any("broken" in c["image"] for c in pod["spec"]["containers"])
        ready = "True" if ok else "False"
        status = {
            "phase": "Running" if ok else "Pending",
            "podIP": "10.244.0.9",
            "podIPs": [{"ip": "10.244.0.9"}],
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": now}],
        }
        if not ok and pod["status"].get("podIP"):
            return
        key = key_of(pod)
        await self.client.patch(
            PODS,
            key.name,
            {"status": status},
            PatchType.STRATEGIC,
            key.namespace,
            subresource="status",
        )


class World:
    """What a test drives: a client, and waits with a deadline."""

    def __init__(self):
        self.may_surge = True
        self.store = Store()
        self.registry = Registry(
            new_scheme(),
            self.store,
            now=lambda: datetime.now(UTC),
            admit=[Admission(self.store)],
        )
        self.client = LocalClient(self.registry)
        self.manager = Manager("test")

    async def start(self):
        for name in DEFAULT_NAMESPACES:
            await self.client.create(
                NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            )
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}}
        await self.client.create(NODES, node)
        capacity = {"cpu": "4", "memory": "8Gi", "pods": "110"}
        await self.client.patch(
            NODES, "node", {"status": {"capacity": capacity}}, PatchType.MERGE, subresource="status"
        )
        add_controllers(
            self.manager,
            self.client,
            namespaced=lambda: [k.resource for k in self.registry.scheme if k.namespaced],
            custom_kinds=CustomKinds(self.registry),
            may_surge=lambda: self.may_surge,
            root_ca="-----BEGIN CERTIFICATE-----\n",
            volumes_root=Path("/nonexistent"),
            now=lambda: datetime.now(UTC),
        )
        kubelet = Kubelet(self.client)
        self.manager.add(
            Controller("kubelet", kubelet, [Source(client=self.client, resource=PODS)])
        )
        self.manager.start()

    async def until(self, condition):
        """Wait until `await condition()` is truthy; returns it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if found := await condition():
                    return found
                await asyncio.sleep(0.005)

    async def deploy(self, **changes):
        return await self.client.create(DEPLOYMENTS, deployment(**changes))

    async def change(self, name, spec):
        return await self.client.patch(
            DEPLOYMENTS, name, {"spec": spec}, PatchType.MERGE, "default"
        )

    async def rolled_out(self, name="web"):
        """Wait as `kubectl rollout status` does; returns the Deployment."""

        async def done():
            found = await self.client.get(DEPLOYMENTS, name, "default")
            status, wanted = found.get("status", {}), found["spec"]["replicas"]
            return (
                status.get("observedGeneration", 0) >= found["metadata"]["generation"]
                and status.get("updatedReplicas", 0) == wanted
                and status.get("replicas", 0) == wanted
                and status.get("availableReplicas", 0) == wanted
                and found
            )

        return await self.until(done)

    async def items(self, resource, namespace="default", **selectors):
        return (await self.client.list(resource, namespace, **selectors)).items

    async def reasons(self, **about):
        found = await self.items(EVENTS)
        return [e["reason"] for e in found if about.items() <= e["involvedObject"].items()]


def deployment(name="web", image="web:1", **spec):
    labels = {"app": name}
    return deepcopy(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": image}]},
                },
                **spec,
            },
        }
    )


def template(image, name="web"):
    return deployment(name, image)["spec"]["template"]


@pytest.fixture
async def world():
    world = World()
    await world.start()
    yield world
    await world.manager.close()
