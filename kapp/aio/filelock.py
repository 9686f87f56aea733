"""Locks that processes hand on: a lock on a file is free once nobody has its descriptor any more.

So it can outlive the process that took it, and tells every other one whether what it was handed to
still runs.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kapp.errors import KappError

_POLL_S = 0.05


@asynccontextmanager
async def locked(
    path: Path, *, timeout_s: float, on_wait: Callable[[], None]
) -> AsyncIterator[int]:
    """Hold the lock of a file (mode 0600, made if missing); gives its descriptor.

    `on_wait` is called once if another has it. Raises KappError if that goes on for `timeout_s`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _take(descriptor):
            on_wait()
            await _wait(descriptor, path, timeout_s)
        yield descriptor
    finally:
        os.close(descriptor)


async def _wait(descriptor: int, path: Path, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not _take(descriptor):  # noqa: ASYNC110 -- another process: nothing else tells
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise KappError(
            f"what was started before has not ended within {timeout_s:g} s",
            hint=f"find it with `fuser {path}` and end it",
        ) from error


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
