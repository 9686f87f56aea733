"""A reverse proxy in front of a cluster, with faults on demand: what networks and servers do."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from yarl import URL

from kapp.cluster import kubeconfig
from kapp.cluster.connection import Connection
from kapp.machinery.status import ApiError
from kapp.server.http import end

# Its name is one that a local cluster has, so that the production guard lets it pass.
CONTEXT = "kind-proxy"
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "authorization"}


class Request(NamedTuple):
    """What a rule may decide by."""

    method: str
    path: str


class Fault(NamedTuple):
    """What a client gets instead of the cluster's answer.

    `code` 0 cuts the connection, before or `after` the cluster has done what it was asked; `hang`
    waits until the rules change.
    """

    code: int = 0
    reason: str = ""
    message: str = ""
    retry_after_s: int | None = None
    after: bool = False
    hang: bool = False


Rule = Callable[[Request], Fault | None]


class Proxy:
    """Runs in a thread of its own, on a port that stays the same while it is away."""

    def __init__(self, directory: Path, upstream: str) -> None:
        self.kubeconfig = directory / "proxy.kubeconfig"
        self.requests: list[Request] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._upstream = upstream
        self._rule: Rule | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._changed = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connection: Connection | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._tunnels: set[web.WebSocketResponse] = set()
        self._silent: set[web.WebSocketResponse] = set()

    def come_back(self) -> None:
        """Listen (again)."""
        self._call(self._listen())
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(self._config())

    def go_away(self) -> None:
        """Refuse and cut all connections."""
        self._call(self._close())

    def obey(self, rule: Rule | None) -> None:
        """Follow another rule; what hangs goes on."""
        self._call(self._set(rule, self._upstream))

    def hold_logs(self, held: bool) -> None:
        """Whether what containers print stays here for now."""
        self._call(self._hold(held))

    def cut_tunnels(self) -> None:
        """End the TCP connections of all websockets, without a word."""
        self._call(self._on_tunnels(lambda ws: ws._req and ws._req.transport.abort()))

    def silence_tunnels(self) -> None:
        """Pass on nothing more through the websockets there are, and say nothing of it."""
        self._call(self._on_tunnels(self._silent.add))

    @property
    def tunnels(self) -> int:
        """Websockets that are open."""
        return len(self._tunnels)

    def lead_to(self, upstream: str) -> None:
        """Be another cluster, at the same address."""
        self._call(self._close())
        self._call(self._set(self._rule, upstream))
        self._call(self._listen())

    def writes(self) -> list[Request]:
        """The requests that were to change something."""
        return [one for one in self.requests if one.method != "GET"]

    def close(self) -> None:
        """Close for good."""
        self._call(self._set(None, self._upstream))
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _set(self, rule: Rule | None, upstream: str) -> None:
        self._rule, self._upstream = rule, upstream
        self._changed.set()
        self._changed = asyncio.Event()

    async def _hold(self, held: bool) -> None:
        if held:
            self._flowing.clear()
        else:
            self._flowing.set()

    async def _on_tunnels(self, do: Callable[[web.WebSocketResponse], object]) -> None:
        for tunnel in list(self._tunnels):
            do(tunnel)

    async def _listen(self) -> None:
        self._connection = Connection(kubeconfig.load(self._upstream))
        app = web.Application(client_max_size=32 << 20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await end(self._runner)
            self._runner = None
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        seen = Request(request.method, request.path)
        self.requests.append(seen)
        if seen.method == "GET":
            return await self._answer(request, seen)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answer(request, seen)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: web.Request, seen: Request) -> web.StreamResponse:
        while self._rule is not None and (fault := self._rule(seen)) is not None:
            if fault.hang:
                await self._changed.wait()
                continue
            if fault.after:
                await self._forward(request, answer=False)
            if fault.code:
                return _status(fault)
            return _cut(request)
        return await self._forward(request, answer=True)

    async def _forward(self, request: web.Request, *, answer: bool) -> web.StreamResponse:
        connection = self._connection
        if connection is None:
            return _cut(request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._tunnel(request, connection)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers |= await connection._authorize(False)
        url = connection.context.server + str(request.rel_url)
        try:
            async with connection.transport.session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                data=await request.read() or None,
                server_hostname=connection.context.tls_server_name or None,
            ) as upstream:
                kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP_BY_HOP}
                kept.pop("Content-Encoding", None)
                response = web.StreamResponse(status=upstream.status, headers=kept)
                if answer:
                    await response.prepare(request)
                async for chunk in upstream.content.iter_any():
                    if request.path.endswith("/log"):
                        await self._flowing.wait()
                    if answer:
                        await response.write(chunk)
                if answer:
                    await response.write_eof()
                return response
        except (aiohttp.ClientError, OSError):
            return _cut(request)

    async def _tunnel(self, request: web.Request, connection: Connection) -> web.StreamResponse:
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [one.strip() for one in offered.split(",")]
        try:
            far = await connection.transport.ws_connect(str(request.rel_url), protocols=protocols)
        except ApiError as error:
            return _status(Fault(error.code, error.reason, error.message))
        near = web.WebSocketResponse(
            protocols=(far.protocol or "",), max_msg_size=0, compress=False
        )
        try:
            await near.prepare(request)
            self._tunnels.add(near)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(near, far, near))
                group.create_task(self._pass(far, near, near))
        except* (aiohttp.ClientError, OSError):
            pass
        finally:
            self._tunnels.discard(near)
            self._silent.discard(near)
            await far.close()
        return near

    async def _pass(
        self,
        source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        tunnel: web.WebSocketResponse,
    ) -> None:
        async for message in source:
            if tunnel not in self._silent:
                await target.send_bytes(message.data)
        if tunnel not in self._silent:
            await target.close()

    def _config(self) -> str:
        cluster = {"name": CONTEXT, "cluster": {"server": f"http://127.0.0.1:{self._port}"}}
        context = {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "nobody"}}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": CONTEXT,
                "clusters": [cluster],
                "contexts": [context],
                "users": [{"name": "nobody", "user": {}}],
            }
        )


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _status(fault: Fault) -> web.Response:
    details = {} if fault.retry_after_s is None else {"retryAfterSeconds": fault.retry_after_s}
    body = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": fault.code,
        "reason": fault.reason,
        "message": fault.message,
        "details": details,
    }
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return web.json_response(body, status=fault.code, headers=headers)
