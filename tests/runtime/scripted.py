"""A client whose every answer a test writes, to inject faults no healthy server shows."""

import asyncio
from contextlib import asynccontextmanager

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import Resource
from kapp.runtime.client import ObjectList

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
DEADLINE_S = 30


def config_map(name, version, *, uid=None, namespace="default", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
        },
        "data": data,
    }


class ScriptedClient:
    """`lists` answers each list; each watch plays the next script of `watches`.

    A script is a list of events, exceptions (raised), and Futures or Events (waited for). When
    there is no script left, a watch stays open and silent.
    """

    def __init__(self, lists=(), watches=()):
        self.lists = list(lists)
        self.watches = list(watches)
        self.listed = 0
        self.watched_from = []

    async def list(self, resource, namespace="", *, label_selector="", field_selector=""):
        self.listed += 1
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        return ObjectList(*answer)

    async def watch(
        self,
        resource,
        namespace="",
        *,
        resource_version,
        label_selector="",
        field_selector="",
        timeout_s=300,
    ):
        self.watched_from.append(resource_version)
        script = self.watches.pop(0) if self.watches else [asyncio.Event()]
        for step in script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step


async def eventually(condition, what="condition"):
    """Wait until `condition()` holds; the deadline only bounds a failing test."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(reflector):
    async with TaskGroup("test") as tasks:
        tasks.spawn(reflector.run(), "reflector")
        yield
