"""A program in a pod that takes and sends as much as it is told, and its clients.

Used by `test_forward_load` and `benchmarks.forward_throughput`: plain sockets, no part of kapp in
between. Each connection begins with a line:

    hi                answers with a line
    echo              sends back what it gets, and ends when the client does
    down BYTES        sends so many, of a known pattern, and ends
    up BYTES          reads so many, then answers with "BYTES SHA256"
    up                the same, to the client's end
    half              says "bye", ends its own direction, reads on to the client's end
    last              "BYTES SHA256" of what `half` read last
"""

from __future__ import annotations

import hashlib
import socket

from .manifests import python_workload

SERVER = """\
import hashlib, os, signal, socketserver, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
BLOCK = bytes(range(256)) * 4096
last = ["none"]

def digest(sock, most=1 << 60):
    size, found = 0, hashlib.sha256()
    while size < most and (data := sock.recv(min(1 << 20, most - size))):
        size += len(data)
        found.update(data)
    return f"{size} {found.hexdigest()}\\n".encode()

class Talk(socketserver.StreamRequestHandler):
    rbufsize = 0

    def handle(self):
        sock, words = self.request, self.rfile.readline().decode().split()
        if words == ["hi"]:
            sock.sendall(b"hello\\n")
        elif words == ["echo"]:
            while data := sock.recv(1 << 16):
                sock.sendall(data)
        elif words[:1] == ["down"]:
            left = int(words[1])
            while left:
                part = BLOCK[:left]
                sock.sendall(part)
                left -= len(part)
        elif words[:1] == ["up"]:
            sock.sendall(digest(sock, *map(int, words[1:])))
        elif words == ["half"]:
            sock.sendall(b"bye")
            sock.shutdown(1)
            last[0] = digest(sock).decode()
        elif words == ["last"]:
            sock.sendall(last[0].encode())

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1024

Server(("", int(sys.argv[1])), Talk).serve_forever()
"""
BLOCK = bytes(range(256)) * 4096


def manifest() -> str:
    """A Deployment `bulk` that listens on port 8000."""
    return python_workload(
        SERVER,
        name="bulk",
        grace_s=1,
        arguments=["8000"],
        container="""\
name: bulk
command: [python3, -u, -c]
ports: [{containerPort: 8000}]
readinessProbe: {tcpSocket: {port: 8000}, periodSeconds: 1}
""",
    )


def connect(port: int, line: str) -> socket.socket:
    """A connection that has said its line."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.sendall(f"{line}\n".encode())
    return sock


def hello(port: int) -> bytes:
    """The answer to one small request, on a connection of its own.

    Its end is not waited for: containerd keeps that back for a second.
    """
    with connect(port, "hi") as sock, sock.makefile("rb") as answer:
        return answer.readline()


def read_all(sock: socket.socket) -> bytes:
    """To the peer's end."""
    parts = []
    while data := sock.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def download(port: int, size: int) -> str:
    """ "BYTES SHA256" of what came."""
    with connect(port, f"down {size}") as sock:
        return drain(sock)


def drain(sock: socket.socket) -> str:
    """ "BYTES SHA256" of what comes to the peer's end."""
    count, found = 0, hashlib.sha256()
    while data := sock.recv(1 << 20):
        count += len(data)
        found.update(data)
    return f"{count} {found.hexdigest()}"


def upload(port: int, size: int) -> str:
    """ "BYTES SHA256" as the pod counted what was sent."""
    with connect(port, f"up {size}") as sock:
        send_pattern(sock, size)
        return read_all(sock).decode().strip()


def send_pattern(sock: socket.socket, size: int) -> None:
    """So many bytes of the pattern."""
    left = size
    while left:
        part = BLOCK[:left]
        sock.sendall(part)
        left -= len(part)


def expected(size: int) -> str:
    """ "BYTES SHA256" of so many bytes of the pattern."""
    found, left = hashlib.sha256(), size
    while left:
        part = BLOCK[:left]
        found.update(part)
        left -= len(part)
    return f"{size} {found.hexdigest()}"
