"""Many connections, large transfers and slow readers, through a real tunnel.

KAPP_TEST_TRANSFER_MB asks for larger transfers than a check has time for.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from . import bulk
from .conftest import Project, eventually

TRANSFER = int(os.environ.get("KAPP_TEST_TRANSFER_MB", "64")) << 20
CONNECTIONS = 500


def test_large_transfers_both_ways(bulk_port: int) -> None:
    expected = bulk.expected(TRANSFER)
    assert bulk.download(bulk_port, TRANSFER) == expected
    assert bulk.upload(bulk_port, TRANSFER) == expected


def test_a_slow_reader_beside_fast_ones(bulk_port: int) -> None:
    with bulk.connect(bulk_port, f"down {TRANSFER}") as slow:
        first = slow.recv(1)  # and no more for now: all buffers on the way fill up
        for _ in range(50):
            assert bulk.hello(bulk_port) == b"hello\n"
        assert bulk.download(bulk_port, 4 << 20) == bulk.expected(4 << 20)
        count, _ = bulk.drain(slow).split()
    assert len(first) + int(count) == TRANSFER


def test_five_hundred_connections_at_once(bulk_port: int, project: Project) -> None:
    async def all_at_once() -> list[bytes]:
        opened = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", bulk_port) for _ in range(CONNECTIONS))
        )
        for _, writer in opened:
            writer.write(b"echo\n")
        answers = []
        for number, (_, writer) in enumerate(opened):  # every one is open until every one answered
            writer.write(b"%d\n" % number)
        for reader, _ in opened:
            answers.append(await reader.readline())
        for _, writer in opened:
            writer.write_eof()
        for reader, writer in opened:
            assert await reader.read() == b""
            writer.close()
        return answers

    answers = asyncio.run(asyncio.wait_for(all_at_once(), 60))
    assert answers == [b"%d\n" % number for number in range(CONNECTIONS)]
    counts = "jsonpath={.status.forwardStatuses[0].connections}"
    eventually(lambda: project.get("pf", "bulk", "-o", counts) in ("", "0"))


def test_descriptors_of_the_engine_come_back(bulk_port: int, project: Project) -> None:
    """After hundreds of connections, some of them reset: counted from outside."""
    engine = _engine(project)
    descriptors = Path(f"/proc/{engine}/fd")
    if not descriptors.exists():
        pytest.skip("only Linux tells from outside")

    def count() -> int:
        return len(list(descriptors.iterdir()))

    def run(times: int) -> None:
        for number in range(times):
            assert bulk.hello(bulk_port) == b"hello\n"
            if number % 10 == 0:
                with bulk.connect(bulk_port, f"down {1 << 20}") as sock:
                    sock.recv(1)  # and leave

    run(20)
    before = count()
    run(200)
    eventually(lambda: count() <= before + 2)


def _engine(project: Project) -> int:
    """The process id of the engine, as its Session says it."""
    pid = "jsonpath={.items[0].status.pid}"
    return eventually(lambda: int(project.get("session", "-o", pid)))
