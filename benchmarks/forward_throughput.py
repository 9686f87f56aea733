"""Bytes and connections a second through a forward, beside `kubectl port-forward` in the same run.

A plain proxy of asyncio, in front of the same program on this machine, shows what the clients and
the language alone allow. Each figure is the best of some rounds that take turns, so that what else
the machine does meets all alike; processor time is the kernel's, of the forwarding process alone.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure, main
from benchmarks.world import KUBECTL, World, cpu_seconds, free_port, world
from tests.journeys import bulk

SIZE = 128 << 20
ROUNDS = 3
CONNECTIONS = 200
_CLIENTS = 8
_READY_S = 60.0

_PROXY = """\
import asyncio, sys

class Side(asyncio.Protocol):
    def __init__(self, other=None):
        self.other, self.transport, self.early = other, None, []

    def connection_made(self, transport):
        self.transport = transport
        if self.other is None:
            asyncio.ensure_future(self.connect())

    async def connect(self):
        far = Side(self)
        await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", TARGET)
        self.other = far
        for data in self.early:
            far.transport.write(data)

    def data_received(self, data):
        if self.other is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def pause_writing(self):
        self.other.transport.pause_reading()

    def resume_writing(self):
        self.other.transport.resume_reading()

    def eof_received(self):
        if self.other is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True

    def connection_lost(self, error):
        if self.other is not None:
            self.other.transport.close()

async def serve():
    server = await asyncio.get_running_loop().create_server(Side, "127.0.0.1", LOCAL)
    await server.serve_forever()

LOCAL, TARGET = map(int, sys.argv[1:])
asyncio.run(serve())
"""


class Way:
    """One way to the program: a local port, the process that forwards, and what it achieved."""

    def __init__(self, name: str, port: int, pid: int) -> None:
        self.name = name
        self.port = port
        self.best: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}
        self._pid = pid

    def run(self, what: str, amount: float, work: Callable[[int], None]) -> None:
        """Do `work`; keep the best amount a second, and its processor time."""
        cpu, began = cpu_seconds(self._pid), time.perf_counter()
        work(self.port)
        rate = amount / (time.perf_counter() - began)
        used = cpu_seconds(self._pid) - cpu
        self.cpu_s[what] = min(used, self.cpu_s.get(what, used))
        self.best[what] = max(rate, self.best.get(what, 0.0))
        print(f"  {self.name}, {what}: {rate:.1f} a second, {used:.2f} s of processor", flush=True)


def measure(kubeconfig: Path | None) -> list[Figure]:
    """All ways in turns, then kapp's figures against the others'."""
    with world(kubeconfig) as here, contextlib.ExitStack() as stack:
        local = free_port()
        here.save("bulk.yaml", bulk.manifest())
        here.save("Kappfile", f"k8s_yaml('bulk.yaml')\nport_forward('bulk', {local}, 8000)\n")
        stack.enter_context(here.up())
        _answers(local)
        session = here.kapp_objects("session")[0]["status"]
        assert isinstance(session, dict)
        kapp = Way("kapp", local, int(session["pid"]))
        kubectl = stack.enter_context(_kubectl(here))
        plain = stack.enter_context(_plain())
        for _ in range(ROUNDS):
            for way in (kapp, kubectl, plain):
                way.run("MB down", SIZE / 1e6, _down)
                way.run("MB up", SIZE / 1e6, _up)
                way.run("connections", CONNECTIONS, _one_by_one)
                way.run("connections of 8 clients", CONNECTIONS, _beside_each_other)
    figures = []
    for what, unit in (
        ("MB down", "MB/s"),
        ("MB up", "MB/s"),
        ("connections", "per s"),
        ("connections of 8 clients", "per s"),
    ):
        figures.append(_figure(f"forwarded {what}", what, unit, kapp, kubectl))
        figures.append(Figure(f"plain proxy, {what}", plain.best[what], unit))
        figures.append(
            Figure(
                f"processor time of forwarded {what}",
                kapp.cpu_s[what],
                "s",
                peer="kubectl port-forward",
                peer_value=kubectl.cpu_s[what],
            )
        )
    return figures


def _figure(name: str, what: str, unit: str, kapp: Way, kubectl: Way) -> Figure:
    return Figure(
        name,
        kapp.best[what],
        unit,
        budget=kubectl.best[what],
        more_is_better=True,
        peer="kubectl port-forward",
        peer_value=kubectl.best[what],
    )


def _down(port: int) -> None:
    with bulk.connect(port, f"down {SIZE}") as sock:
        left = SIZE
        while left and (data := sock.recv(1 << 20)):
            left -= len(data)
    if left:
        raise RuntimeError(f"{left} bytes did not come")


def _up(port: int) -> None:
    with bulk.connect(port, f"up {SIZE}") as sock, sock.makefile("rb") as answer:
        bulk.send_pattern(sock, SIZE)
        if not answer.readline().startswith(b"%d " % SIZE):
            raise RuntimeError("not all bytes arrived")


def _one_by_one(port: int) -> None:
    for _ in range(CONNECTIONS):
        _hello(port)


def _beside_each_other(port: int) -> None:
    def ask() -> None:
        for _ in range(CONNECTIONS // _CLIENTS):
            _hello(port)

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _hello(port: int) -> None:
    if bulk.hello(port) != b"hello\n":
        raise RuntimeError("no answer")


def _answers(port: int) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            _hello(port)
            return
        except (OSError, RuntimeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def _kubectl(here: World) -> Iterator[Way]:
    port = free_port()
    command = [KUBECTL, "--kubeconfig", str(here.kubeconfig), "-n", here.namespace]
    command += ["port-forward", "deployment/bulk", f"{port}:8000"]
    with _running(command) as pid:
        _answers(port)
        yield Way("kubectl", port, pid)


@contextlib.contextmanager
def _plain() -> Iterator[Way]:
    target, port = free_port(), free_port()
    with (
        _running([sys.executable, "-c", bulk.SERVER, str(target)]),
        _running([sys.executable, "-c", _PROXY, str(port), str(target)]) as pid,
    ):
        _answers(port)
        yield Way("plain proxy", port, pid)


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(measure)
