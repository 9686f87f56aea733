"""The kubelet's side of port-forward, over aiohttp, with faults to switch on.

Pods are names mapped to the local port that each of their ports really is. Both protocols are
served: the SPDY tunnel and channels. Written from the server's rules, apart from the client's code;
only the framing is shared, and that has tests of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

from kapp.server.http import end
from kapp.wire import channels, spdy


async def until(condition: Callable[[], object], what: str = "", timeout_s: float = 10.0) -> None:
    """Wait for a condition, with a deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not condition():
        assert loop.time() < deadline, f"never became true: {what or condition}"
        await asyncio.sleep(0.005)


class FakeKubelet:
    """See the module's text. Knobs are attributes."""

    def __init__(self) -> None:
        self.pods: dict[str, dict[int, int]] = {}
        self.tunnels = True  # knows the tunnel protocol
        self.queue_size = 0  # messages held for a pod that does not read; 0: any number
        self.status = 0  # answer handshakes with this code instead
        # containerd: at the pod's end, wait so long for the client's, or for a write to fail
        self.ends_both_after_s = 0.0
        self.answer_after_s = 0.0  # each frame of a tunnel leaves so late
        self.hang_channels = False  # never answer a handshake for the older protocol
        self.dials: list[str] = []  # protocols of the handshakes that succeeded
        self.handshakes = 0
        self.open: set[web.WebSocketResponse] = set()
        self.silent: set[web.WebSocketResponse] = set()
        self.url = ""

    def cut(self) -> None:
        """Break every connection, as a network or an API server that goes away."""
        for ws in list(self.open):
            transport = ws._req.transport if ws._req is not None else None
            if isinstance(transport, asyncio.Transport):
                transport.abort()

    def go_silent(self) -> None:
        """Answer nothing more on what is open: a half-open connection."""
        self.silent |= self.open

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        pod = request.match_info["pod"]
        if self.status:
            return web.Response(status=self.status)
        if pod not in self.pods:
            return web.Response(status=404)
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        tunnel = channels.TUNNEL in [name.strip() for name in offered]
        if tunnel and not self.tunnels:
            return web.Response(status=403)
        if self.hang_channels and not tunnel:
            await asyncio.Event().wait()
        protocol = channels.TUNNEL if tunnel else channels.V4
        ws = web.WebSocketResponse(protocols=(protocol,), max_msg_size=0, compress=False)
        await ws.prepare(request)
        self.dials.append(protocol)
        self.open.add(ws)
        try:
            if tunnel:
                await TunnelServer(self, ws, pod).run()
            else:
                await serve_channels(self, ws, pod, int(request.query["ports"]))
        finally:
            self.open.discard(ws)
            self.silent.discard(ws)
        return ws

    async def connect(
        self, pod: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | str:
        """A connection to the pod's port, or the text a container runtime has for its refusal."""
        real = self.pods.get(pod, {}).get(port)
        try:
            if real is None:
                raise ConnectionRefusedError
            return await asyncio.open_connection("127.0.0.1", real)
        except OSError:
            return (
                f"error forwarding port {port} to pod abc, uid : failed to execute portforward in "
                f'network namespace "/var/run/netns/x": failed to connect to localhost:{port} '
                f'inside namespace "x", IPv4: dial tcp4 127.0.0.1:{port}: connect: connection '
                "refused IPv6 dial tcp6: address localhost: no suitable address found "
            )


class TunnelServer:
    def __init__(self, kubelet: FakeKubelet, ws: web.WebSocketResponse, pod: str) -> None:
        self.kubelet, self.ws, self.pod = kubelet, ws, pod
        self.session = spdy.SpdySession("server")
        self.lock = asyncio.Lock()
        self.requests: dict[str, dict[str, int]] = {}
        self.inbound: dict[int, asyncio.Queue[bytes]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.refused: set[int] = set()
        self.blocked: set[int] = set()  # workers that wait for a reader for ever

    def blocks(self, event: spdy.Event) -> bool:
        """As spdystream: one of five workers has a stream's frames, and waits until they are read.

        Source: github.com/moby/spdystream, connection.go (`Serve`, `handleDataFrame`).
        """
        if not isinstance(event, spdy.SynStream | spdy.Data | spdy.RstStream):
            return False
        if isinstance(event, spdy.Data) and event.payload and event.stream_id in self.refused:
            self.blocked.add(event.stream_id % 5)
        return event.stream_id % 5 in self.blocked

    async def run(self) -> None:
        try:
            async for message in self.ws:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    continue
                if self.ws in self.kubelet.silent:
                    continue
                for event in self.session.feed(message.data):
                    await self.on(event)
        finally:
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def send(self, make: Callable[[], bytes]) -> None:
        async with self.lock:
            if self.kubelet.answer_after_s:
                await asyncio.sleep(self.kubelet.answer_after_s)
            if self.ws in self.kubelet.silent:
                return
            with suppress(spdy.SpdyError, ConnectionError, aiohttp.ClientError):
                await self.ws.send_bytes(make())

    async def on(self, event: spdy.Event) -> None:
        if self.blocks(event):
            return
        if isinstance(event, spdy.SynStream):
            stream_id, headers = event.stream_id, event.headers
            await self.send(lambda: self.session.syn_reply(stream_id))
            request = self.requests.setdefault(headers["requestid"], {})
            request[headers["streamtype"]] = stream_id
            if headers["streamtype"] == "data":
                self.inbound[stream_id] = asyncio.Queue(self.kubelet.queue_size)
            if len(request) == 2:
                task = asyncio.create_task(self.forward(request, int(headers["port"])))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        elif isinstance(event, spdy.Data) and event.stream_id in self.inbound:
            queue = self.inbound[event.stream_id]
            if event.payload:
                await queue.put(bytes(event.payload))  # as spdystream: all wait for the slow one
            if event.fin:
                await queue.put(b"")
        elif isinstance(event, spdy.RstStream) and event.stream_id in self.inbound:
            await self.inbound[event.stream_id].put(b"")
        elif isinstance(event, spdy.Ping):
            ping_id = event.ping_id
            await self.send(lambda: self.session.pong(ping_id))

    async def forward(self, request: dict[str, int], port: int) -> None:
        data, error = request["data"], request["error"]
        connected = await self.kubelet.connect(self.pod, port)
        if isinstance(connected, str):
            text = connected.encode()
            self.refused.add(data)
            if not self.inbound[data].empty():
                self.blocked.add(data % 5)
            await self.send(lambda: self.session.data(error, text, fin=True))
            await self.send(lambda: self.session.data(data, b"", fin=True))
            return
        reader, writer = connected
        upload = asyncio.create_task(self.upload(data, writer))
        try:
            with suppress(ConnectionError):
                while chunk := await reader.read(64 * 1024):
                    await self.send(lambda chunk=chunk: self.session.data(data, chunk))
            if self.kubelet.ends_both_after_s:
                await asyncio.wait([upload], timeout=self.kubelet.ends_both_after_s)
                text = upload.result() if upload.done() else b""
                if text:
                    await self.send(lambda: self.session.data(error, text))
            await self.send(lambda: self.session.data(data, b"", fin=True))
            if not self.kubelet.ends_both_after_s:
                await upload
        finally:
            upload.cancel()
            writer.close()
            await self.send(lambda: self.session.data(error, b"", fin=True))

    async def upload(self, data: int, writer: asyncio.StreamWriter) -> bytes:
        try:
            while chunk := await self.inbound[data].get():
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()
        except ConnectionError:
            return b"error forwarding port 80: write tcp4 127.0.0.1:1->127.0.0.1:80: broken pipe"
        return b""


async def serve_channels(
    kubelet: FakeKubelet, ws: web.WebSocketResponse, pod: str, port: int
) -> None:
    for message in channels.forward_openings([port]):
        await ws.send_bytes(message)
    connected = await kubelet.connect(pod, port)
    if isinstance(connected, str):
        await ws.send_bytes(channels.encode(1, connected.encode()))
        await ws.close()
        return
    reader, writer = connected

    async def download() -> None:
        while chunk := await reader.read(64 * 1024):
            await ws.send_bytes(channels.encode(0, chunk))
        await ws.close()

    task = asyncio.create_task(download())
    try:
        async for message in ws:
            if message.type is aiohttp.WSMsgType.BINARY:
                writer.write(channels.decode(message.data).payload)
                await writer.drain()
    finally:
        task.cancel()
        writer.close()


Connect = Callable[..., Awaitable[aiohttp.ClientWebSocketResponse]]


@asynccontextmanager
async def running_kubelet() -> AsyncIterator[tuple[FakeKubelet, Connect]]:
    """The server, and a `ws_connect` to it."""
    kubelet = FakeKubelet()
    app = web.Application()
    app.router.add_get("/api/v1/namespaces/{ns}/pods/{pod}/portforward", kubelet.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    kubelet.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def connect(
            path: str, *, protocols: Sequence[str]
        ) -> aiohttp.ClientWebSocketResponse:
            return await session.ws_connect(kubelet.url + path, protocols=protocols, max_msg_size=0)

        try:
            yield kubelet, connect
        finally:
            kubelet.cut()
            await end(runner)


@asynccontextmanager
async def tcp_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A program in a pod: a local TCP server; yields its port."""

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(safely, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what it gets; half-closes after the client does."""
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
