"""Either side may end its direction first, and hear the other to its end."""

from __future__ import annotations

import socket

from . import bulk
from .conftest import eventually

_SIZE = 4 << 20


def test_half_closes(bulk_port: int) -> None:
    with bulk.connect(bulk_port, "up") as sock:
        bulk.send_pattern(sock, _SIZE)
        sock.shutdown(socket.SHUT_WR)
        assert bulk.read_all(sock).decode().strip() == bulk.expected(_SIZE)

    with bulk.connect(bulk_port, "half") as sock:
        assert bulk.read_all(sock) == b"bye"
        bulk.send_pattern(sock, _SIZE)
        sock.shutdown(socket.SHUT_WR)

    def last() -> bool:
        with bulk.connect(bulk_port, "last") as sock:
            return bulk.read_all(sock).decode().strip() == bulk.expected(_SIZE)

    eventually(last)
