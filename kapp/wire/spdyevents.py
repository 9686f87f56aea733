"""What a SPDY session tells its user; see `spdy.py`, which re-exports all of it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from kapp.errors import KappError


class SpdyError(KappError):
    """The peer sent what SPDY/3.1 does not allow, or the caller used a stream it has closed."""


class RstStatus(IntEnum):
    """Why a stream was reset. Source: the draft's section 2.6.3."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


class SynStream(NamedTuple):
    """The peer opened a stream; header names are lower case."""

    stream_id: int
    headers: dict[str, str]
    fin: bool


class SynReply(NamedTuple):
    """The peer accepted a stream that this side opened."""

    stream_id: int
    headers: dict[str, str]
    fin: bool


class Headers(NamedTuple):
    """More headers for a stream; Kubernetes never sends them."""

    stream_id: int
    headers: dict[str, str]
    fin: bool


class Data(NamedTuple):
    """Payload, valid as long as the bytes given to `feed` are; `fin` ends the peer's direction."""

    stream_id: int
    payload: memoryview
    fin: bool


class RstStream(NamedTuple):
    """The peer gave up a stream, both directions."""

    stream_id: int
    status: int


class Ping(NamedTuple):
    """The peer asks for `SpdySession.pong(ping_id)`."""

    ping_id: int


class Pong(NamedTuple):
    """The answer to `SpdySession.ping`."""

    ping_id: int


class GoAway(NamedTuple):
    """The peer takes no streams after `last_stream_id`."""

    last_stream_id: int
    status: int


Event: TypeAlias = SynStream | SynReply | Headers | Data | RstStream | Ping | Pong | GoAway
