"""A forwarder that has been through everything is as small as one that has just begun.

KAPP_TEST_CYCLES asks for more cycles than a check has time for.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from pathlib import Path
from typing import NamedTuple

import pytest

from kapp.cluster import tunnel as tunnel_module

from .fake_kubelet import tcp_server, until
from .test_forwarder import World, made_world, pod

CYCLES = int(os.environ.get("KAPP_TEST_CYCLES", "30"))
_WARM_UP = 10
_CACHES_BYTES = 300_000
"""What caches of the libraries fill with: yarl keeps 128 URLs in each of a dozen."""
_BYTES_PER_CYCLE = 200
"""What an average cycle may leave: less than any object of a connection takes."""


class _Size(NamedTuple):
    descriptors: int
    tasks: int
    traced_bytes: int


def _size() -> _Size:
    gc.collect()
    descriptors = Path("/proc/self/fd")
    return _Size(
        len(list(descriptors.iterdir())) if descriptors.exists() else 0,
        len(asyncio.all_tasks()),
        tracemalloc.get_traced_memory()[0],
    )


async def _cycle(world: World, number: int) -> None:
    """One rollout under requests, with one more thing that goes wrong."""
    old, new = pod(f"pod-{number}"), pod(f"pod-{number + 1}")
    world.kubelet.pods[new.pod] = dict(world.kubelet.pods[old.pod])
    trouble = number % 5
    if trouble == 0:
        world.kubelet.cut()
    elif trouble == 1:
        world.kubelet.status = 503
        world.kubelet.cut()
        asking = asyncio.create_task(world.ask())
        seen = world.kubelet.handshakes
        await until(lambda: world.kubelet.handshakes > seen)
        world.kubelet.status = 0
        await asking
    elif trouble == 2:
        # a client that leaves while no pod is there
        world.forwarder.set_backends([])
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await until(lambda: world.status["parked"] == 1)
        writer.transport.abort()
        await until(lambda: world.status["parked"] == 0)
    elif trouble == 3:
        # the new one refuses at first
        real = world.kubelet.pods[new.pod]
        world.kubelet.pods[new.pod] = {}
        world.forwarder.set_backends([new])
        asking = asyncio.create_task(world.ask())
        await until(lambda: world.status["lastError"] and world.status["parked"] == 1)
        world.kubelet.pods[new.pod] = real
        await asking
    elif number % 20 == 4:
        world.kubelet.go_silent()
    world.forwarder.set_backends([new, old])
    assert await asyncio.gather(*(world.ask() for _ in range(3))) == [b"hello\n"] * 3
    world.kubelet.pods.pop(old.pod, None)
    world.forwarder.set_backends([new])


async def _settled(world: World, number: int) -> _Size:
    """The size with one pod, its warm tunnel, and nobody connected."""
    await until(lambda: world.status["connections"] == 0 and len(world.forwarder._dialers) == 1)
    await until(lambda: len(world.kubelet.open) == 1, "only the warm tunnel is open")
    # what runs the pods is not the forwarder's
    assert world.status["podName"] == f"pod-{number}"
    return _size()


async def _repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)


async def test_cycles_of_everything_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel_module, "ANSWER_S", 0.1)
    monkeypatch.setattr(tunnel_module, "_FRESH_S", 0.02)
    async with made_world() as world, tcp_server(_repeat) as real:
        world.kubelet.pods["pod-0"] = {80: real}
        await world.forward()
        world.forwarder.set_backends([pod("pod-0")])
        tracemalloc.start()
        try:
            for number in range(_WARM_UP):
                await _cycle(world, number)
            before = await _settled(world, _WARM_UP)
            for number in range(_WARM_UP, _WARM_UP + CYCLES):
                await _cycle(world, number)
            after = await _settled(world, _WARM_UP + CYCLES)
        finally:
            tracemalloc.stop()
    print(f"{CYCLES} cycles: {before} {after}")
    assert after.descriptors - before.descriptors <= 2
    assert after.tasks - before.tasks <= 2
    assert after.traced_bytes - before.traced_bytes < CYCLES * _BYTES_PER_CYCLE + _CACHES_BYTES
