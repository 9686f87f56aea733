"""Forwarder: nothing refused, nothing reset, whatever the pods, the network and the ports do."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from kapp.cluster import splice as splice_module
from kapp.cluster.forwarder import Backend, Forward, Forwarder
from kapp.cluster.podstream import REPLAY_BYTES
from kapp.cluster.portforward import PodDialer

from .fake_kubelet import Connect, FakeKubelet, echo, running_kubelet, tcp_server, until


def now() -> datetime:
    return datetime(2026, 11, 23, 18, 29, 16, 123456, tzinfo=UTC)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def pod(name: str, **fields: object) -> Backend:
    given = {"ready": True, "ports": (80,), **fields}
    return Backend(name, "default", f"uid-{name}", **given)  # type: ignore[arg-type]


class World:
    """A kubelet, a forwarder, one local port; and what its users notice."""

    def __init__(self, kubelet: FakeKubelet, connect: Connect) -> None:
        self.kubelet = kubelet
        self.changes = 0
        self.port = free_port()
        self.forwarder = Forwarder(
            lambda namespace, name: PodDialer(connect, namespace, name),
            now=now,
            on_change=self.changed,
            name="web",
        )
        self.stack = AsyncExitStack()

    def changed(self) -> None:
        self.changes += 1

    async def forward(self, *forwards: Forward) -> None:
        await self.forwarder.set_forwards(forwards or [Forward(self.port)])

    async def run_pod(
        self,
        name: str,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object] | None = None,
    ) -> None:
        async def say_name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(name.encode() + b" got " + line)
                await writer.drain()

        real = await self.stack.enter_async_context(tcp_server(serve or say_name))  # type: ignore[arg-type]
        self.kubelet.pods[name] = {80: real}

    async def ask(self, text: bytes = b"hello\n", timeout_s: float = 10.0) -> bytes:
        """One request on a new connection: the answer's line. Raises if refused or reset."""
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(text)
                return await reader.readline()
            finally:
                writer.close()

    @property
    def status(self) -> dict[str, object]:
        return self.forwarder.status()[0]


@asynccontextmanager
async def made_world() -> AsyncIterator[World]:
    async with running_kubelet() as (kubelet, connect):
        world = World(kubelet, connect)
        async with world.stack:
            try:
                yield world
            finally:
                await world.forwarder.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with made_world() as made:
        yield made


async def test_a_request_and_the_status(world: World) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    assert await world.ask() == b"a got hello\n"
    await until(lambda: world.status["connections"] == 0)
    addresses = world.status["addresses"]
    assert addresses in (["127.0.0.1", "::1"], ["127.0.0.1"])
    assert world.status == {
        "localPort": world.port,
        "containerPort": 80,
        "addresses": addresses,
        "podName": "a",
        "startedAt": "2026-11-23T18:29:16.123456Z",
        "connections": 0,
        "parked": 0,
        "error": "",
        "lastError": "",
    }
    await until(lambda: world.changes > 0)


async def test_a_connection_made_before_any_pod_waits_for_one(world: World) -> None:
    await world.forward()
    waiting = [asyncio.create_task(world.ask(b"early\n")) for _ in range(20)]
    await until(lambda: world.status["parked"] == 20)
    await world.run_pod("a")
    world.forwarder.set_backends([pod("a")])
    assert await asyncio.gather(*waiting) == [b"a got early\n"] * 20
    assert world.status["parked"] == 0


async def test_a_pod_that_does_not_listen_yet_is_waited_for(world: World) -> None:
    world.kubelet.pods["a"] = {}
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    waiting = asyncio.create_task(world.ask())
    await until(lambda: "nothing listens on port 80" in str(world.status["lastError"]))
    await world.run_pod("a")
    assert await waiting == b"a got hello\n"


async def test_a_port_nobody_listens_on_is_said_and_forgotten_when_it_heals(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kapp.cluster.forwarder._ERROR_AFTER_S", 0.05)
    monkeypatch.setattr("kapp.cluster.forwarder._SAID_AFTER_S", 0.05)
    world.kubelet.pods["a"] = {}
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    waiting = [asyncio.create_task(world.ask()) for _ in range(5)]
    await until(lambda: world.status["error"])
    assert str(world.status["error"]).startswith(
        "nothing listens on port 80 in the container of pod a"
    )
    await until(lambda: "forward does not work" in caplog.messages)
    await world.run_pod("a")
    await asyncio.gather(*waiting)
    assert world.status["error"] == ""
    assert world.status["lastError"]
    logged = [r for r in caplog.records if r.getMessage() == "forward does not work"]
    assert len(logged) == 1


async def test_nothing_is_refused_or_reset_over_many_rollouts(world: World) -> None:
    """Clients ask without pause while pods come, refuse, go, and their tunnels are cut."""
    await world.forward()
    await world.run_pod("pod-0")
    world.forwarder.set_backends([pod("pod-0")])
    answers: list[bytes] = []
    stop = asyncio.Event()

    async def client() -> None:
        while not stop.is_set():
            answers.append(await world.ask())

    clients = [asyncio.create_task(client()) for _ in range(8)]
    for n in range(1, 31):
        old, new = pod(f"pod-{n - 1}", current=False), pod(f"pod-{n}")
        seen = len(answers)
        if n % 3 == 0:  # the new pod is said to be ready before it listens
            world.kubelet.pods[new.pod] = {}
            world.forwarder.set_backends([old, new])
            await asyncio.sleep(0)
            await world.run_pod(new.pod)
        else:
            await world.run_pod(new.pod)
            world.forwarder.set_backends([old, new])
        if n % 3 == 1:  # the old one is killed before anyone hears of it
            del world.kubelet.pods[old.pod]
        if n % 5 == 0:
            world.kubelet.cut()
        await until(lambda: new.pod.encode() in b"".join(answers[seen:]), new.pod)  # noqa: B023
        world.forwarder.set_backends([new])
        world.kubelet.pods.pop(old.pod, None)
    stop.set()
    await asyncio.gather(*clients)
    assert all(answer.endswith(b" got hello\n") for answer in answers)
    assert len(answers) > 100


async def test_a_request_in_flight_when_its_pod_dies_is_answered_by_the_next(world: World) -> None:
    got: list[bytes] = []

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readline())
        await until(lambda: world.forwarder.ranked[0].pod == "b")
        writer.transport.abort()

    await world.run_pod("a", die)
    await world.run_pod("b")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    answer = asyncio.create_task(world.ask(b"important\n"))
    await until(lambda: got == [b"important\n"])
    world.forwarder.set_backends([pod("b"), pod("a", current=False)])
    assert await answer == b"b got important\n"


async def test_a_request_that_a_pod_took_into_its_grave_is_asked_again(world: World) -> None:
    asked, over = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await over.wait()

    await world.run_pod("a", never)
    await world.run_pod("b")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    waiting = asyncio.create_task(world.ask())
    await asked.wait()
    world.forwarder.set_backends([pod("b"), pod("a", current=False, deleting=True)])
    world.forwarder.set_backends([pod("b")])
    assert await waiting == b"b got hello\n"
    over.set()


async def test_an_answer_under_way_outlives_its_pods_listing(world: World) -> None:
    finish = asyncio.Event()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"begin ")
        await finish.wait()
        writer.write(b"end\n")

    await world.run_pod("a", slowly)
    await world.run_pod("b")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    assert await reader.readexactly(6) == b"begin "
    world.forwarder.set_backends([pod("b"), pod("a", current=False, deleting=True)])
    assert await world.ask() == b"b got hello\n"
    world.forwarder.set_backends([pod("b")])
    assert await world.ask() == b"b got hello\n"
    finish.set()
    assert await reader.readline() == b"end\n"
    writer.close()


async def test_a_half_open_tunnel_delays_but_loses_nothing(world: World, quick_pings: None) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    assert await world.ask() == b"a got hello\n"
    world.kubelet.go_silent()
    answers = await asyncio.gather(*(world.ask() for _ in range(10)))
    assert answers == [b"a got hello\n"] * 10


async def test_an_api_server_that_restarts(world: World) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    await world.ask()
    world.kubelet.status = 503
    world.kubelet.cut()
    waiting = asyncio.create_task(world.ask())
    await until(lambda: world.kubelet.handshakes > 2)
    world.kubelet.status = 0
    assert await waiting == b"a got hello\n"


async def test_servers_without_tunnels(world: World) -> None:
    world.kubelet.tunnels = False
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    assert await asyncio.gather(*(world.ask() for _ in range(10))) == [b"a got hello\n"] * 10


async def test_five_hundred_at_once(world: World) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    answers = await asyncio.gather(*(world.ask(b"%d\n" % n, 30.0) for n in range(500)))
    assert answers == [b"a got %d\n" % n for n in range(500)]
    assert world.kubelet.dials.count("v4.channel.k8s.io") == 0


async def test_fifty_megabytes_each_way(world: World) -> None:
    block = bytes(range(256)) * 4096
    blocks = 50
    digest = hashlib.sha256()
    await world.run_pod("a", echo)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)

    async def upload() -> None:
        for _ in range(blocks):
            writer.write(block)
            await writer.drain()
        writer.write_eof()

    async def download() -> int:
        size = 0
        while data := await reader.read(1 << 20):
            digest.update(data)
            size += len(data)
        return size

    async with asyncio.timeout(40):
        _, size = await asyncio.gather(upload(), download())
    assert size == blocks * len(block)
    assert digest.digest() == hashlib.sha256(block * blocks).digest()
    writer.close()


async def test_an_upload_larger_than_what_is_kept(world: World) -> None:
    """More than REPLAY_BYTES before the pod says a word: committed to it, whole and in order."""
    payload = b"x" * (5 * REPLAY_BYTES)

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d\n" % len(await reader.readexactly(len(payload))))

    await world.run_pod("a", count)
    await world.forward()
    asking = asyncio.create_task(world.ask(payload))
    await until(lambda: world.status["parked"] == 1)
    world.forwarder.set_backends([pod("a")])
    assert await asking == b"%d\n" % len(payload)


async def test_a_large_upload_survives_a_refusal_over_a_slow_way(world: World) -> None:
    """The farther the pod, the longer its refusal takes, and the longer an upload is kept."""
    payload = b"x" * (5 * REPLAY_BYTES)

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"%d\n" % len(await reader.readexactly(len(payload))))

    world.kubelet.answer_after_s = splice_module._COMMIT_LEAST_S
    world.kubelet.pods["refuses"] = {}
    world.forwarder.set_backends([pod("refuses")])
    await world.forward()
    asking = asyncio.create_task(world.ask(payload))
    await until(lambda: "nothing listens" in str(world.status["error"]))
    await world.run_pod("a", count)
    world.forwarder.set_backends([pod("a")])
    assert await asking == b"%d\n" % len(payload)


async def test_half_close_by_the_client(world: World) -> None:
    async def answer_at_the_end(r: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all: " + await r.read())

    await world.run_pod("a", answer_at_the_end)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(b"one two")
    writer.write_eof()
    async with asyncio.timeout(5):
        assert await reader.read() == b"all: one two"
    writer.close()


async def test_half_close_by_the_pod(world: World) -> None:
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def end_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        got.set_result(await reader.read())

    await world.run_pod("a", end_first)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b"bye"
        writer.write(b"and you")
        writer.write_eof()
        assert await got == b"and you"
    writer.close()


async def test_a_slow_reader_beside_a_fast_one(world: World) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()) == b"flood\n":
            while True:
                writer.write(bytes(65536))
                await writer.drain()
        writer.write(b"fast\n")

    await world.run_pod("a", flood)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    _, slow = await asyncio.open_connection("127.0.0.1", world.port)
    slow.write(b"flood\n")
    await until(lambda: world.status["connections"] == 1)
    for _ in range(20):
        assert await world.ask(b"quick\n", 5.0) == b"fast\n"
    slow.transport.abort()
    await until(lambda: world.status["connections"] == 0)


async def test_who_waits_for_an_answer_is_not_stopped_by_a_slow_reader(world: World) -> None:
    asked: list[bytes] = []
    full = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readline()
        if request == b"flood\n":
            with suppress(TimeoutError):
                while True:
                    writer.write(bytes(65536))
                    await asyncio.wait_for(writer.drain(), 0.5)
            full.set()
            await writer.drain()
            return
        asked.append(request)
        await full.wait()
        writer.write(b"at last\n")

    await world.run_pod("a", serve)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    _, slow = await asyncio.open_connection("127.0.0.1", world.port)
    waiting = asyncio.create_task(world.ask(b"GET / HTTP/1.0\n"))
    other = asyncio.create_task(world.ask(b"POST / HTTP/1.0\n"))
    await until(lambda: len(asked) == 2)
    slow.write(b"flood\n")
    await full.wait()
    assert await waiting == b"at last\n"
    assert not other.done()
    slow.transport.abort()
    assert await other == b"at last\n"
    assert sorted(asked) == [b"GET / HTTP/1.0\n"] * 2 + [b"POST / HTTP/1.0\n"]


async def test_a_parked_client_that_leaves_is_dropped(world: World) -> None:
    await world.forward()
    _, quiet = await asyncio.open_connection("127.0.0.1", world.port)
    _, rude = await asyncio.open_connection("127.0.0.1", world.port)
    rude.write(b"hello\n")
    await until(lambda: world.status["parked"] == 2)
    quiet.close()
    rude.transport.abort()
    rude_socket_gone = lambda: world.status["parked"] <= 1  # type: ignore[operator]  # noqa: E731
    await until(rude_socket_gone)


async def test_a_parked_client_is_let_go_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splice_module, "PARK_S", 0.1)
    await world.forward()
    assert await world.ask() == b""
    await until(lambda: world.status["parked"] == 0)


async def test_a_pod_that_means_to_close_without_a_word(world: World) -> None:
    taken: list[bytes] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.readline())

    await world.run_pod("a", swallow)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    assert await world.ask(b"x\n") == b""
    assert 1 <= len(taken) <= 3


async def test_a_pod_that_is_being_stopped_closes_without_a_word(world: World) -> None:
    asked = 0

    async def stopping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readline()
        asked += 1
        writer.close()

    await world.run_pod("a", stopping)
    world.forwarder.set_backends([pod("a", deleting=True)])
    await world.forward()
    asking = asyncio.create_task(world.ask())
    await until(lambda: asked > 3)
    await world.run_pod("b")
    world.forwarder.set_backends([pod("a", ready=False, deleting=True), pod("b")])
    assert await asking == b"b got hello\n"


async def test_a_request_to_a_program_that_has_ended_is_not_held(world: World) -> None:
    """On containerd the end of a pod's direction is told only with that of the client's."""
    ended = asyncio.Event()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"one\n")
        await ended.wait()

    await world.run_pod("a", serve_one)
    world.kubelet.ends_both_after_s = 30.0
    world.forwarder.set_backends([pod("a")])
    await world.forward()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(b"hello\n")
    assert await reader.readline() == b"one\n"
    world.forwarder.set_backends([pod("a", ready=False, deleting=True), pod("b")])
    ended.set()
    await asyncio.sleep(0.1)  # the kubelet knows; nobody tells kapp
    writer.write(b"hello again\n")
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(("method", "asked"), [(b"GET", 2), (b"POST", 1)])
async def test_a_pod_that_is_being_stopped_and_does_not_answer(
    world: World, method: bytes, asked: int
) -> None:
    """It is asked anew, once, if that can do no harm."""
    requests = 0

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readline()
        requests += 1
        if requests < asked:
            await reader.read()  # for ever
        await asyncio.sleep(3 * splice_module._LEAVING_S)
        writer.write(b"done\n")

    await world.run_pod("a", answer_late)
    world.forwarder.set_backends([pod("a", deleting=True)])
    await world.forward()
    assert await world.ask(method + b" / HTTP/1.0\n") == b"done\n"
    assert requests == asked


async def test_a_port_in_use_is_said_and_taken_over(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.run_pod("a")
    world.forwarder.set_backends([pod("a")])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", world.port))
        holder.listen()
        await world.forward()
        error = str(world.status["error"])
        assert error.startswith(f"local port {world.port} is in use by ")
        assert "(pid " in error
        assert "127.0.0.1" not in world.status["addresses"]  # type: ignore[operator]
    await until(lambda: "127.0.0.1" in world.status["addresses"])  # type: ignore[operator]
    assert world.status["error"] == ""
    assert f"local port {world.port}" in str(world.status["lastError"])
    assert await world.ask() == b"a got hello\n"
    assert [r.getMessage() for r in caplog.records].count("forward does not work") == 1


async def test_who_holds_the_port_is_not_kapp_itself_on_the_other_address(world: World) -> None:
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"
    code += "print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(world.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        await world.forward()
        error = str(world.status["error"])
        holder.communicate()
    assert world.status["addresses"] == ["::1"]
    assert f"(pid {holder.pid})" in error


async def test_only_what_changed_is_opened_and_closed(world: World) -> None:
    await world.run_pod("a")
    world.forwarder.set_backends([pod("a", ports=(80, 81))])
    other = free_port()
    await world.forward(Forward(world.port), Forward(other))
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(b"one\n")
    assert await reader.readline() == b"a got one\n"
    await world.forward(Forward(world.port, 81, name="changed"))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", other)
    writer.write(b"two\n")
    assert await reader.readline() == b"a got two\n"
    assert world.status["containerPort"] == 81
    assert len(world.forwarder.status()) == 1
    writer.close()


async def test_hosts_as_given(world: World) -> None:
    await world.forward(Forward(world.port, host="127.0.0.2"))
    if world.status["error"]:
        pytest.skip("only Linux has all of 127/8")
    assert world.status["addresses"] == ["127.0.0.2"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", world.port)


async def test_a_host_that_does_not_exist_is_an_error_in_status(world: World) -> None:
    await world.forward(Forward(world.port, host="256.256.256.256"))
    assert f"cannot listen on 256.256.256.256:{world.port}" in str(world.status["error"])


async def test_counts_are_told_at_a_bounded_rate(world: World) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    await world.ask()
    before, began = world.changes, asyncio.get_running_loop().time()
    for _ in range(100):
        await world.ask()
    took_s = asyncio.get_running_loop().time() - began
    assert world.changes - before <= 2 + took_s / 0.5


async def test_closing_breaks_what_is_open_and_frees_the_port(world: World) -> None:
    await world.run_pod("a")
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(b"x\n")
    await reader.readline()
    await world.forwarder.close()
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", world.port)


async def test_an_answer_that_breaks_off_does_not_look_complete(world: World) -> None:
    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"begin")
        await reader.read()

    await world.run_pod("a", begin)
    await world.forward()
    world.forwarder.set_backends([pod("a")])
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    assert await reader.readexactly(5) == b"begin"
    world.kubelet.cut()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
