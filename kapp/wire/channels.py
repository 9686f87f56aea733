"""The websocket channel protocols of exec, attach and the older port-forward: both roles, sans-io.

Each websocket message is one channel byte followed by payload. Users: `kapp/cluster/` as a client
of any cluster, and the embedded cluster's node as a server.

- `v4.channel.k8s.io`: stdin 0, stdout 1, stderr 2, error 3 (one Status, at the end), resize 4.
- `v5.channel.k8s.io`: the same, and `255 n` closes channel n, so that stdin can end (KEP-4006).
- port-forward over either name or none: for the port with index i, channel 2i is data and 2i+1
  errors; the server opens each with the port as 2 bytes, little-endian. No half-close.

Sources: k8s.io/kubelet/pkg/cri/streaming/{remotecommand,portforward}/websocket.go,
k8s.io/apimachinery/pkg/util/remotecommand/constants.go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from struct import Struct
from typing import Any, Final, NamedTuple, TypeAlias

from kapp.errors import KappError

V4: Final = "v4.channel.k8s.io"
V5: Final = "v5.channel.k8s.io"
TUNNEL: Final = "SPDY/3.1+portforward.k8s.io"
"""Not a channel protocol: binary messages carry a SPDY byte stream (`kapp/wire/spdy.py`)."""

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
ERROR: Final = 3
RESIZE: Final = 4
CLOSE: Final = 255

Buffer: TypeAlias = bytes | bytearray | memoryview

_PORT = Struct("<H")


class ChannelError(KappError):
    """A message that the channel protocol does not allow."""


class Message(NamedTuple):
    """One decoded websocket message; the payload is a view into it."""

    channel: int
    payload: memoryview


class TerminalSize(NamedTuple):
    """In character cells, as a `resize` message carries it."""

    width: int
    height: int


def decode(message: Buffer) -> Message:
    """Split a binary websocket message. Raises ChannelError if it has no channel byte."""
    if not message:
        raise ChannelError("an empty message has no channel")
    view = memoryview(message)
    return Message(view[0], view[1:])


def encode(channel: int, payload: Buffer) -> bytes:
    """A binary websocket message for `channel`, 0 to 255."""
    return bytes((channel,)) + payload


def encode_close(channel: int) -> bytes:
    """v5: no more will be sent on `channel`."""
    return bytes((CLOSE, channel))


def decode_close(payload: Buffer) -> int:
    """The channel that a message on channel 255 closes. Raises ChannelError."""
    if len(payload) != 1:
        raise ChannelError("a close message names one channel")
    return payload[0]


def encode_resize(size: TerminalSize) -> bytes:
    """The message that tells a container's terminal its size."""
    return encode(RESIZE, json.dumps({"Width": size.width, "Height": size.height}).encode())


def decode_resize(payload: Buffer) -> TerminalSize:
    """The size in a message on channel 4. Raises ChannelError."""
    try:
        found = json.loads(bytes(payload))
        size = TerminalSize(int(found["Width"]), int(found["Height"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ChannelError("a terminal size that cannot be read") from error
    if not (0 <= size.width <= 0xFFFF and 0 <= size.height <= 0xFFFF):
        raise ChannelError("a terminal size out of range")
    return size


def exit_status(code: int) -> bytes:
    """The Status, as JSON, that ends an exec: Success, or the process's exit code.

    kubectl reads the code from the cause `ExitCode` under the reason `NonZeroExitCode`.
    """
    if code == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    return failure_status(
        f"command terminated with non-zero exit code: exit status {code}",
        reason="NonZeroExitCode",
        causes=[{"reason": "ExitCode", "message": str(code)}],
    )


def failure_status(
    message: str, *, reason: str = "InternalError", causes: Sequence[dict[str, str]] = ()
) -> bytes:
    """The Status, as JSON, for what went wrong before or beside the process."""
    status: dict[str, Any] = {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if causes:
        status["details"] = {"causes": list(causes)}
    if reason == "InternalError":
        status["code"] = 500
    return json.dumps(status).encode()


class Outcome(NamedTuple):
    """How an exec ended: `code` of the process, -1 where it did not run; `message` if not 0."""

    code: int
    message: str


def decode_status(payload: Buffer) -> Outcome:
    """The outcome in a message on channel 3. Raises ChannelError if it is no Status."""
    try:
        status = json.loads(bytes(payload))
        if status["status"] == "Success":
            return Outcome(0, "")
        causes = (status.get("details") or {}).get("causes") or ()
        codes = [int(c["message"]) for c in causes if c.get("reason") == "ExitCode"]
        return Outcome(codes[0] if codes else -1, str(status.get("message") or ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChannelError("a status that cannot be read") from error


# -- port-forward over channels


def forward_openings(ports: Sequence[int]) -> list[bytes]:
    """The messages with which a server begins: two for each port, in the request's order."""
    return [
        encode(channel, _PORT.pack(port))
        for index, port in enumerate(ports)
        for channel in (2 * index, 2 * index + 1)
    ]


class ForwardData(NamedTuple):
    """Bytes of the connection to the port with this index."""

    port_index: int
    payload: memoryview


class ForwardFailure(NamedTuple):
    """Text from the error channel of the port with this index: the connection is over."""

    port_index: int
    message: str


class ForwardChannels:
    """The client's reading side: takes the openings away, tells data from errors."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = tuple(ports)
        self._unopened = set(range(2 * len(self._ports)))

    @property
    def open(self) -> bool:
        """Whether the server has opened every channel."""
        return not self._unopened

    def receive(self, message: Buffer) -> ForwardData | ForwardFailure | None:
        """What one message says, None for an opening. Raises ChannelError."""
        channel, payload = decode(message)
        index, is_error = divmod(channel, 2)
        if index >= len(self._ports):
            raise ChannelError(f"channel {channel} belongs to no port")
        if channel in self._unopened:
            if bytes(payload) != _PORT.pack(self._ports[index]):
                raise ChannelError(f"channel {channel} was not opened with its port")
            self._unopened.discard(channel)
            return None
        if is_error:
            return ForwardFailure(index, bytes(payload).decode("utf-8", "replace"))
        return ForwardData(index, payload)

    @staticmethod
    def encode(index: int, payload: Buffer) -> bytes:
        """A message with bytes for the connection to the port with this index."""
        return encode(2 * index, payload)
