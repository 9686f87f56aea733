"""PodDialer against a kubelet's port-forward server: tunnels, the older protocol, faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from kapp.cluster.podstream import (
    PodForbidden,
    PodGone,
    PodNotRunning,
    PodRefused,
    StreamBroken,
)
from kapp.cluster.portforward import PodDialer
from kapp.errors import KappError
from kapp.wire import channels

from .fake_kubelet import Connect, FakeKubelet, echo, running_kubelet, tcp_server, until


class Receiver:
    """Collects what a stream tells."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self.lost = asyncio.Event()
        self.error: KappError | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def data_received(self, data: memoryview) -> None:
        assert not self.ended
        assert not self.lost.is_set()
        self.data += data

    def eof_received(self) -> None:
        assert not self.ended
        self.ended = True

    def stream_lost(self, error: KappError | None) -> None:
        assert not self.lost.is_set(), "told twice"
        self.error = error
        self.lost.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    async def wait_lost(self) -> KappError | None:
        async with asyncio.timeout(10):
            await self.lost.wait()
        return self.error


@pytest.fixture
async def kubelet_and_connect() -> AsyncIterator[tuple[FakeKubelet, Connect]]:
    async with running_kubelet() as both:
        yield both


@pytest.fixture
def kubelet(kubelet_and_connect: tuple[FakeKubelet, Connect]) -> FakeKubelet:
    return kubelet_and_connect[0]


@pytest.fixture
async def dialer(kubelet_and_connect: tuple[FakeKubelet, Connect]) -> AsyncIterator[PodDialer]:
    made = PodDialer(kubelet_and_connect[1], "default", "pod-a")
    yield made
    await made.close()


async def exchange(dialer: PodDialer, port: int, payload: bytes) -> bytes:
    receiver = Receiver()
    stream = await dialer.open(port, receiver)
    stream.write(payload)
    stream.write_eof()
    error = await receiver.wait_lost()
    if error is not None:
        raise error
    assert receiver.ended
    return bytes(receiver.data)


async def test_what_a_refused_connection_left_unread_blocks_no_other(
    kubelet: FakeKubelet, dialer: PodDialer
) -> None:
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        for _ in range(3):
            with pytest.raises(PodRefused):
                await exchange(dialer, 81, b"left unread")
            assert await exchange(dialer, 80, b"hello") == b"hello"
        outcomes = await asyncio.gather(
            exchange(dialer, 81, b"left unread"),
            *(exchange(dialer, 80, b"hello") for _ in range(20)),
            return_exceptions=True,
        )
        # what was behind it in the same tunnel is answered, or broken so that it is tried again
        assert isinstance(outcomes[0], PodRefused)
        assert all(one == b"hello" or isinstance(one, StreamBroken) for one in outcomes[1:])
        assert await exchange(dialer, 80, b"hello") == b"hello"


async def test_a_retired_tunnel_serves_its_connections_to_their_end(
    kubelet: FakeKubelet, dialer: PodDialer
) -> None:
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        await dialer.warm()
        receiver = Receiver()
        stream = await dialer.open(80, receiver)
        stream.write(b"hello")
        await until(lambda: receiver.data)
        kubelet.pods["pod-a"] = {}  # its program listens no more, and serves whom it has
        with pytest.raises(PodRefused):
            await exchange(dialer, 80, b"left unread")
        kubelet.pods["pod-a"] = {80: real}
        assert await exchange(dialer, 80, b"other") == b"other"
        assert len(kubelet.open) == 2
        stream.write_eof()
        assert await receiver.wait_lost() is None
        assert receiver.data == b"hello"
        await until(lambda: len(kubelet.open) == 1, "the retired tunnel is closed")


async def test_a_port_that_refuses_does_not_stall_an_upload_to_another(
    kubelet: FakeKubelet, dialer: PodDialer
) -> None:
    """The server's worker that the refused bytes block may be any stream's: see `tunnel.py`."""
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        receiver = Receiver()
        upload = await dialer.open(80, receiver)
        sent = bytearray()
        for number in range(10):
            part = bytes([number]) * 1000
            sent += part
            upload.write(part)
            with pytest.raises(PodRefused):
                await exchange(dialer, 81, b"left unread")
        upload.write_eof()
        assert await receiver.wait_lost() is None
        assert receiver.data == sent


async def test_ports_keep_tunnels_of_their_own(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    async with tcp_server(echo) as one, tcp_server(echo) as two:
        kubelet.pods["pod-a"] = {80: one, 90: two}
        await dialer.warm()
        for _ in range(3):
            await asyncio.gather(exchange(dialer, 80, b"one"), exchange(dialer, 90, b"two"))
        assert kubelet.handshakes == 2  # the warm one is the first port's


async def test_connections_share_one_tunnel(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        answers = await asyncio.gather(
            *(exchange(dialer, 80, f"hello {n}".encode()) for n in range(50))
        )
    assert answers == [f"hello {n}".encode() for n in range(50)]
    assert kubelet.dials == [channels.TUNNEL]
    assert dialer.stream_count == 0


async def test_the_older_protocol_where_the_tunnel_is_refused(
    kubelet: FakeKubelet, dialer: PodDialer
) -> None:
    kubelet.tunnels = False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answer to " + await reader.readuntil(b"\n"))

    async with tcp_server(answer) as real:
        kubelet.pods["pod-a"] = {80: real}
        for _ in range(2):
            receiver = Receiver()
            (await dialer.open(80, receiver)).write(b"question\n")
            assert await receiver.wait_lost() is None
            assert receiver.data == b"answer to question\n"
    assert dialer.legacy
    assert kubelet.dials == [channels.V4] * 2
    assert kubelet.handshakes == 3  # the tunnel is asked for once


async def test_who_waits_for_a_pod_is_told_when_it_is_given_up(
    kubelet: FakeKubelet, dialer: PodDialer
) -> None:
    kubelet.tunnels, kubelet.hang_channels = False, True
    kubelet.pods["pod-a"] = {}
    waiting = [asyncio.create_task(dialer.open(80, Receiver())) for _ in range(3)]
    await until(lambda: kubelet.handshakes == 4, "one tunnel refused, three channels asked for")
    await dialer.close()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, StreamBroken)
    with pytest.raises(StreamBroken):
        await dialer.open(80, Receiver())


async def test_who_gives_up_a_dial_is_not_kept(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    kubelet.tunnels, kubelet.hang_channels = False, True
    kubelet.pods["pod-a"] = {}
    waiting = asyncio.create_task(dialer.open(80, Receiver()))
    await until(lambda: kubelet.handshakes == 2)
    waiting.cancel()
    await asyncio.gather(waiting, dialer.close(), return_exceptions=True)
    assert waiting.cancelled()


@pytest.mark.parametrize("tunnels", [True, False])
async def test_a_port_nobody_listens_on(
    kubelet: FakeKubelet, dialer: PodDialer, tunnels: bool
) -> None:
    kubelet.tunnels = tunnels
    kubelet.pods["pod-a"] = {}
    receiver = Receiver()
    await dialer.open(81, receiver)
    error = await receiver.wait_lost()
    assert isinstance(error, PodRefused)
    assert str(error) == "nothing listens on port 81 in the container of pod pod-a"
    assert not receiver.ended


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, PodGone), (403, PodForbidden), (401, PodForbidden), (400, PodNotRunning),
     (500, StreamBroken), (503, StreamBroken)],
)  # fmt: skip
async def test_failed_handshakes_are_typed(
    kubelet: FakeKubelet, dialer: PodDialer, status: int, kind: type[KappError]
) -> None:
    kubelet.status = status
    with pytest.raises(kind):
        await dialer.open(80, Receiver())


async def test_a_server_that_is_away(dialer: PodDialer) -> None:
    async def refuse(path: str, *, protocols: object) -> object:
        raise ConnectionRefusedError("nobody")

    away = PodDialer(refuse, "default", "pod-a")  # type: ignore[arg-type]
    with pytest.raises(StreamBroken):
        await away.open(80, Receiver())
    await away.close()


async def test_many_waiting_share_one_failed_dial(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    kubelet.status = 404
    results = await asyncio.gather(
        *(dialer.open(80, Receiver()) for _ in range(100)), return_exceptions=True
    )
    assert all(isinstance(result, PodGone) for result in results)
    assert kubelet.handshakes == 1


async def test_a_half_open_tunnel_is_noticed_and_replaced(
    kubelet: FakeKubelet, dialer: PodDialer, quick_pings: None
) -> None:
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        receiver = Receiver()
        stream = await dialer.open(80, receiver)
        stream.write(b"x")
        await until(lambda: receiver.data == b"x")
        kubelet.go_silent()
        late = Receiver()
        await dialer.open(80, late)  # put on the dead tunnel, which is not known to be so yet
        assert isinstance(await late.wait_lost(), StreamBroken)
        assert await exchange(dialer, 80, b"again") == b"again"
        assert isinstance(await receiver.wait_lost(), StreamBroken)
    assert len(kubelet.dials) == 2


async def test_a_warm_tunnel_is_replaced_before_it_is_needed(
    kubelet: FakeKubelet, dialer: PodDialer, quick_pings: None
) -> None:
    kubelet.pods["pod-a"] = {}
    await dialer.warm()
    kubelet.cut()
    await until(lambda: len(kubelet.dials) == 2)
    kubelet.go_silent()
    await until(lambda: len(kubelet.dials) == 3)
    kubelet.cut()
    del kubelet.pods["pod-a"]  # it was restarted, and does not know its pods yet
    await until(lambda: kubelet.handshakes > 4)
    kubelet.pods["pod-a"] = {}
    await until(lambda: len(kubelet.dials) == 4)
    kubelet.cut()
    await dialer.close()  # the pod is gone, and that is final
    assert len(kubelet.dials) == 4


async def test_a_cut_is_told_to_every_stream(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        receivers = [Receiver() for _ in range(5)]
        for receiver in receivers:
            (await dialer.open(80, receiver)).write(b"x")
        await until(lambda: all(receiver.data for receiver in receivers))
        kubelet.cut()
        for receiver in receivers:
            assert isinstance(await receiver.wait_lost(), StreamBroken)


@pytest.mark.parametrize("size_mb", [8])
async def test_back_pressure_and_order_both_ways(
    kubelet: FakeKubelet, dialer: PodDialer, size_mb: int
) -> None:
    payload = bytes(range(256)) * (4096 * size_mb)
    async with tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real}
        receiver = Receiver()
        stream = await dialer.open(80, receiver)
        for start in range(0, len(payload), 65536):
            async with asyncio.timeout(10):
                await receiver.writable.wait()
            stream.write(payload[start : start + 65536])
        stream.write_eof()
        assert await receiver.wait_lost() is None
    assert hashlib.sha256(receiver.data).digest() == hashlib.sha256(payload).digest()


async def test_a_reader_that_does_not_read_is_bounded_and_harms_no_one(
    kubelet: FakeKubelet, dialer: PodDialer, quick_pings: None
) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    async with tcp_server(flood) as flooding, tcp_server(echo) as real:
        kubelet.pods["pod-a"] = {80: real, 81: flooding}
        slow = Receiver()
        stuck = await dialer.open(81, slow)
        stuck.pause_reading()
        await until(lambda: len(kubelet.dials) == 1 and sent > 2_000_000)
        assert await exchange(dialer, 80, b"fast") == b"fast"  # on a tunnel of its own
        assert len(kubelet.dials) == 2
        before = -1
        while sent != before:  # the sockets on the way fill up, some megabytes
            before = sent
            await asyncio.sleep(0.4)  # longer than a dead tunnel would live with `quick_pings`
            assert sent < 60_000_000
        assert not slow.lost.is_set()
        assert not slow.data
        stuck.resume_reading()
        await until(lambda: len(slow.data) > before)
        stuck.abort()


async def test_an_upload_the_pod_is_slow_to_take_is_not_a_dead_tunnel(
    kubelet: FakeKubelet, dialer: PodDialer, quick_pings: None
) -> None:
    kubelet.queue_size = 1
    read_on = asyncio.Event()
    payload = bytes(range(256)) * 65536

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_on.wait()
        writer.write(hashlib.sha256(await reader.readexactly(len(payload))).digest())

    async with tcp_server(late) as real, tcp_server(echo) as other:
        kubelet.pods["pod-a"] = {80: real, 81: other}
        receiver = Receiver()
        stream = await dialer.open(80, receiver)
        for start in range(0, len(payload), 65536):
            stream.write(payload[start : start + 65536])
        await until(lambda: any(not t.usable for t in dialer._tunnels))
        assert await exchange(dialer, 81, b"beside it") == b"beside it"
        assert not receiver.lost.is_set()
        read_on.set()
        await until(lambda: receiver.data == hashlib.sha256(payload).digest())
        stream.write_eof()
        assert await receiver.wait_lost() is None


async def test_the_pods_end_first_then_the_clients(kubelet: FakeKubelet, dialer: PodDialer) -> None:
    got = bytearray()

    async def end_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        got.extend(await reader.read())

    async with tcp_server(end_first) as real:
        kubelet.pods["pod-a"] = {80: real}
        receiver = Receiver()
        stream = await dialer.open(80, receiver)
        await until(lambda: receiver.ended)
        assert receiver.data == b"bye"
        assert not receiver.lost.is_set()
        stream.write(b"and you")
        stream.write_eof()
        assert await receiver.wait_lost() is None
        await until(lambda: got == b"and you")
