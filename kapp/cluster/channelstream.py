"""One connection over the channel protocol: a websocket of its own.

For servers older than Kubernetes 1.31. The protocol has no half-close, so the client's end cannot
be passed on: the connection is ended once the pod has been silent for a while after it. A
network that is cut is noticed by TCP alone (keepalive, about 30 s).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from kapp.aio.supervise import TaskGroup, cancel
from kapp.cluster.podstream import (
    Buffer,
    Dispose,
    PodStream,
    StreamBroken,
    StreamReceiver,
    refusal,
    says_that_the_pod_has_ended,
)
from kapp.cluster.wswriter import WebsocketWriter
from kapp.errors import KappError
from kapp.wire.channels import ChannelError, ForwardChannels, ForwardFailure

_LINGER_S = 10.0
"""After the client's end, for an answer that is being computed."""

_CLOSE_S = 1.0
"""For the closing handshake."""


class ChannelStream(PodStream):
    """Runs from construction until `stream_lost` or `abort`.

    Args:
        ws: a websocket to `…/portforward?ports=PORT`.
        opened_at: when its websocket was asked for, by the loop's clock.
        dispose: runs what closes the websocket, to its end.
        on_end: told when it is over, for whatever reason.
    """

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse,
        pod: str,
        port: int,
        receiver: StreamReceiver,
        tasks: TaskGroup,
        *,
        opened_at: float,
        dispose: Dispose,
        on_end: Callable[[ChannelStream], None],
    ) -> None:
        self.port = port
        self._ws = ws
        self._pod = pod
        self._receiver = receiver
        self._dispose_later = dispose
        self._on_end = on_end
        self._channels = ForwardChannels([port])
        self._writer = WebsocketWriter(
            ws, join=False, on_pause=receiver.pause_writing, on_resume=receiver.resume_writing
        )
        self._reading = asyncio.Event()
        self._reading.set()
        self._ended_by_us = False
        self.opened_at = opened_at
        self._heard_at = 0.0
        self._linger: asyncio.TimerHandle | None = None
        self._over = False
        self._running = [
            tasks.spawn(self._read(), f"channel-read {pod}"),
            tasks.spawn(self._write(), f"channel-write {pod}"),
        ]

    def write(self, data: Buffer) -> None:
        """See PodStream."""
        if not (self._over or self._ended_by_us) and data:
            self._writer.send(self._channels.encode(0, data))

    def write_eof(self) -> None:
        """See PodStream; here, the beginning of the end."""
        if not (self._over or self._ended_by_us):
            self._ended_by_us = True
            self._heard_at = asyncio.get_running_loop().time()
            self._end_if_silent()

    def pause_reading(self) -> None:
        """See PodStream."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """See PodStream."""
        self._reading.set()

    def abort(self) -> None:
        """See PodStream."""
        if not self._over:
            self._end()

    async def close(self) -> None:
        """As `abort`, and wait until the websocket is closed."""
        self.abort()
        await self._dispose()

    async def _read(self) -> None:
        error: KappError | None = None
        try:
            while True:
                await self._reading.wait()
                message = await self._ws.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    event = self._channels.receive(message.data)
                    if self.accepted_at is None and self._channels.open:
                        self.accepted_at = asyncio.get_running_loop().time()
                    if isinstance(event, ForwardFailure):
                        if not (self._heard_at and says_that_the_pod_has_ended(event.message)):
                            error = refusal(event.message, self.port, self._pod)
                        break
                    if event is not None:
                        self._heard_at = asyncio.get_running_loop().time()
                        self._receiver.data_received(event.payload)
                elif message.type is aiohttp.WSMsgType.ERROR:
                    error = StreamBroken(f"the connection to pod {self._pod} broke")
                    break
                elif message.type is not aiohttp.WSMsgType.TEXT:
                    break
        except ChannelError as broken:
            error = broken
        except (aiohttp.ClientError, OSError) as broken:
            error = StreamBroken(f"the connection to pod {self._pod} broke: {broken}")
            error.__cause__ = broken
        if not self._channels.open and error is None:
            error = StreamBroken(f"the server ended the connection to pod {self._pod}")
        self._lost(error)

    def _end_if_silent(self) -> None:
        if self._over:
            return
        loop = asyncio.get_running_loop()
        due = self._heard_at + _LINGER_S
        if loop.time() >= due and self._reading.is_set():
            self._lost(None)
        else:
            self._linger = loop.call_at(max(due, loop.time() + 1.0), self._end_if_silent)

    async def _write(self) -> None:
        try:
            await self._writer.run()
        except (aiohttp.ClientError, OSError) as broken:
            error = StreamBroken(f"the connection to pod {self._pod} broke: {broken}")
            error.__cause__ = broken
            self._lost(error)

    def _lost(self, error: KappError | None) -> None:
        if not self._over:
            self._end()
            if error is None:
                self._receiver.eof_received()
            self._receiver.stream_lost(error)

    def _end(self) -> None:
        self._over = True
        if self._linger is not None:
            self._linger.cancel()
        self._dispose_later(self._dispose())
        self._on_end(self)

    async def _dispose(self) -> None:
        await cancel(*self._running)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._ws.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the peer is gone: what aiohttp holds of the socket is dropped by now
