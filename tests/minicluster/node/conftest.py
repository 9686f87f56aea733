"""A node over a real registry, and what its tests need to look at it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kapp.machinery.objects import Object, find_condition
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.minicluster.node.files import PodFiles
from kapp.minicluster.node.kubelet import NODE_NAME, Node
from kapp.minicluster.node.logfile import Line, parse_line
from kapp.minicluster.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    EVENTS,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
)
from kapp.runtime.local import LocalClient

DEADLINE_S = 40.0


async def until(check: Callable[[], Any | Awaitable[Any]], what: str = "") -> Any:
    """Wait until `check` gives something true; what is not there yet counts as no."""
    result = None
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    result = check()
                    if asyncio.iscoroutine(result):
                        result = await result
                except (KeyError, IndexError):
                    result = None
                except ApiError as error:
                    if error.code != 404:
                        raise
                if result:
                    return result
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"never: {what or check}, last {result}") from None


def container(*command: str, name: str = "main", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "example", "command": list(command), **more}


def shell(script: str, **more: Any) -> dict[str, Any]:
    return container("/bin/sh", "-c", script, **more)


class Cluster:
    """The API of a tiny cluster, and nodes on it."""

    def __init__(self, state_dir: Path, stack: AsyncExitStack) -> None:
        self.state_dir = state_dir
        self._stack = stack
        scheme = Scheme()
        for resource in (
            PODS, NODES, EVENTS, CONFIG_MAPS, SECRETS, SERVICES, ENDPOINT_SLICES,
        ):  # fmt: skip
            is_pod = resource is PODS
            scheme.register(
                Kind(
                    group=resource.group,
                    version=resource.version,
                    kind=resource.kind,
                    plural=resource.plural,
                    namespaced=resource.namespaced,
                    has_status=resource in (PODS, NODES),
                    selectable=("spec.nodeName",) if is_pod else (),
                    grace_period_s=_grace_period_s if is_pod else None,
                )
            )
        self.registry = Registry(scheme, Store(), now=lambda: datetime.now(UTC))
        self.client = LocalClient(self.registry)
        self.node: Node

    async def start_node(self, **options: Any) -> Node:
        """A node that is closed with the test."""
        options.setdefault("backoff_s", 0.2)
        self.node = Node(self.client, self.state_dir, **options)
        self._stack.push_async_callback(self.node.close)
        await self.node.start()
        return self.node

    async def run(self, *containers: dict[str, Any], name: str = "pod", **spec: Any) -> Object:
        """Create a pod that is bound to the node."""
        metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
        for field in ("annotations", "labels"):
            if field in spec:
                metadata[field] = spec.pop(field)
        return await self.client.create(
            PODS,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": {
                    "nodeName": NODE_NAME,
                    "containers": list(containers),
                    "terminationGracePeriodSeconds": 5,
                    **spec,
                },
            },
        )

    async def config_map(self, name: str, data: dict[str, str]) -> None:
        """Create or replace a ConfigMap."""
        obj = {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"}, "data": data,
        }  # fmt: skip
        try:
            old = await self.client.get(CONFIG_MAPS, name, "default")
        except ApiError:
            await self.client.create(CONFIG_MAPS, obj)
        else:
            await self.client.update(CONFIG_MAPS, old | {"data": data})

    async def pod(self, name: str = "pod") -> Object:
        return await self.client.get(PODS, name, "default")

    async def status_of(self, name: str = "pod", container_name: str = "main") -> dict[str, Any]:
        status = (await self.pod(name)).get("status") or {}
        entries = [*status["containerStatuses"], *(status.get("initContainerStatuses") or ())]
        return next(entry for entry in entries if entry["name"] == container_name)

    async def is_ready(self, name: str = "pod") -> bool:
        status = (await self.pod(name)).get("status") or {}
        condition = find_condition(status.get("conditions"), "Ready")
        return condition is not None and condition["status"] == "True"

    async def ready(self, name: str = "pod") -> None:
        await until(lambda: self.is_ready(name), f"{name} is ready")

    async def phase(self, wanted: str, name: str = "pod") -> Object:
        async def check() -> Object | None:
            pod = await self.pod(name)
            return pod if (pod.get("status") or {}).get("phase") == wanted else None

        return await until(check, f"{name} is {wanted}")

    async def gone(self, name: str = "pod") -> None:
        async def check() -> bool:
            try:
                await self.pod(name)
            except ApiError:
                return True
            return False

        await until(check, f"{name} is gone")

    async def delete(self, name: str = "pod", grace_period_s: int | None = None) -> None:
        await self.client.delete(PODS, name, "default", grace_period_s=grace_period_s)

    async def events(self, reason: str) -> list[Object]:
        found = await self.client.list(EVENTS, "default")
        return [event for event in found.items if event["reason"] == reason]

    def log(self, pod: Object, restart: int = 0, container_name: str = "main") -> str:
        path = PodFiles(self.state_dir, pod).log(container_name, restart)
        return "".join(
            line.text.decode() + ("\n" if line.whole else "") for line in read_lines(path)
        )

    async def output(self, *args: Any, **spec: Any) -> str:
        """Run a pod to its end and return what it wrote."""
        pod = await self.run(*args, restartPolicy="Never", **spec)
        name = pod["metadata"]["name"]
        await until(lambda: self._ended(name), f"{name} ends")
        return self.log(pod)

    async def _ended(self, name: str) -> bool:
        status = (await self.pod(name)).get("status") or {}
        return status.get("phase") in ("Succeeded", "Failed")


def read_lines(path: Path) -> Iterator[Line]:
    """Every line of a finished or growing file, oldest first; nothing when it is not there."""
    try:
        with path.open("rb") as file:
            for raw in file:
                if raw.endswith(b"\n"):
                    yield parse_line(raw[:-1])
    except FileNotFoundError:
        return


def _grace_period_s(pod: Object) -> int:
    if not pod["spec"].get("nodeName"):
        return 0
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30))


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        yield Cluster(tmp_path / "node", stack)


def host_traces() -> tuple[str, list[str]]:
    """What would show if a node left something on the host: mounts and interfaces."""
    interfaces = sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else []
    with open("/proc/self/mountinfo") as mounts:
        return mounts.read(), interfaces


@pytest.fixture
def python() -> str:
    return sys.executable
