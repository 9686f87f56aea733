"""One accepted local connection, from accept to close: parked, tried on pods, then spliced.

    waiting ──open──▶ trying ──first byte from the pod──▶ spliced ──▶ closed
       ▲                │
       └─ refused/broke ┘        (the client does not notice)

Until the pod's first byte, what the client sent is kept and replayed on the next pod. Where it is
more than `REPLAY_BYTES`, the connection is committed to a pod that took it without complaint.
`forwarder.py` makes one for each accept and says which pod is best.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from typing import TYPE_CHECKING

from kapp.cluster.forwardchoice import Backend
from kapp.cluster.podside import PodSide
from kapp.cluster.podstream import (
    REPLAY_BYTES,
    Buffer,
    PodStream,
    StreamBroken,
    TunnelBlocked,
)
from kapp.errors import KappError

if TYPE_CHECKING:
    from kapp.cluster.forwarder import ForwardState

PARK_S = 30.0
"""How long a client waits for a pod: most start-ups are over by then, most clients' patience is."""

_COMMIT_LEAST_S = 0.05
_COMMIT_MOST_S = 0.3
_COMMIT_ROUND_TRIPS = 20
"""A pod that refuses does so a round trip after its stream was accepted: a large upload is its so
many times as long after that as the acceptance took, within these bounds. Until then it waits."""

_BACKOFF_FIRST_S = 0.03
_BACKOFF_MOST_S = 0.2
"""Between rounds over all pods; changes of the pods, and a pod that answers another connection, cut
it short. What a client waits beyond its pod's first moment is at most this."""

_LOOK_S = 1.0
"""A client that finds no pod at all says so this often: after a while it is worth an error."""

_BACKOFF_PER_WAITING_S = 0.004
"""Added for each waiting connection, so that hundreds of them try 250 times a second in all."""

_EMPTY_CLOSES = 2
"""A pod that closes without a byte may be stopping, and is then tried again this often; or it may
mean it, and is then believed. (One that takes data and never answers gets it this often again.)"""

_LEAVING_S = 0.15
"""A pod that is being stopped may have taken a connection just before it ceased to listen, which
containerd tells a second later (see `_write`). Without an answer by then it is asked anew, once.
"""

_IDLE_CLOSE_S = 5.0
"""A close without a byte in either direction after this is an idle timeout, and meant."""


_LINGER_ZERO = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 seconds: close with RST (socket(7))."""


class Splice(asyncio.Protocol):
    """The client's side. The pod's side is `PodSide`, one for each attempt."""

    def __init__(self, forward: ForwardState) -> None:
        self.backend: Backend | None = None
        self.stream: PodStream | None = None
        self._pod_paused = False
        self._left: set[str] = set()  # uids of pods that were left without an answer, as they leave
        self._forward = forward
        self._side: PodSide | None = None
        self._loop = asyncio.get_running_loop()
        self._client: asyncio.Transport | None = None
        self._kept: list[Buffer] = []
        self._kept_bytes = 0
        self._client_ended = False
        self._committed = False
        self._closed = False
        self._outcome: asyncio.Future[KappError | None] | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._client_paused = False

    @property
    def waiting(self) -> bool:
        """Whether no pod has the connection."""
        return self.stream is None and not (self._committed or self._closed)

    # -- called by the loop: the client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._forward.accepted(self)
        self._task = self._forward.tasks.spawn(self._serve(), "connection")
        self._task.add_done_callback(lambda _: self._served())

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if not self._committed:
            self._kept.append(data)
            self._kept_bytes += len(data)
            if self._kept_bytes > REPLAY_BYTES and not self._client_paused:
                self._judge_client_reading()
                if self.stream is not None:
                    self._commit_upload_later(self.stream)
        if self.stream is not None:
            self._write(self.stream, data)

    def eof_received(self) -> bool:
        """The client has sent all; or is gone, which looks the same until something is sent."""
        self._client_ended = True
        if self.stream is not None:
            self.stream.write_eof()
        elif not self._kept_bytes:
            self.close()  # nothing was asked: there is nothing to wait for
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than the pod sends."""
        if self.stream is not None:
            self.stream.pause_reading()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self.stream is not None:
            self.stream.resume_reading()

    # -- called by the forwarder

    def wake(self) -> None:
        """The pods have changed: a waiting connection looks again.

        So does one whose pod is gone without an answer: nobody tells where the network of a pod
        that is taken down swallows it.
        """
        self._wake.set()
        backend, outcome = self.backend, self._outcome
        if backend is None or self._committed or outcome is None or outcome.done():
            return
        if self._forward.is_replaced(backend):
            if self.stream is not None:
                self.stream.abort()
            outcome.set_result(StreamBroken(f"pod {backend.pod} is gone"))

    def close(self) -> None:
        """Drop the client and the pod's side. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.abort()
        if self._client is not None:
            self._client.abort()
        if self._task is not None:
            self._task.cancel()
        self._kept.clear()
        self._forward.parked.discard(self)
        self._forward.ended(self)

    # -- finding a pod

    async def _serve(self) -> None:
        """Try pods until one has answered; park while none can serve."""
        failed: set[str] = set()
        backoff_s, empty_closes = _BACKOFF_FIRST_S, 0
        deadline = self._loop.time() + PARK_S
        waiting_since = self._loop.time()
        while True:
            self._wake.clear()
            backend = self._forward.choose(failed)
            if backend is None:
                if self._loop.time() >= deadline:
                    self._finish()
                    return
                if not failed:
                    self._forward.lacking(self._loop.time() - waiting_since)
                pause_s = _LOOK_S
                if failed:  # every pod was tried: begin again after a while, or when they change
                    pause_s = backoff_s * random.uniform(0.5, 1.0)
                    pause_s += self._forward.waiting_count * _BACKOFF_PER_WAITING_S
                    backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)
                self._forward.parked.add(self)
                if await self._woken(min(self._loop.time() + pause_s, deadline)):
                    backoff_s = _BACKOFF_FIRST_S
                self._forward.parked.discard(self)
                failed.clear()
                continue
            started = self._loop.time()
            error = await self._attempt(backend)
            if self._committed:
                return
            if error is None:
                # From a pod that is being stopped it says nothing about the next one.
                empty_closes += self._forward.is_staying(backend)
                idle = not self._kept_bytes and self._loop.time() - started > _IDLE_CLOSE_S
                if idle or empty_closes > _EMPTY_CLOSES:
                    self._finish()
                    return
                error = StreamBroken(f"pod {backend.pod} closed the connection without an answer")
            if self._loop.time() - started > 1.0:
                # it was a pod's until now: the client's patience begins again
                waiting_since = self._loop.time()
                deadline = waiting_since + PARK_S
            if isinstance(error, TunnelBlocked):
                continue  # a new tunnel is there already
            failed.add(backend.uid)
            self._forward.failed(backend, error, self._loop.time() - waiting_since)
            if self._client_ended and not self._kept_bytes:
                self.close()
                return

    def _served(self) -> None:
        """Nobody looks for a pod any more: a client must not wait for one that will never come."""
        if not self._committed:
            self._reset_client()

    async def _woken(self, until: float) -> bool:
        try:
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    async def _attempt(self, backend: Backend) -> KappError | None:
        """Give the connection to `backend`; returns once it answered, or with why it did not."""
        self._outcome = self._loop.create_future()
        self._side = PodSide(self)
        self._pod_paused = False
        try:
            stream = await self._forward.open(backend, self._side)
        except KappError as failure:
            return failure
        self.stream, self.backend = stream, backend
        if self._forward.is_replaced(backend):  # while it was being opened
            self._outcome.set_result(StreamBroken(f"pod {backend.pod} is gone"))
            stream.abort()
        self._forward.counts_changed()
        for data in self._kept:
            stream.write(data)
        if self._client_ended:
            stream.write_eof()
        self._judge_client_reading()
        if self._kept_bytes > REPLAY_BYTES:
            self._commit_upload_later(stream)
        if not (self._forward.is_staying(backend) or backend.uid in self._left):
            self._loop.call_later(_LEAVING_S, self._leave, stream, backend)
        error = await self._outcome
        if not self._committed:
            self._side = self.stream = self.backend = None
            self._forward.counts_changed()
        return error

    def _leave(self, stream: PodStream, backend: Backend) -> None:
        outcome = self._outcome
        if self.stream is stream and stream.replayable and outcome and not outcome.done():
            self._left.add(backend.uid)
            stream.abort()
            outcome.set_result(StreamBroken(f"pod {backend.pod} is being stopped"))

    def _commit_upload_later(self, stream: PodStream) -> None:
        self._loop.call_later(_COMMIT_LEAST_S, self._commit_upload, stream)

    def _commit_upload(self, stream: PodStream) -> None:
        if self.stream is not stream or self._committed or self._closed:
            return
        accepted_at = stream.accepted_at
        if accepted_at is not None:
            wait_s = _COMMIT_ROUND_TRIPS * (accepted_at - stream.opened_at)
            wait_s = min(max(wait_s, _COMMIT_LEAST_S), _COMMIT_MOST_S)
            if self._loop.time() - accepted_at >= wait_s:
                self.commit()
                return
        self._commit_upload_later(stream)

    def _write(self, stream: PodStream, data: bytes) -> None:
        """To a pod that is being stopped, in two: the second tells whether its program has ended.

        containerd tells of the end of a pod's direction only a second later, or once a write to it
        fails; the first write after the end succeeds, and makes the next one fail (tcp(7), EPIPE).
        Source: portForward in containerd's internal/cri/server/sandbox_portforward_linux.go.
        """
        backend = self.backend
        if self._committed and backend is not None and not self._forward.is_staying(backend):
            stream.write(data[:-1])
            data = data[-1:]
        stream.write(data)

    # -- called by the pod's side

    def commit(self) -> None:
        """The connection is this pod's from now on; what was kept is let go."""
        if not self._committed:
            self._committed = True
            self._kept.clear()
            self._judge_client_reading()
            if self._outcome is not None and not self._outcome.done():
                self._outcome.set_result(None)
            if self.backend is not None:
                self._forward.answered(self.backend)

    def from_pod(self, data: memoryview) -> None:
        """Bytes from the pod."""
        if not self._committed:
            self.commit()
        if self._client is not None:
            self._client.write(data)

    def pod_ended(self) -> None:
        """The pod has sent all."""
        if self._committed:
            self._end_client_writing()
        elif self._client_ended:
            # the client has ended too: an exchange without an answer, in order
            self.commit()
            self._end_client_writing()
        elif self._outcome is not None and not self._outcome.done():
            if self.stream is not None:
                self.stream.abort()
            self._outcome.set_result(None)

    def pod_lost(self, error: KappError | None) -> None:
        """The stream is over."""
        if self._committed:
            self.stream = None
            if error is not None:
                self._reset_client()
            else:
                self._finish()
        elif self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(error)

    def is_current(self, side: PodSide) -> bool:
        """Whether `side` is the attempt that counts."""
        return self._side is side and not self._closed

    def judge_pod_pause(self, paused: bool) -> None:
        """The way to the pod is full, or is not any more."""
        self._pod_paused = paused
        self._judge_client_reading()

    def _judge_client_reading(self) -> None:
        full = not self._committed and self._kept_bytes > REPLAY_BYTES
        wanted = self._pod_paused or full
        if self._client is None or self._client.is_closing() or self._client_ended:
            return
        if wanted == self._client_paused:
            return
        self._client_paused = wanted
        if wanted:
            self._client.pause_reading()
        else:
            self._client.resume_reading()

    def _end_client_writing(self) -> None:
        if self._client is not None and not self._client.is_closing():
            self._client.write_eof()

    def _reset_client(self) -> None:
        """An answer broke off: say so with RST, since a plain close would look like its end."""
        if self._client is not None:
            sock = self._client.get_extra_info("socket")
            if sock is not None and not self._client.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.close()

    def _finish(self) -> None:
        """Close the client after what it has yet to receive."""
        self._committed = True
        self.stream = None
        if self._client is not None:
            self._client.close()  # connection_lost follows when all is sent
