"""A registry whose clock stands still, and the real kubectl on the same objects."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kapp.machinery.duration import human_age
from kapp.machinery.objects import metadata_of, name_of
from kapp.machinery.options import WriteOptions
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Column, Kind, Scheme
from kapp.machinery.store import Store

NOW = datetime(2026, 11, 23, 18, 29, 16, tzinfo=UTC)

GADGET = Kind(
    group="kapp.dev",
    version="v1alpha1",
    kind="Gadget",
    plural="gadgets",
    short_names=("gd",),
    categories=("all",),
    columns=(
        Column("Name", lambda obj, _: name_of(obj)),
        Column("State", lambda obj, _: obj.get("state", "")),
        Column("Message", lambda obj, _: obj.get("message")),
        Column("Size", lambda obj, _: obj.get("size"), type="integer"),
        Column("Note", lambda obj, _: "seen", priority=1),
        Column("Age", lambda obj, now: human_age(metadata_of(obj)["creationTimestamp"], now)),
    ),
    name_rule="path_segment",
)
WIDGET = Kind(
    group="test.dev",
    version="v1",
    kind="Widget",
    plural="widgets",
    short_names=("wd",),
    categories=("all",),
    namespaced=True,
    selectable=("colour",),
)
NOTE = Kind(group="", version="v1", kind="Note", plural="notes")

OBJECTS: list[tuple[Kind, dict[str, Any]]] = [
    (
        GADGET,
        {
            "metadata": {"name": "web", "labels": {"app": "web", "example.com/tier": "front"}},
            "size": 7,
            "message": "hello <b>&",
            "quota": "2Gi",
            "version": "web-10",
            "rows": [{"name": "a", "n": 1, "l": [1, 2, 3]}, {"name": "b", "n": 2, "l": [4, 5]}],
        },
    ),
    (
        GADGET,
        {
            "metadata": {"name": "a-much-longer-name"},
            "size": 10,
            "message": "two\nlines",
            "state": "éèêôü fine",
            "quota": "100Mi",
            "version": "web-9",
            "spec": {"forwards": [{"localPort": 8000, "host": "localhost", "containerPort": 0}]},
        },
    ),
    (
        GADGET,
        {
            "metadata": {"name": "k8s:x"},
            "size": 9,
            "message": "tab\there \x1b[1m\r\nx",
            "quota": "3",
            "version": "web-9a",
            "big": 123456789012,
            "floats": [1e21, 0.000001, 1234567.5, 0.1],
            "html": "<a> & 'b' \u2028 \"q\" é \x1b[1m \x07",
            "mixed": [1, "x", None, True, 1.5, {"z": 1, "a": [2]}],
            "flag": True,
            "nothing": None,
        },
    ),
    (WIDGET, {"metadata": {"name": "one", "namespace": "default"}, "colour": "red"}),
    (WIDGET, {"metadata": {"name": "two", "namespace": "other"}, "colour": "blue"}),
    (NOTE, {"metadata": {"name": "n1"}, "data": {"a": "b"}}),
    (NOTE, {"metadata": {"name": "n2", "annotations": {"x": "y"}}, "data": {"long": "x" * 30}}),
]


@pytest.fixture
def registry() -> Registry:
    import copy

    scheme = Scheme()
    for kind in (GADGET, WIDGET, NOTE):
        scheme.register(kind)
    registry = Registry(scheme, Store(), now=lambda: NOW)
    for kind, obj in OBJECTS:
        whole = {"apiVersion": kind.gvk.api_version, "kind": kind.kind, **copy.deepcopy(obj)}
        registry.create(kind, obj["metadata"].get("namespace", ""), whole, WriteOptions())
    return registry


KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"


@dataclass
class Kubectl:
    """The real one, on the test's registry."""

    kubeconfig: Path
    home: Path

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.home / 'cache'}",
            "get",
            *args,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
        )

    async def get(self, *args: str) -> tuple[str, str, int]:
        process = await self.start(*args)
        async with asyncio.timeout(50):
            stdout, stderr = await process.communicate()
        return stdout.decode(), stderr.decode(), process.returncode or 0

    async def get_each(
        self, cases: Sequence[Sequence[str]], at_once: int = 3
    ) -> list[tuple[str, str, int]]:
        gate = asyncio.Semaphore(at_once)

        async def one(case: Sequence[str]) -> tuple[str, str, int]:
            async with gate:
                return await self.get(*case)

        return list(await asyncio.gather(*map(one, cases)))


@pytest.fixture
async def kubectl(registry: Registry, tmp_path: Path) -> AsyncIterator[Kubectl]:
    from kapp.server import tls
    from kapp.server.http import serve
    from kapp.server.listeners import TlsListener

    certificate, key = tls.write_certificate(tmp_path, datetime.now(UTC))
    token = tls.new_token()
    async with await serve(registry, [TlsListener(token, certificate, key)]) as server:
        tls.write_kubeconfig(
            tmp_path / "kubeconfig",
            server=f"https://127.0.0.1:{server.ports[0]}",
            ca=certificate.read_bytes(),
            token=token,
            context="t",
            namespace="default",
        )
        yield Kubectl(tmp_path / "kubeconfig", tmp_path)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)

    return wait
