"""SPDY/3.1 framing as Kubernetes uses it for port-forward and exec: bytes in, events out.

Sans-io and for both roles: the client side is the tunnel to a pod (`kapp/cluster/tunnel.py`), the
server side is the embedded cluster's node. What is implemented is what moby/spdystream speaks:
no flow control (WINDOW_UPDATE is ignored), no priorities, no server push.

Invariants:
- Any chunking of the same bytes gives the same events, but for one freedom: the payload of one
  DATA frame may come as several `Data` events, so that a frame is never held back until complete.
- Each byte is looked at once; memory held is at most one control frame.
- Malformed input raises `SpdyError`, once and for all: the session is then dead.
- Header blocks share one zlib state per direction, so frames must be sent in the order in which
  they were made.

Source: draft-mbelshe-httpbis-spdy-00 (framing, header block), github.com/moby/spdystream.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from enum import IntEnum
from struct import Struct, error
from typing import Final, Literal, TypeAlias

from kapp.wire.spdydict import DICTIONARY
from kapp.wire.spdyevents import (
    Data,
    Event,
    GoAway,
    Headers,
    Ping,
    Pong,
    RstStatus,
    RstStream,
    SpdyError,
    SynReply,
    SynStream,
)

__all__ = [
    "Data",
    "Event",
    "GoAway",
    "Headers",
    "Ping",
    "Pong",
    "Role",
    "RstStatus",
    "RstStream",
    "SpdyError",
    "SpdySession",
    "SynReply",
    "SynStream",
]

Role: TypeAlias = Literal["client", "server"]
Buffer: TypeAlias = bytes | bytearray | memoryview

_VERSION: Final = 3
_CONTROL_BIT: Final = 0x80000000
_FLAG_FIN: Final = 0x01
_STREAM_MASK: Final = 0x7FFFFFFF

MAX_DATA_BYTES: Final = (1 << 24) - 1
"""The frame length is a 24-bit field; `data` splits what is longer."""

MAX_CONTROL_BYTES: Final = 256 * 1024
"""Kubernetes' header blocks are under 200 bytes; this only bounds a hostile peer's."""

MAX_HEADER_BYTES: Final = 64 * 1024
"""Of one header block, decompressed: net/http's servers take about as much again."""

MAX_HEADERS: Final = 256
"""In one block; Kubernetes sends three."""

_HEAD = Struct(">II")
_U32 = Struct(">I")
_PAIR = Struct(">II")
_SYN = Struct(">IIBB")


class _Type(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    PING = 6
    GOAWAY = 7
    HEADERS = 8


class _Stream:
    __slots__ = ("local_closed", "remote_closed")

    def __init__(self, local_closed: bool = False, remote_closed: bool = False) -> None:
        self.local_closed = local_closed
        self.remote_closed = remote_closed


class SpdySession:
    """One end of a SPDY connection.

    `feed` turns received bytes into events; the other methods return bytes to send. A stream
    exists from its SYN_STREAM until both directions are closed or it is reset; what arrives for a
    stream that does not exist (it may have been in flight when this side reset it) is dropped.
    """

    def __init__(self, role: Role) -> None:
        self._parity = 1 if role == "client" else 0
        self._next_stream_id = 1 if role == "client" else 2
        self._next_ping_id = self._next_stream_id
        self._last_peer_stream_id = 0
        self._streams: dict[int, _Stream] = {}
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(level=zlib.Z_BEST_COMPRESSION, zdict=DICTIONARY)
        self._held = bytearray()  # the beginning of a frame header or of a control frame
        self._data_stream_id = 0
        self._data_left = 0
        self._data_fin = False
        self._failure: SpdyError | None = None

    @property
    def stream_count(self) -> int:
        """Streams that are open in at least one direction."""
        return len(self._streams)

    # -- receiving

    def feed(self, data: Buffer) -> list[Event]:
        """The events that `data` completes, in order. Raises SpdyError on malformed input."""
        if self._failure is not None:
            raise self._failure
        events: list[Event] = []
        try:
            self._parse(memoryview(data), events)
        except (SpdyError, zlib.error, error) as broken:
            self._failure = (
                broken if isinstance(broken, SpdyError) else SpdyError(f"malformed frame: {broken}")
            )
            raise self._failure from broken
        return events

    def _parse(self, view: memoryview, events: list[Event]) -> None:
        position, end = 0, len(view)
        while position < end:
            if self._data_left:
                taken = min(self._data_left, end - position)
                self._data_left -= taken
                self._on_data(view[position : position + taken], events)
                position += taken
                continue
            if self._held or end - position < _HEAD.size:
                position = self._hold(view, position, events)
                continue
            first, second = _HEAD.unpack_from(view, position)
            length = second & MAX_DATA_BYTES
            if not first & _CONTROL_BIT:
                position += _HEAD.size
                self._begin_data(first, second, events)
            elif end - position - _HEAD.size >= length:
                start = position + _HEAD.size
                position = start + length
                self._on_control(first, second, view[start:position], events)
            else:
                position = self._hold(view, position, events)

    def _hold(self, view: memoryview, position: int, events: list[Event]) -> int:
        """Collect an incomplete header or control frame; returns the position after it."""
        held = self._held
        if len(held) < _HEAD.size:
            taken = min(_HEAD.size - len(held), len(view) - position)
            held += view[position : position + taken]
            position += taken
            if len(held) < _HEAD.size:
                return position
        first, second = _HEAD.unpack_from(held)
        if not first & _CONTROL_BIT:
            held.clear()
            self._begin_data(first, second, events)
            return position
        length = second & MAX_DATA_BYTES
        if length > MAX_CONTROL_BYTES:
            raise SpdyError(f"a control frame of {length} bytes is too long")
        whole: int = _HEAD.size + length
        taken = min(whole - len(held), len(view) - position)
        held += view[position : position + taken]
        if len(held) == whole:
            self._held = bytearray()
            self._on_control(first, second, memoryview(held)[_HEAD.size :], events)
        return position + taken

    def _begin_data(self, stream_id: int, second: int, events: list[Event]) -> None:
        if stream_id == 0:
            raise SpdyError("a data frame for stream 0")
        self._data_stream_id = stream_id
        self._data_left = second & MAX_DATA_BYTES
        self._data_fin = bool(second >> 24 & _FLAG_FIN)
        if self._data_left == 0:
            self._on_data(memoryview(b""), events)

    def _on_data(self, payload: memoryview, events: list[Event]) -> None:
        stream_id = self._data_stream_id
        stream = self._streams.get(stream_id)
        if stream is None or stream.remote_closed:
            return
        fin = self._data_fin and self._data_left == 0
        if payload or fin:
            events.append(Data(stream_id, payload, fin))
        if fin:
            self._close_remote(stream_id, stream)

    def _on_control(
        self, first: int, second: int, payload: memoryview, events: list[Event]
    ) -> None:
        if first >> 16 & 0x7FFF != _VERSION:
            raise SpdyError(f"SPDY version {first >> 16 & 0x7FFF} is not 3")
        if len(payload) > MAX_CONTROL_BYTES:
            raise SpdyError(f"a control frame of {len(payload)} bytes is too long")
        kind, fin = first & 0xFFFF, bool(second >> 24 & _FLAG_FIN)
        if kind == _Type.SYN_STREAM:
            self._on_syn_stream(payload, fin, events)
        elif kind == _Type.SYN_REPLY or kind == _Type.HEADERS:
            self._on_headers(kind, payload, fin, events)
        elif kind == _Type.RST_STREAM:
            stream_id, status = _PAIR.unpack_from(payload)
            if self._streams.pop(stream_id & _STREAM_MASK, None) is not None:
                events.append(RstStream(stream_id & _STREAM_MASK, status))
        elif kind == _Type.PING:
            (ping_id,) = _U32.unpack_from(payload)
            events.append(Pong(ping_id) if ping_id & 1 == self._parity else Ping(ping_id))
        elif kind == _Type.GOAWAY:
            last, status = _PAIR.unpack_from(payload)
            events.append(GoAway(last & _STREAM_MASK, status))

    def _on_syn_stream(self, payload: memoryview, fin: bool, events: list[Event]) -> None:
        stream_id = _SYN.unpack_from(payload)[0] & _STREAM_MASK
        headers = self._decode_headers(payload[_SYN.size :])
        if stream_id & 1 == self._parity:
            raise SpdyError(f"the peer opened stream {stream_id}, which is not its to open")
        if stream_id <= self._last_peer_stream_id:
            raise SpdyError(f"the peer opened stream {stream_id} out of order")
        self._last_peer_stream_id = stream_id
        self._streams[stream_id] = _Stream(remote_closed=fin)
        events.append(SynStream(stream_id, headers, fin))

    def _on_headers(self, kind: int, payload: memoryview, fin: bool, events: list[Event]) -> None:
        stream_id = _U32.unpack_from(payload)[0] & _STREAM_MASK
        headers = self._decode_headers(payload[_U32.size :])  # even if unused: keeps zlib in step
        stream = self._streams.get(stream_id)
        if stream is None or stream.remote_closed:
            return
        made = SynReply if kind == _Type.SYN_REPLY else Headers
        events.append(made(stream_id, headers, fin))
        if fin:
            self._close_remote(stream_id, stream)

    def _decode_headers(self, block: memoryview) -> dict[str, str]:
        plain = self._inflate.decompress(block, MAX_HEADER_BYTES)
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block over {MAX_HEADER_BYTES} bytes")
        count: int = _U32.unpack_from(plain)[0]
        if count > MAX_HEADERS:
            raise SpdyError(f"{count} headers in one block")
        headers: dict[str, str] = {}
        position = _U32.size
        for _ in range(count):
            name, position = _text(plain, position)
            value, position = _text(plain, position)
            if not name or name.lower() in headers:
                raise SpdyError(f"header {name!r} is empty or repeated")
            headers[name.lower()] = value
        return headers

    # -- sending

    def syn_stream(self, headers: Mapping[str, str], *, fin: bool = False) -> tuple[int, bytes]:
        """Open a stream: its id, and the frame. `fin`: this side will send no data on it."""
        stream_id = self._next_stream_id
        if stream_id > _STREAM_MASK:
            raise SpdyError("the session has used up its stream ids")
        self._next_stream_id += 2
        self._streams[stream_id] = _Stream(local_closed=fin)
        payload = _SYN.pack(stream_id, 0, 0, 0) + self._encode_headers(headers)
        return stream_id, _control(_Type.SYN_STREAM, fin, payload)

    def syn_reply(
        self, stream_id: int, headers: Mapping[str, str] | None = None, *, fin: bool = False
    ) -> bytes:
        """Accept a stream of the peer's. Raises SpdyError if it is gone."""
        stream = self._writable(stream_id)
        payload = _U32.pack(stream_id) + self._encode_headers(headers or {})
        if fin:
            self._close_local(stream_id, stream)
        return _control(_Type.SYN_REPLY, fin, payload)

    def data_head(self, stream_id: int, length: int, *, fin: bool = False) -> bytes:
        """The 8 bytes to send before `length` bytes of payload: spares a copy of large payloads.

        Raises SpdyError if the stream is gone or its sending side closed, or if `length` is over
        MAX_DATA_BYTES.
        """
        stream = self._writable(stream_id)
        if length > MAX_DATA_BYTES:
            raise SpdyError(f"{length} bytes do not fit one data frame")
        if fin:
            self._close_local(stream_id, stream)
        return _HEAD.pack(stream_id, (_FLAG_FIN << 24 if fin else 0) | length)

    def data(self, stream_id: int, payload: Buffer, *, fin: bool = False) -> bytes:
        """Frames with `payload`; `fin` closes this side's direction. Raises as `data_head`."""
        if len(payload) <= MAX_DATA_BYTES:
            return self.data_head(stream_id, len(payload), fin=fin) + payload
        view, parts = memoryview(payload), list[Buffer]()
        for start in range(0, len(view), MAX_DATA_BYTES):
            part = view[start : start + MAX_DATA_BYTES]
            last = start + MAX_DATA_BYTES >= len(view)
            parts += [self.data_head(stream_id, len(part), fin=fin and last), part]
        return b"".join(parts)

    def rst_stream(self, stream_id: int, status: int = RstStatus.CANCEL) -> bytes:
        """Give up a stream, both directions; nothing to send (b"") if it is already gone."""
        if self._streams.pop(stream_id, None) is None:
            return b""
        return _control(_Type.RST_STREAM, False, _PAIR.pack(stream_id, status))

    def ping(self) -> tuple[int, bytes]:
        """Ask for a sign of life: the id that `Pong` will carry, and the frame."""
        ping_id = self._next_ping_id
        self._next_ping_id = (ping_id + 2) & _STREAM_MASK
        return ping_id, self.pong(ping_id)

    def pong(self, ping_id: int) -> bytes:
        """Answer a `Ping`."""
        return _control(_Type.PING, False, _U32.pack(ping_id))

    def goaway(self, status: int = 0) -> bytes:
        """Announce the end of the session."""
        return _control(_Type.GOAWAY, False, _PAIR.pack(self._last_peer_stream_id, status))

    def _encode_headers(self, headers: Mapping[str, str]) -> bytes:
        parts = [_U32.pack(len(headers))]
        for name, value in headers.items():
            # spdystream refuses names that are not lower case
            for text in (name.lower().encode(), value.encode()):
                parts += [_U32.pack(len(text)), text]
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    # -- stream states

    def _writable(self, stream_id: int) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None or stream.local_closed:
            raise SpdyError(f"stream {stream_id} is closed for sending")
        return stream

    def _close_local(self, stream_id: int, stream: _Stream) -> None:
        stream.local_closed = True
        if stream.remote_closed:
            self._streams.pop(stream_id, None)

    def _close_remote(self, stream_id: int, stream: _Stream) -> None:
        stream.remote_closed = True
        if stream.local_closed:
            self._streams.pop(stream_id, None)


def _control(kind: _Type, fin: bool, payload: bytes) -> bytes:
    first = _CONTROL_BIT | _VERSION << 16 | kind
    return _HEAD.pack(first, (_FLAG_FIN << 24 if fin else 0) | len(payload)) + payload


def _text(plain: bytes, position: int) -> tuple[str, int]:
    length: int = _U32.unpack_from(plain, position)[0]
    start = position + _U32.size
    end = start + length
    if end > len(plain):
        raise SpdyError("a header block ends within a header")
    return plain[start:end].decode("utf-8", "replace"), end
