"""One connection in a tunnel: a data stream and an error stream, paired by their request id.

Rules of the server side (k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go): text on the
error stream means that the connection failed, or that the pod had ended it before the client did;
both streams are closed when the forwarding is over, the error stream first. Some servers close both
at the pod's end and still take what the client sends; so the client's direction is given up only
once it has been quiet after that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from kapp.cluster.podstream import (
    REPLAY_BYTES,
    Buffer,
    PodStream,
    StreamBroken,
    StreamReceiver,
    refusal,
    says_that_the_pod_has_ended,
)
from kapp.wire import spdy

if TYPE_CHECKING:
    from kapp.cluster.tunnel import Tunnel
    from kapp.errors import KappError

_ERROR_TEXT_BYTES = 4096
"""Of the error stream; the servers' texts are under 500."""

_VERDICT_S = 0.2
"""A connection that ended without a byte waits this long for the error stream to say why. Servers
send that first, so this is for those that do not."""

_LINGER_S = 10.0
"""How long the client may be quiet after the pod's end and the server's, before the stream is given
up. Most clients end by themselves at once."""

_ACCEPT_S = 2.0
"""A stream that is not accepted for so long is behind something that blocks the tunnel."""

_SURELY_TAKEN_BYTES = 64 * 1024
"""Of an upload: what sockets buffer. A pod that ends first has not necessarily taken more."""


_SAFE_METHODS = (b"GET ", b"HEAD ", b"OPTIONS ")
_METHOD_BYTES = max(map(len, _SAFE_METHODS))


class TunnelStream(PodStream):
    """Made by `Tunnel.open`; `receive`, `accept`, `reset_by_peer` and `lost` are the tunnel's."""

    def __init__(
        self, tunnel: Tunnel, port: int, data_id: int, error_id: int, receiver: StreamReceiver
    ) -> None:
        self.port = port
        self.data_id = data_id
        self.error_id = error_id
        self.receiver = receiver
        self.held = 0  # bytes in _backlog
        self.sent = 0  # bytes written, ever
        self.first_write = 0  # which of the tunnel's writes was the first with its bytes; 0: none
        self.last_write = 0  # and the last that was of it at all
        self._first_bytes = b""  # that were written
        self._tunnel = tunnel
        self._backlog: deque[memoryview] = deque()
        self.opened_at = asyncio.get_running_loop().time()
        self._reading_paused = False
        self._any_data = False
        self._ended_by_us = False
        self._sent_before_end = 0  # bytes written until the pod's end
        self._ended_by_pod = False  # received
        self._end_told = False  # and handed on
        self._error_text = bytearray()
        self._error_ended = False
        self._timer: asyncio.TimerHandle | None = None  # for the verdict, then for the client's end
        self._waiting_for_verdict = False
        self._sent_at_last_look = 0
        self._over = False
        self._after(_ACCEPT_S, self._not_accepted)

    @property
    def replayable(self) -> bool:
        """See PodStream."""
        harmless = self._first_bytes.startswith(_SAFE_METHODS) or not self.sent
        return harmless and not self._answered and self.sent <= REPLAY_BYTES

    @property
    def waits_for_an_answer(self) -> bool:
        """Whether the pod was sent something and has not begun to answer."""
        return self.sent > 0 and not self._answered

    @property
    def _answered(self) -> bool:
        return self._any_data or self._ended_by_pod

    def write(self, data: Buffer) -> None:
        """See PodStream."""
        if not (self._over or self._ended_by_us) and data:
            if not self.sent:
                self._first_bytes = bytes(data[:_METHOD_BYTES])
            self.sent += len(data)
            self.last_write = self._tunnel.next_write()
            self.first_write = self.first_write or self.last_write
            for start in range(0, len(data), spdy.MAX_DATA_BYTES):
                part = data[start : start + spdy.MAX_DATA_BYTES]
                self._tunnel.send(self._tunnel.session.data_head(self.data_id, len(part)), part)

    def write_eof(self) -> None:
        """See PodStream."""
        if not (self._over or self._ended_by_us):
            self._ended_by_us = True
            self._tunnel.send(self._tunnel.session.data_head(self.data_id, 0, fin=True))
            self._finish_if_done()

    def pause_reading(self) -> None:
        """See PodStream."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """See PodStream."""
        self._reading_paused = False
        while self._backlog and not (self._reading_paused or self._over):
            data = self._backlog.popleft()
            self.held -= len(data)
            self.receiver.data_received(data)
        if not self._over:
            self._tunnel.held_changed(self)
            self._tell_end()

    def abort(self) -> None:
        """See PodStream."""
        if not self._over:
            self._release()
            self._end()

    # -- called by the tunnel

    def accept(self, stream_id: int) -> None:
        """The server took the data or the error stream."""
        if stream_id == self.data_id and self.accepted_at is None:
            self.accepted_at = asyncio.get_running_loop().time()
            if self._timer is not None:
                self._timer.cancel()

    def receive(self, event: spdy.Data) -> None:
        """Payload or the end of either stream."""
        self.accept(self.data_id)
        if event.stream_id == self.error_id:
            self._receive_error(event)
            return
        if event.payload:
            self._any_data = True
            if self._reading_paused or self._backlog:
                self._backlog.append(event.payload)
                self.held += len(event.payload)
                self._tunnel.held_changed(self)
            else:
                self.receiver.data_received(event.payload)
        if event.fin and not self._over:
            self._ended_by_pod = True
            self._sent_before_end = self.sent
            self._tell_end()

    def reset_by_peer(self) -> None:
        """The server gave the stream up."""
        self.lost(self._failure() or StreamBroken(f"pod {self._tunnel.pod} reset the connection"))

    def lost(self, error: KappError | None) -> None:
        """The stream is over, as is told to the receiver."""
        if not self._over:
            self._release()
            self._end()
            self.receiver.stream_lost(error)

    # -- states

    def _receive_error(self, event: spdy.Data) -> None:
        room = _ERROR_TEXT_BYTES - len(self._error_text)
        self._error_text += event.payload[:room]
        if event.fin:
            self._error_ended = True
            failure = self._failure()
            if failure is not None:
                self.lost(failure)
            else:
                self._tell_end()

    def _failure(self) -> KappError | None:
        text = self._error_text.decode("utf-8", "replace")
        if self._any_data and says_that_the_pod_has_ended(text):
            return None
        return refusal(text, self.port, self._tunnel.pod) if text else None

    def _tell_end(self) -> None:
        """Hand on the pod's end once everything before it was handed on, and its cause is known."""
        if self._ended_by_pod and not self._end_told and not self._backlog:
            if not (self._any_data or self._error_ended):
                if not self._waiting_for_verdict:
                    self._waiting_for_verdict = True
                    self._after(_VERDICT_S, self._no_verdict)
                return
            self._end_told = True
            self.receiver.eof_received()
        self._finish_if_done()

    def _no_verdict(self) -> None:
        self._any_data = True
        self._tell_end()

    def _finish_if_done(self) -> None:
        if not self._end_told or self._over:
            return
        if self._ended_by_us:
            self.lost(None)
        elif self._error_ended:
            self._after(_LINGER_S, self._end_if_quiet)

    def _may_have_left_bytes_unread(self) -> bool:
        """Whether the server may hold bytes of this stream that no program in the pod reads."""
        if self._error_text:
            return self.sent > 0
        if not self._ended_by_pod:
            return False
        after_the_end = self.sent > self._sent_before_end
        return after_the_end or (not self._ended_by_us and self.sent > _SURELY_TAKEN_BYTES)

    def _end_if_quiet(self) -> None:
        if self.sent == self._sent_at_last_look:
            self.lost(None)
        else:
            self._sent_at_last_look = self.sent
            self._after(_LINGER_S, self._end_if_quiet)

    def _not_accepted(self) -> None:
        """Servers take a stream as soon as they read of it: this one did not come to read it."""
        if not self._tunnel.congested:
            self._tunnel.retire_blocked(self)

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay_s, then)

    def _release(self) -> None:
        """Reset what is still open, so that the server's side is freed too."""
        self._tunnel.send(
            self._tunnel.session.rst_stream(self.data_id),
            self._tunnel.session.rst_stream(self.error_id),
        )

    def _end(self) -> None:
        self._over = True
        if self._may_have_left_bytes_unread():
            self._tunnel.retire(self)
        self._backlog.clear()
        self.held = 0
        if self._timer is not None:
            self._timer.cancel()
        self._tunnel.discard(self)
