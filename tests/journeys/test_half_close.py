"""Either side may end its direction first, and hear the other to its end."""

from __future__ import annotations

import socket

from . import bulk
from .conftest import Project, eventually, free_port

_SIZE = 4 << 20


def test_half_closes(project: Project) -> None:
    port = free_port()
    project.write("bulk.yaml", bulk.manifest())
    project.write("Kappfile", f"k8s_yaml('bulk.yaml')\nport_forward('bulk', {port})\n")
    project.up()
    eventually(lambda: bulk.hello(port) == b"hello\n")

    with bulk.connect(port, "up") as sock:
        bulk.send_pattern(sock, _SIZE)
        sock.shutdown(socket.SHUT_WR)
        assert bulk.read_all(sock).decode().strip() == bulk.expected(_SIZE)

    with bulk.connect(port, "half") as sock:
        assert bulk.read_all(sock) == b"bye"
        bulk.send_pattern(sock, _SIZE)
        sock.shutdown(socket.SHUT_WR)

    def last() -> bool:
        with bulk.connect(port, "last") as sock:
            return bulk.read_all(sock).decode().strip() == bulk.expected(_SIZE)

    eventually(last)
