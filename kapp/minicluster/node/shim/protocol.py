"""Messages between the node and its shim: JSON objects with file descriptors, over a stream socket.

Frame: 4 bytes length of the JSON text, 1 byte number of descriptors, the JSON text (network byte
order). The descriptors travel with the frame's first bytes; the kernel keeps the order of bytes and
descriptors alike, so a receiver queues both and takes what each frame's header announces.

Requests carry `id` and `op`; an answer has the same `id` and either its result or `error` (a text)
with `errno`. A message without `id` is an event: `{"event": "exit", "process": …, "status": …}`.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

_HEADER = struct.Struct("!IB")
_CHUNK_BYTES = 1 << 18  # comfortably above a usual request, so that one read is one request
# SCM_MAX_FD is 253; the node never sends more than three descriptors with one request
_MAX_DESCRIPTORS = 16


def encode(message: Message, descriptors: int = 0) -> bytes:
    """One frame."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return _HEADER.pack(len(text), descriptors) + text


def send_some(sock: socket.socket, data: memoryview, descriptors: list[int]) -> int:
    """Send the start of a frame with its descriptors; returns the number of bytes taken."""
    if not descriptors:
        return sock.send(data)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    return sock.sendmsg([data], [rights])


class Receiver:
    """Cuts what arrives on a socket into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def read(self, sock: socket.socket) -> bool:
        """Take in what is there; False at the end of the stream. Raises OSError."""
        data, ancillary, _, _ = sock.recvmsg(
            _CHUNK_BYTES, socket.CMSG_LEN(_MAX_DESCRIPTORS * array.array("i").itemsize)
        )
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                for number in numbers:
                    os.set_inheritable(number, False)
                self._descriptors.extend(numbers)
        self._buffer += data
        return bool(data)

    def messages(self) -> Iterator[tuple[Message, list[int]]]:
        """The complete messages so far; their descriptors belong to the caller."""
        while len(self._buffer) >= _HEADER.size:
            length, count = _HEADER.unpack_from(self._buffer)
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            message = json.loads(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            taken, self._descriptors = self._descriptors[:count], self._descriptors[count:]
            yield message, taken
