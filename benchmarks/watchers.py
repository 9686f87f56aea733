"""200 watchers of kapp's API at 1000 events a second: how much of a core the server uses.

The server is kapp's own, with kapp's kinds, on a Unix socket and on TLS; in its process a writer
updates objects through the registry, as controllers do, so the figure holds the writes as well.
The watchers are plain sockets in this process; the kernel's accounting says what the server used.
Every watcher must get every event.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, main
from benchmarks.world import cpu_seconds

WATCHERS = 200
EVENTS_PER_S = 1000
SECONDS = 10
_OBJECTS = 100
_SETTLE_S = 2.0
_PATIENCE_S = 120.0
_PATH = "/apis/kapp.dev/v1alpha1/kubernetesapplys?watch=true&resourceVersion="
_MARK = b'{"type":'
_BUDGET = 50.0
_MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {key: value}\n"


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Watch over a Unix socket, then over TLS."""
    del kubeconfig  # no cluster takes part
    return [_measured("a Unix socket", tls=False), _measured("TLS", tls=True)]


def _measured(name: str, *, tls: bool) -> Figure:
    with tempfile.TemporaryDirectory(prefix="kappb-") as directory, _server(directory) as server:
        about = json.loads(server.stdout.readline())  # type: ignore[union-attr]
        watchers = [_watcher(directory, about, tls=tls) for _ in range(WATCHERS)]
        _read_for(watchers, _SETTLE_S)
        server.stdin.write(b"go\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]
        before, started = cpu_seconds(server.pid), time.perf_counter()
        counts = _read_for(watchers, _PATIENCE_S, until=EVENTS_PER_S * SECONDS)
        took_s = time.perf_counter() - started
        used_s = cpu_seconds(server.pid) - before
        for sock in watchers:
            sock.close()
    if set(counts) != {EVENTS_PER_S * SECONDS}:
        raise RuntimeError(f"after {took_s:.0f} s, {min(counts)} to {max(counts)} events had come")
    print(f"{WATCHERS * EVENTS_PER_S * SECONDS / took_s:.0f} deliveries a second over {name}")
    return Figure(
        f"{WATCHERS} watchers, {EVENTS_PER_S} events/s over {name}",
        100 * used_s / SECONDS,
        "% of a core",
        budget=_BUDGET,
    )


@contextlib.contextmanager
def _server(directory: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "benchmarks.watchers", "--serve", directory]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _watcher(directory: str, about: dict[str, object], *, tls: bool) -> socket.socket:
    """A connection that has asked for a watch and read the head of the answer."""
    if tls:
        context = ssl.create_default_context(cafile=f"{directory}/tls.crt")
        plain = socket.create_connection(("127.0.0.1", int(str(about["port"]))))
        sock: socket.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        host = f"127.0.0.1:{about['port']}"
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(f"{directory}/s")
        host = "kapp"
    request = (
        f"GET {_PATH}{about['version']} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {about['token']}\r\n\r\n"
    )
    sock.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1)
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(head.decode())
    sock.setblocking(False)
    return sock


def _read_for(watchers: list[socket.socket], seconds: float, until: int = 0) -> list[int]:
    """How many lines each got, in so many seconds or until each has `until`."""
    counts = dict.fromkeys(watchers, 0)
    tails = dict.fromkeys(watchers, b"")  # a mark may come in two parts
    with selectors.DefaultSelector() as selector:
        for sock in watchers:
            selector.register(sock, selectors.EVENT_READ)
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and not (until and min(counts.values()) >= until):
            for key, _ in selector.select(0.1):
                sock: socket.socket = key.fileobj  # type: ignore[assignment]
                with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                    while chunk := sock.recv(1 << 18):
                        counts[sock] += (tails[sock] + chunk).count(_MARK)
                        tails[sock] = chunk[1 - len(_MARK) :]
    return list(counts.values())


async def _serve(directory: Path) -> None:
    from kapp import quickstart

    quickstart.begin()
    from kapp.api.v1alpha1.scheme import scheme
    from kapp.machinery.registry import Registry
    from kapp.machinery.store import Store
    from kapp.server import tls
    from kapp.server.http import serve
    from kapp.server.listeners import TlsListener, UnixListener

    registry = Registry(scheme(), Store(), now=lambda: datetime.now(UTC))
    token = tls.new_token()
    files = tls.write_certificate(directory, datetime.now(UTC))
    listeners = [UnixListener(directory / "s"), TlsListener(token, *files)]
    async with await serve(registry, listeners) as server:
        write = _writer(registry)
        about = {
            "port": server.ports[0],
            "token": token,
            "version": registry.store.resource_version,
        }
        print(json.dumps(about), flush=True)
        quickstart.end()
        await asyncio.to_thread(sys.stdin.readline)
        started = asyncio.get_running_loop().time()
        for number in range(EVENTS_PER_S * SECONDS):
            write(number)
            ahead_s = started + (number + 1) / EVENTS_PER_S - asyncio.get_running_loop().time()
            await asyncio.sleep(max(ahead_s, 0))
        await asyncio.sleep(_PATIENCE_S)


def _writer(registry):  # type: ignore[no-untyped-def]
    """Makes the objects; returns what writes the status of one of them."""
    from kapp.machinery.objects import ObjectKey
    from kapp.machinery.options import WriteOptions

    kind = registry.scheme.by_path("kapp.dev", "v1alpha1", "kubernetesapplys")
    for number in range(_OBJECTS):
        meta = {"name": f"web{number}", "labels": {"app": f"web{number}"}}
        body = {"metadata": meta, "spec": {"yaml": _MANIFEST}}
        registry.create(kind, "", body, WriteOptions(manager="benchmark"))
    options = WriteOptions(manager="benchmark", subresource="status")

    def write(number: int) -> None:
        key = ObjectKey("", f"web{number % _OBJECTS}")
        obj = registry.get(kind, key)
        obj["status"] = {"appliedInputHash": f"{number:064}", "resultYAML": _MANIFEST}
        registry.update(kind, key, obj, options)

    return write


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(_serve(Path(sys.argv[2])))
    else:
        main(measure)
