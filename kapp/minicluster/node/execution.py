"""A command that was started inside a running container."""

from __future__ import annotations

import asyncio
import signal

from kapp.minicluster.node import actions
from kapp.minicluster.node.runtime import Runtime


class Execution:
    """A command that runs in a container (`kubectl exec`, a probe, a hook)."""

    def __init__(self, runtime: Runtime, key: str, terminal: int, exited: asyncio.Future[int]):
        self._runtime = runtime
        self._key = key
        self._exited = exited
        self.terminal = terminal

    async def wait(self) -> int:
        """Its exit code; 128 + n after signal n."""
        return actions.decoded_status(await asyncio.shield(self._exited))[0]

    async def kill(self) -> None:
        """End it."""
        await self._runtime.signal(self._key, signal.SIGKILL)
