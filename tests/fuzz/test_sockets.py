"""What is hardly HTTP: on the sockets of both servers, no 500, no hang, and nothing in the log.

Each head and body is sent as it is, on a connection of its own; the server may refuse, close, or
wait for more, but it answers others all the while.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import random
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kapp import yamlio
from kapp.api.v1alpha1.scheme import scheme as kapp_scheme
from kapp.machinery.registry import Registry
from kapp.machinery.store import Store
from kapp.minicluster import process
from kapp.server.http import MAX_BODY_BYTES, serve
from kapp.server.listeners import UnixListener

# Each has a connection of its own: so many fewer than without sockets.
ROUNDS = int(os.environ.get("KAPP_FUZZ_REQUESTS") or 2500) // 20
SEED = os.environ.get("KAPP_FUZZ_SEED") or "kapp"
# A server that waits for the rest of a request has not hung: nobody else waits for it.
PATIENCE_S = 0.3
DEADLINE_S = 20.0

WEBSOCKET = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SPDY = (
    b"Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
)
LINES = (
    *(b"GET {p} HTTP/1.1", b"POST {p} HTTP/1.1", b"PUT {p} HTTP/1.1", b"GET {p} HTTP/1.0"),
    *(b"PATCH {p} HTTP/1.1", b"DELETE {p} HTTP/1.1", b"GET {p}", b"GET {p} HTTP/2.0", b"{p}", b""),
    *(
        b"GET http://evil/{p} HTTP/1.1",
        b"CONNECT {p}:1 HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"get {p} HTTP/1.1",
    ),
    *(b"GET {p}?watch=1&timeoutSeconds=1 HTTP/1.1", b"GET {p}?%zz=%ff&a&=b&&a=%00 HTTP/1.1"),
    b"GET " + b"/a" * 9000 + b" HTTP/1.1",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00",
)
HEADERS = (
    *(b"", b"Content-Length: 2\r\n", b"Content-Length: 99\r\n", b"Content-Length: -1\r\n"),
    *(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"),
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    *(b"Transfer-Encoding: gzip, chunked\r\n", b"Content-Encoding: gzip\r\nContent-Length: 2\r\n"),
    *(
        b"Expect: 100-continue\r\nContent-Length: 2\r\n",
        b"Expect: nonsense\r\nContent-Length: 2\r\n",
    ),
    *(WEBSOCKET, WEBSOCKET + b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n", SPDY),
    WEBSOCKET + b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n",
    *(b"Connection: close, keep-alive, upgrade\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    *(
        b"X: " + b"a" * 20_000 + b"\r\n",
        b"X: a\r\n" * 500,
        b" folded\r\n",
        b"No colon\r\n",
        b"X:\x00\r\n",
    ),
    *(b"Accept: \xff\r\nContent-Type: \xff\r\n", b"Cookie: " + b"a=b;" * 900 + b"\r\n"),
)
BODIES = (
    *(
        b"",
        b"{}",
        b"[]",
        b"0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"ffffffffffffffffff\r\n",
    ),
    *(
        b"2\r\n{}",
        b"2;x=y\r\n{}\r\n0\r\nTrailer: a\r\n\r\n",
        b"\x1f\x8b\x08\x00",
        b"\x88\x02\x03\xe8" * 9,
    ),
    *(
        b"\xff" * 300,
        b"\x81\xfe\xff\xff" + b"\x00" * 50,
        b"\x80\x03\x00\x01\x00\x00\x00\x0a" * 5,
        b"\x00" * 70_000,
    ),
)


@dataclass(frozen=True)
class Door:
    """Where to connect, what to say to be let in, and paths to ask for."""

    connect: tuple[str, int] | str
    tls: ssl.SSLContext | None
    head: bytes
    paths: tuple[bytes, ...]

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.connect, str):
            return await asyncio.open_unix_connection(self.connect)
        host, port = self.connect
        return await asyncio.open_connection(host, port, ssl=self.tls, server_hostname="localhost")


async def status_of(door: Door, request: bytes) -> int:
    """The status of the first answer; 0 if the connection was closed, or more was waited for."""
    reader, writer = await door.open()
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_S):
            line = await reader.readline()
    except (ConnectionError, TimeoutError):
        return 0
    finally:
        writer.transport.abort()
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/1.") else 0


async def assault(door: Door, seed: str) -> None:
    """Send random combinations, a few at a time; then all must be as before."""
    rng = random.Random(f"{SEED} {seed}")
    requests = [one(door, rng) for _ in range(ROUNDS)]
    limit = asyncio.Semaphore(8)

    async def send(number: int, request: bytes) -> None:
        async with limit:
            status = await status_of(door, request)
        assert status < 500 or status in (501, 505), (
            f"{number} of {SEED}: {status} {request[:2000]!r}"
        )

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            group.create_task(send(number, request))
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await door.open()
        writer.write(b"GET /version HTTP/1.1\r\n" + door.head + b"Connection: close\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.transport.abort()


def one(door: Door, rng: random.Random) -> bytes:
    line = rng.choice(LINES).replace(b"{p}", rng.choice(door.paths))
    head = door.head if rng.random() < 0.9 else b""
    headers = b"".join(rng.sample(HEADERS, rng.choice((0, 1, 1, 1, 2))))
    body = b"".join(rng.sample(BODIES, rng.choice((0, 1, 1, 2))))
    return line + b"\r\n" + head + headers + b"\r\n" + body


@pytest.fixture
async def kapp() -> AsyncIterator[Door]:
    registry = Registry(kapp_scheme(), Store(), now=lambda: datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="kapp-") as directory:
        path = str(Path(directory) / "s")
        paths = (b"/", b"/apis", b"/readyz", b"/apis/kapp.dev/v1alpha1/kubernetesapplys/a/status")
        async with await serve(registry, [UnixListener(Path(path))]):
            yield Door(path, None, b"Host: kapp\r\n", (*paths, b"/apis/kapp.dev/v1alpha1/cmds"))


@pytest.mark.timeout(60 + ROUNDS)
async def test_kapps_socket_stands_anything(kapp: Door, caplog: pytest.LogCaptureFixture) -> None:
    await assault(kapp, "kapp")
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_has_a_limit(kapp: Door, chunked: bool) -> None:
    head = b"POST /apis/kapp.dev/v1alpha1/cmds HTTP/1.1\r\nHost: kapp\r\nConnection: close\r\n"
    size = MAX_BODY_BYTES + 1
    reader, writer = await kapp.open()
    if chunked:
        writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
    else:
        writer.write(head + b"Content-Length: %d\r\n\r\n" % size)
    pieces = [b" " * (1 << 20)] * (size >> 20) + [b" " * (size % (1 << 20))]
    async with asyncio.timeout(DEADLINE_S):
        for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        assert b" 413 " in await reader.readline()
    writer.transport.abort()


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Door, Path]]:
    with tempfile.TemporaryDirectory(prefix="kapp-") as directory:
        path = process.start(Path(directory))
        try:
            yield Door(*_credentials(path), _POD_PATHS), Path(directory) / "cluster.log"
        finally:
            process.stop(Path(directory))


_PODS = b"/api/v1/namespaces/default/pods"
_POD_PATHS = (
    *(_PODS, _PODS + b"/a", _PODS + b"/a/log?follow=true", _PODS + b"/a/exec?command=true"),
    *(_PODS + b"/a/portforward?ports=1", _PODS + b"/a/attach?stdin=1", b"/openapi/v3"),
    *(_PODS + b"/a/exec?command=cat&stdin=true&stdout=true&tty=true", _PODS + b"/b/exec"),
)


def _credentials(path: Path) -> tuple[tuple[str, int], ssl.SSLContext, bytes]:
    document = yamlio.load(path.read_text())
    cluster = document["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    port = int(cluster["server"].rpartition(":")[2])
    token = document["users"][0]["user"]["token"]
    head = f"Host: localhost:{port}\r\nAuthorization: Bearer {token}\r\n".encode()
    return ("127.0.0.1", port), ssl.create_default_context(cadata=authority), head


@pytest.mark.timeout(60 + ROUNDS)
async def test_the_embedded_clusters_socket_stands_anything(cluster: tuple[Door, Path]) -> None:
    door, log = cluster
    pod = (
        b'{"metadata":{"name":"a"},"spec":{"terminationGracePeriodSeconds":0,"containers":'
        b'[{"name":"c","image":"busybox:1.36","command":["sleep","100"]}]}}'
    )
    head = b"POST " + _PODS + b" HTTP/1.1\r\n" + door.head + b"Content-Type: application/json\r\n"
    body = b"Content-Length: %d\r\n\r\n%b" % (len(pod), pod)
    for _ in range(100):
        if await status_of(door, head + body) in (201, 409):
            break
        await asyncio.sleep(0.05)
    await assault(door, "embedded")
    assert "request failed" not in log.read_text()
