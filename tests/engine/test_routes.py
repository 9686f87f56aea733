"""What commands ask an engine over its socket; the framing is the instant path's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.meta import ObjectMeta
from kapp.api.v1alpha1.scheme import scheme
from kapp.engine.routes import Routes
from kapp.logs.store import LogStore
from kapp.machinery.registry import Registry
from kapp.machinery.store import Store
from kapp.runtime.local import LocalClient
from kapp.server.http import serve
from kapp.server.listeners import UnixListener

DEADLINE_S = 30


def now() -> datetime:
    return datetime.now(UTC)


class Served:
    """Routes on a socket, and what is behind them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.registry = Registry(scheme(), Store(), now=now)
        self.objects = TypedClient(LocalClient(self.registry))
        self.logs = LogStore(now=now)
        self.stopped = False
        self.routes: list[tuple[str, str, Any]] = []

    def stop(self) -> None:
        self.stopped = True

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession("http://kapp", connector=aiohttp.UnixConnector(str(self.path)))

    async def kubeconfig(self) -> str:
        return "/a/kubeconfig"

    async def create(self, name: str, value: str = "x") -> None:
        await self.objects.ensure(ConfigMap(metadata=ObjectMeta(name=name), data={"key": value}))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path / "s")
    routes = Routes(made.registry, made.logs, made.stop, now, kubeconfig=made.kubeconfig)
    async with await serve(made.registry, [UnixListener(made.path)], extra_routes=routes.table()):
        yield made


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, str]]:
    while head := await response.content.read(1):
        size = int.from_bytes(await response.content.readexactly(4), "big")
        yield head[0], (await response.content.readexactly(size)).decode()


async def printed(served: Served, *args: str, cwd: str = "") -> dict[int, str]:
    async with (
        served.session() as session,
        session.post("/kapp/v1/print", json={"args": args, "cwd": cwd}) as response,
    ):
        assert response.headers.get("Transfer-Encoding") is None
        return {stream: text async for stream, text in frames(response)}


async def test_get_prints_and_exits(served: Served) -> None:
    await served.create("a")
    assert await printed(served, "cm", "a", "-o", "jsonpath={.data.key}") == {1: "x", 3: "0"}
    missing = await printed(served, "cm", "b")
    assert missing[3] == "1"
    assert '"b" not found' in missing[2]
    assert (await printed(served, "--nonsense"))[3] == "2"


async def test_template_files_are_read_where_the_user_is(served: Served, tmp_path: Path) -> None:
    await served.create("a")
    (tmp_path / "t").write_text("{.data.key}!")
    found = await printed(served, "cm", "a", "-o", "jsonpath-file=t", cwd=str(tmp_path))
    assert found == {1: "x!", 3: "0"}


async def test_watching_prints_changes_as_they_come(served: Served) -> None:
    await served.create("a")
    body = {"args": ["cm", "-w", "-o", "jsonpath={.metadata.name} "]}
    async with (
        asyncio.timeout(DEADLINE_S),
        served.session() as session,
        session.post("/kapp/v1/print", json=body) as response,
    ):
        reader = frames(response)
        assert await anext(reader) == (1, "a ")
        await served.create("b")
        assert await anext(reader) == (1, "b ")


async def test_logs_are_read_and_followed(served: Served) -> None:
    web, db = served.logs.open("web"), served.logs.open("db")
    served.logs.append(web, b"one\n")
    served.logs.append(db, b"two\n")
    async with asyncio.timeout(DEADLINE_S), served.session() as session:
        async with session.get("/kapp/v1/logs?resource=web") as response:
            assert await response.text() == "one\n"
        async with session.get("/kapp/v1/logs?tail=1&format=json") as response:
            assert '"resource": "db"' in await response.text()
        async with session.get("/kapp/v1/logs?resource=web&follow=true") as response:
            assert await response.content.readline() == b"one\n"
            served.logs.append(web, b"three\n")
            assert await response.content.readline() == b"three\n"
        for wrong in ("since=soon", "level=bad"):
            async with session.get(f"/kapp/v1/logs?{wrong}") as response:
                assert response.status == 400


async def test_stop_and_status(served: Served) -> None:
    async with served.session() as session:
        async with session.get("/kapp/v1/status") as response:
            assert "pid" in await response.json()
        assert not served.stopped
        async with session.post("/kapp/v1/stop") as response:
            assert response.status == 200
    assert served.stopped


async def test_no_route_runs_for_a_foreign_host_or_page(served: Served) -> None:
    strangers = ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"})
    async with served.session() as session:
        for method, path, _ in served.routes:
            for headers in strangers:
                async with session.request(method, path, headers=headers, json={}) as response:
                    assert response.status == 403, f"{method} {path} {headers}"
    assert not served.stopped
