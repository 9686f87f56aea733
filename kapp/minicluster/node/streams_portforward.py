"""`kubectl port-forward`: connections dialled inside the pod's network namespace.

Two protocols: `SPDY/3.1+portforward.k8s.io` (a SPDY session inside websocket messages, one pair of
streams for each connection) and the older channels of `v4.channel.k8s.io`. Neither has flow
control, so a connection whose server does not read holds up its websocket once its own buffer is
full: memory stays bounded. Source: k8s.io/kubelet/pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import Object, name_of
from kapp.machinery.status import bad_request
from kapp.minicluster.node.runtime import RuntimeFailure
from kapp.minicluster.node.streams import check_upgrade
from kapp.wire import channels, spdy

if TYPE_CHECKING:
    from kapp.minicluster.node.kubelet import Node

_CHUNK_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 20  # what one connection may have in flight before its websocket waits
_LEGACY_PROTOCOLS = (channels.V4, "portforward.k8s.io")


def failure_text(pod: Object, port: int, error: Exception) -> str:
    """What the kubelet writes on a connection's error stream when it cannot connect."""
    text = str(error)
    if isinstance(error, ConnectionRefusedError):
        text = f"dial tcp4 127.0.0.1:{port}: connect: connection refused"
    return (
        f"error forwarding port {port} to pod {name_of(pod)}, uid : failed to connect to "
        f'localhost:{port} inside namespace "{name_of(pod)}", IPv4: {text}'
    )


class ForwardStreams:
    """Answers pods/portforward."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def forward(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET …/portforward with a websocket upgrade."""
        check_upgrade(request, "port-forward")
        state = self._node.state_of(pod)
        if state is None or not state.sandbox:
            phase = (pod.get("status") or {}).get("phase") or "Pending"
            raise bad_request(
                f"unable to forward port because pod is not running. Current status={phase}"
            )
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        if channels.TUNNEL in offered:
            return await self._tunnel(request, pod)
        return await self._legacy(request, pod)

    async def _tunnel(self, request: web.Request, pod: Object) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(channels.TUNNEL,), max_msg_size=0, compress=False)
        await ws.prepare(request)
        async with TaskGroup("port-forward") as tasks:
            tunnel = _Tunnel(self._node, pod, ws, tasks)
            try:
                async for message in ws:
                    if message.type is WSMsgType.BINARY:
                        await tunnel.feed(message.data)
            except (spdy.SpdyError, ConnectionError):
                await ws.close(code=1002)
            finally:
                tunnel.close()
        return ws

    async def _legacy(self, request: web.Request, pod: Object) -> web.StreamResponse:
        texts = [p for text in request.query.getall("ports", []) for p in text.split(",")]
        if not texts or not all(t.isdigit() and 0 < int(t) < 65536 for t in texts):
            raise bad_request("query parameter 'ports' is required: numbers from 1 to 65535")
        ports = [int(text) for text in texts]
        ws = web.WebSocketResponse(protocols=_LEGACY_PROTOCOLS, max_msg_size=0, compress=False)
        await ws.prepare(request)
        async with TaskGroup("port-forward") as tasks:
            await _Legacy(self._node, pod, ws, tasks, ports).run()
        await ws.close()
        return ws


@dataclass
class _Connection:
    """One forwarded connection: a pair of streams, and a socket once it is connected."""

    port: int
    data: int = 0
    error: int = 0
    early: list[bytes] = field(default_factory=list)
    early_end: bool = False
    writer: asyncio.StreamWriter | None = None
    started: bool = False
    task: asyncio.Task[None] | None = None


class _Tunnel:
    """The server's side of one SPDY session."""

    def __init__(
        self, node: Node, pod: Object, ws: web.WebSocketResponse, tasks: TaskGroup
    ) -> None:
        self._node = node
        self._pod = pod
        self._ws = ws
        self._tasks = tasks
        self._session = spdy.SpdySession("server")
        self._connections: dict[str, _Connection] = {}
        self._by_stream: dict[int, tuple[str, _Connection]] = {}

    async def feed(self, data: bytes) -> None:
        """Take in one message. Raises SpdyError, ConnectionError."""
        for event in self._session.feed(data):
            match event:
                case spdy.SynStream():
                    await self._opened(event)
                case spdy.Data():
                    await self._received(event)
                case spdy.RstStream():
                    self._reset(event.stream_id)
                case spdy.Ping():
                    await self._ws.send_bytes(self._session.pong(event.ping_id))
                case _:
                    pass

    async def _opened(self, event: spdy.SynStream) -> None:
        headers = event.headers
        port, kind = headers.get("port", ""), headers.get("streamtype", "")
        if not port.isdigit() or not 0 < int(port) < 65536 or kind not in ("data", "error"):
            await self._ws.send_bytes(
                self._session.rst_stream(event.stream_id, spdy.RstStatus.PROTOCOL_ERROR)
            )
            return
        await self._ws.send_bytes(self._session.syn_reply(event.stream_id))
        request_id = headers.get("requestid", "")
        connection = self._connections.setdefault(request_id, _Connection(int(port)))
        self._by_stream[event.stream_id] = (kind, connection)
        setattr(connection, kind, event.stream_id)
        if connection.data and connection.error and not connection.started:
            connection.started = True
            # the same id may name another connection once this one has both its streams
            del self._connections[request_id]
            connection.task = self._tasks.spawn(self._run(connection), f"port-{connection.port}")

    async def _received(self, event: spdy.Data) -> None:
        kind, connection = self._by_stream.get(event.stream_id, ("", None))
        if connection is None or kind != "data":
            return
        if connection.writer is None:
            connection.early.append(bytes(event.payload))
            connection.early_end = connection.early_end or event.fin
            return
        with contextlib.suppress(OSError):
            if event.payload:
                connection.writer.write(bytes(event.payload))
                await connection.writer.drain()
            if event.fin and connection.writer.can_write_eof():
                connection.writer.write_eof()

    def _reset(self, stream_id: int) -> None:
        _, connection = self._by_stream.get(stream_id, ("", None))
        if connection is not None and connection.task is not None:
            connection.task.cancel()

    async def _run(self, connection: _Connection) -> None:
        error = b""
        try:
            try:
                sock = await self._node.dial(self._pod, connection.port)
            except (OSError, RuntimeFailure) as problem:
                error = failure_text(self._pod, connection.port, problem).encode()
                return
            reader, writer = await asyncio.open_connection(sock=sock)
            writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
            writer.write(b"".join(connection.early))
            connection.early.clear()
            if connection.early_end:
                writer.write_eof()
            connection.writer = writer
            with contextlib.suppress(ConnectionResetError):
                while data := await reader.read(_CHUNK_BYTES):
                    await self._ws.send_bytes(self._session.data(connection.data, data))
        except (ConnectionError, spdy.SpdyError):
            return  # the client is gone, or has reset the stream
        finally:
            await self._finish(connection, error)

    async def _finish(self, connection: _Connection, error: bytes) -> None:
        """End both streams; the other direction stays open until the client ends it."""
        with contextlib.suppress(ConnectionError):
            for stream, payload in ((connection.error, error), (connection.data, b"")):
                with contextlib.suppress(spdy.SpdyError):
                    await self._ws.send_bytes(self._session.data(stream, payload, fin=True))
        if connection.writer is not None and not connection.writer.can_write_eof():
            connection.writer.close()

    def close(self) -> None:
        """The websocket is gone: so are its connections."""
        for _, connection in self._by_stream.values():
            if connection.writer is not None:
                connection.writer.transport.abort()


class _Legacy:
    """One websocket with a connection for each of its ports."""

    def __init__(
        self,
        node: Node,
        pod: Object,
        ws: web.WebSocketResponse,
        tasks: TaskGroup,
        ports: list[int],
    ) -> None:
        self._node = node
        self._pod = pod
        self._ws = ws
        self._tasks = tasks
        self._ports = ports
        self._writers: dict[int, asyncio.StreamWriter] = {}

    async def run(self) -> None:
        """Until the client leaves or every connection has ended."""
        for message in channels.forward_openings(self._ports):
            await self._ws.send_bytes(message)
        readers = [await self._connect(index, port) for index, port in enumerate(self._ports)]
        copies = [
            self._tasks.spawn(self._copy(index, reader), f"port-{self._ports[index]}")
            for index, reader in enumerate(readers)
            if reader is not None
        ]
        reading = self._tasks.spawn(self._read(), "client")
        outputs = self._tasks.spawn(_all(copies), "outputs")
        await asyncio.wait([reading, outputs], return_when=asyncio.FIRST_COMPLETED)
        for writer in self._writers.values():
            writer.transport.abort()

    async def _connect(self, index: int, port: int) -> asyncio.StreamReader | None:
        try:
            sock = await self._node.dial(self._pod, port)
        except (OSError, RuntimeFailure) as error:
            text = failure_text(self._pod, port, error).encode()
            await self._ws.send_bytes(channels.encode(2 * index + 1, text))
            return None
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.transport.set_write_buffer_limits(high=_BUFFER_BYTES)
        self._writers[index] = writer
        return reader

    async def _copy(self, index: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._ws.send_bytes(channels.encode(2 * index, data))

    async def _read(self) -> None:
        async for message in self._ws:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, payload = channels.decode(message.data)
            writer = self._writers.get(channel // 2)
            if writer is not None and channel % 2 == 0:
                with contextlib.suppress(OSError):
                    writer.write(bytes(payload))
                    await writer.drain()


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks)
