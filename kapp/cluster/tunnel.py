"""One SPDY-over-websocket tunnel to one pod: many connections, one socket, watched by pings.

Who calls: `portforward.py` opens and replaces tunnels; `tunnelstream.py` is one connection.

Invariants:
- A tunnel that answers nothing is *suspect* after `ANSWER_S` (no new streams; those the server has
  not accepted fail at once, so that they are retried elsewhere) and dead after two of them. Any
  byte received is an answer, since a busy server may delay pings.
- SPDY here has no flow control, so a stream whose user does not read is held back in memory first,
  then by not reading the tunnel at all. A tunnel with such a stream is *congested*: new
  connections are not put behind it. When the reading stops, those that were asked nothing yet, or
  what may be asked twice, and have no answer are broken with TunnelBlocked, to be tried again
  beside it; others wait for the slow one. Pings are not judged while kapp itself does not read.
- A stream hears `stream_lost` exactly once, unless its user aborted it.
- Bytes that nobody reads in the pod block one of the server's five frame workers for good
  (github.com/moby/spdystream, `Connection.Serve`: a frame goes to worker `stream id % 5`, which
  waits for a reader). A tunnel on which that may have happened is *retired*: it takes no new
  streams and is replaced when its last one ends. kubectl gives its connection up likewise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from kapp.aio.supervise import TaskGroup, cancel
from kapp.cluster.podstream import Buffer, Dispose, StreamBroken, StreamReceiver, TunnelBlocked
from kapp.cluster.tunnelstream import TunnelStream
from kapp.cluster.wswriter import WebsocketWriter
from kapp.errors import KappError
from kapp.wire import spdy

PING_IDLE_S = 10.0
"""Between signs of life of a warm tunnel nobody uses: under the shortest idle timeouts of load
balancers (60 s) by far, and cheap with 200 of them."""

PING_BUSY_S = 2.0
"""The same while connections are open on it."""

ANSWER_S = 2.0
"""A server that is well answers within a round trip and a scheduling delay."""

_FRESH_S = 0.5
"""A tunnel heard from this recently needs no ping when a connection is opened on it."""

_STALLED_UPLOAD_BYTES = 256 * 1024
_STALLED_UPLOAD_S = 60.0
"""Servers stop reading the whole tunnel, pings included, while a pod takes no more of an upload.
With a connection that has sent this much, silence means "slow" for that long before "dead"."""

CONGESTED_BYTES = 256 * 1024
"""Held back for one stream: its reader is slower than the pod, keep new connections away."""

_HELD_ALONE_BYTES = 1024 * 1024
_HELD_AMONG_OTHERS_BYTES = 16 * 1024 * 1024
_HELD_BEFORE_ANSWERS_BYTES = 64 * 1024 * 1024
"""Held back for one stream before the tunnel is not read any more: as little as keeps the pipe
full where that hurts nobody, more where other connections would wait for the slow one, most where
one's answer is on the way behind it."""

_FRAME_WORKERS = 5
"""See the module's text."""

_CLOSE_S = 1.0
"""For the closing handshake; the socket is dropped after it."""


class Tunnel:
    """An established tunnel; runs from `start` until `on_lost` was called (once).

    Args:
        ws: a websocket that agreed on `SPDY/3.1+portforward.k8s.io`.
        pod: its name, for messages.
        tasks: owner of the tunnel's tasks.
        dispose: runs what closes the websocket, to its end.
        on_lost: told when the tunnel is over, with the reason.
        on_idle: told when its last stream ended.
    """

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse,
        pod: str,
        tasks: TaskGroup,
        *,
        dispose: Dispose,
        on_lost: Callable[[Tunnel, KappError], None],
        on_idle: Callable[[Tunnel], None],
    ) -> None:
        self.pod = pod
        self.port: int | None = None  # the only one it is used for; None until it is used
        self.session = spdy.SpdySession("client")
        self._ws = ws
        self._tasks = tasks
        self._dispose_later = dispose
        self._on_lost = on_lost
        self._on_idle = on_idle
        self._writer = WebsocketWriter(
            ws, join=True, on_pause=self._pause_streams, on_resume=self._resume_streams
        )
        self._streams: dict[int, TunnelStream] = {}  # by the id of the data and of the error stream
        self._open: set[TunnelStream] = set()
        self._slow: set[TunnelStream] = set()
        self._next_request = 0
        self._writes = 0
        self._reading = asyncio.Event()
        self._reading.set()
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()
        self._heard_at = self._loop.time()
        self._attention = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._suspect = False
        self._going_away = False
        self._lost = False

    @property
    def usable(self) -> bool:
        """Whether a new connection should be put on this tunnel."""
        return not (self._lost or self._suspect or self._going_away or self.congested)

    @property
    def retired(self) -> bool:
        """Whether it is to be replaced once its streams have ended."""
        return self._going_away

    @property
    def congested(self) -> bool:
        """Whether a stream's user reads more slowly than the pod sends."""
        return any(stream.held > CONGESTED_BYTES for stream in self._open)

    @property
    def stream_count(self) -> int:
        """Connections open on it."""
        return len(self._open)

    def start(self) -> None:
        """Begin to read, write and watch."""
        for name, run in (("read", self._read), ("write", self._write), ("watch", self._watch)):
            self._running.append(self._tasks.spawn(run(), f"tunnel-{name} {self.pod}"))

    def open(self, port: int, receiver: StreamReceiver) -> TunnelStream:
        """A connection to `port` in the pod, usable at once: nothing is waited for.

        That the pod refuses it is told by `receiver.stream_lost`.
        """
        headers = {"port": str(port), "requestid": str(self._next_request)}
        self._next_request += 1
        error_id, error_head = self.session.syn_stream({"streamtype": "error", **headers})
        error_end = self.session.data_head(error_id, 0, fin=True)
        data_id, data_head = self.session.syn_stream({"streamtype": "data", **headers})
        stream = TunnelStream(self, port, data_id, error_id, receiver)
        self._streams[data_id] = self._streams[error_id] = stream
        self._open.add(stream)
        stream.last_write = self.next_write()
        self.send(error_head, error_end, data_head)
        if self._loop.time() - self._heard_at > _FRESH_S:
            self._attention.set()
        return stream

    def send(self, *parts: Buffer) -> None:
        """Queue bytes of the session, in the order in which it made them."""
        if not self._lost:
            self._writer.send(*parts)

    def discard(self, stream: TunnelStream) -> None:
        """Called by a stream that is over. Its error stream may still be open; that is dropped."""
        if stream not in self._open:
            return
        self._open.discard(stream)
        self._streams.pop(stream.data_id, None)
        self._streams.pop(stream.error_id, None)
        self._slow.discard(stream)
        self._judge_reading()
        if not self._open and not self._lost:
            self._on_idle(self)

    def retire(self, left_unread: TunnelStream) -> None:
        """Called by a stream that may have left bytes unread, with itself, before it is over.

        Streams with something behind its bytes, in the queue of the worker that they block, would
        wait for ever; they are broken, so that they are tried again elsewhere.
        """
        self._going_away = True
        for stream in list(self._open):
            ids = (stream.data_id, stream.error_id)
            behind = stream.last_write > left_unread.first_write
            blocked = any((one - left_unread.data_id) % _FRAME_WORKERS == 0 for one in ids)
            if behind and blocked and stream is not left_unread:
                self.retire_blocked(stream)

    def retire_blocked(self, stream: TunnelStream) -> None:
        """Break a stream that the tunnel keeps from getting on; others finish if they can."""
        self._going_away = True
        stream.lost(TunnelBlocked(f"the tunnel to pod {self.pod} is blocked"))

    def next_write(self) -> int:
        """The number of a write, in the order in which they are sent."""
        self._writes += 1
        return self._writes

    def held_changed(self, stream: TunnelStream) -> None:
        """Called by a stream when it holds more or less data back."""
        limit = _HELD_ALONE_BYTES
        if len(self._open) > 1:
            limit = _HELD_AMONG_OTHERS_BYTES
            if any(one.waits_for_an_answer for one in self._open):
                limit = _HELD_BEFORE_ANSWERS_BYTES
        if stream.held > limit:
            self._slow.add(stream)
        elif stream.held <= limit // 2:
            self._slow.discard(stream)
        self._judge_reading()

    def fail(self, error: KappError) -> None:
        """The tunnel is over; every stream hears it. Does nothing the second time."""
        if self._lost:
            return
        self._lost = True
        for stream in list(self._open):
            stream.lost(error)
        self._open.clear()
        self._streams.clear()
        self._on_lost(self, error)
        self._dispose_later(self._dispose())

    async def close(self) -> None:
        """End the tunnel and its streams, and wait until its socket is closed."""
        self._lost = True
        for stream in list(self._open):
            stream.lost(StreamBroken(f"the tunnel to pod {self.pod} was closed"))
        await self._dispose()

    async def _dispose(self) -> None:
        await cancel(*self._running)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._ws.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the peer is gone: what aiohttp holds of the socket is dropped by now

    # -- reading

    async def _read(self) -> None:
        error: KappError = StreamBroken(f"the tunnel to pod {self.pod} closed")
        try:
            while True:
                if not self._reading.is_set():
                    await self._reading.wait()
                message = await self._ws.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self._hear()
                    for event in self.session.feed(message.data):
                        self._on_event(event)
                elif message.type is not aiohttp.WSMsgType.TEXT:
                    break
        except spdy.SpdyError as broken:
            error = broken
        except (aiohttp.ClientError, OSError) as broken:
            error = StreamBroken(f"the tunnel to pod {self.pod} broke: {broken}")
            error.__cause__ = broken
        self.fail(error)

    def _hear(self) -> None:
        self._heard_at = self._loop.time()
        self._suspect = False
        self._heard.set()

    def _on_event(self, event: spdy.Event) -> None:
        if isinstance(event, spdy.Data):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.receive(event)
        elif isinstance(event, spdy.SynReply):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.accept(event.stream_id)
        elif isinstance(event, spdy.RstStream):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.reset_by_peer()
        elif isinstance(event, spdy.Ping):
            self.send(self.session.pong(event.ping_id))
        elif isinstance(event, spdy.GoAway):
            self._going_away = True

    def _judge_reading(self) -> None:
        if self._slow and not self._lost:
            self._stop_reading()
        elif not self._reading.is_set():
            self._heard_at = self._loop.time()  # silence until now was of kapp's making
            self._reading.set()

    def _stop_reading(self) -> None:
        if self._reading.is_set():
            self._reading.clear()
            # their answers are on the way, behind what the slow one does not read
            for stream in [one for one in self._open if one.replayable]:
                stream.lost(TunnelBlocked(f"the tunnel to pod {self.pod} waits for a slow reader"))

    # -- writing

    async def _write(self) -> None:
        try:
            await self._writer.run()
        except (aiohttp.ClientError, OSError) as broken:
            error = StreamBroken(f"the tunnel to pod {self.pod} broke: {broken}")
            error.__cause__ = broken
            self.fail(error)

    def _pause_streams(self) -> None:
        for stream in list(self._open):
            stream.receiver.pause_writing()

    def _resume_streams(self) -> None:
        for stream in list(self._open):
            stream.receiver.resume_writing()

    # -- watching

    async def _watch(self) -> None:
        while True:
            interval = PING_BUSY_S if self._open else PING_IDLE_S
            due = self._heard_at + interval
            if not self._reading.is_set():
                due = self._loop.time() + interval
            if self._loop.time() < due and not await self._asked_for_attention(due):
                continue
            self._attention.clear()
            if self._reading.is_set() and not await self._answers():
                self.fail(StreamBroken(f"the tunnel to pod {self.pod} does not answer"))
                return

    async def _asked_for_attention(self, until: float) -> bool:
        """Wait; whether a new stream wants the tunnel checked now."""
        try:
            async with asyncio.timeout_at(until):
                await self._attention.wait()
        except TimeoutError:
            return False
        return True

    async def _answers(self) -> bool:
        """Ping until something is heard; False if the tunnel is dead."""
        asked_at = self._loop.time()
        while True:
            self._heard.clear()
            self.send(self.session.ping()[1])
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._heard.wait()
                return True
            except TimeoutError:
                pass
            if not self._reading.is_set():
                return True  # not judged while kapp itself does not read
            waited = self._loop.time() - asked_at
            stalled = any(s.sent > _STALLED_UPLOAD_BYTES for s in self._open)
            if waited > (_STALLED_UPLOAD_S if stalled else ANSWER_S * 1.5):
                return False
            self._become_suspect()

    def _become_suspect(self) -> None:
        self._suspect = True
        error = StreamBroken(f"the tunnel to pod {self.pod} does not answer")
        for stream in [s for s in self._open if s.accepted_at is None]:
            stream.lost(error)
