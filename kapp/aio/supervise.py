"""Tasks that are named, owned and awaited.

Every background task in kapp belongs to a `TaskGroup`. Closing the group cancels its tasks and
waits for them, so nothing outlives its owner. A task that fails is reported to the group's
`on_error` at once, never lost: a background loop that dies silently is the worst kind of bug.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_log = logging.getLogger(__name__)


class TaskGroup:
    """Owns background tasks; unlike `asyncio.TaskGroup`, one failure does not stop the others.

    Failures are logged. `name` is the prefix of the tasks' names, for debugging.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, coro: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `coro` as a task of this group. Raises RuntimeError once the group is closed."""
        if self._closed:
            coro.close()
            raise RuntimeError(f"task group {self._name} is closed")
        task = asyncio.create_task(coro, name=f"{self._name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            extra = {"task": task.get_name()}
            _log.error("a background task failed", extra=extra, exc_info=error)

    async def wait(self, timeout_s: float) -> None:
        """Wait until the tasks there are have ended by themselves, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    async def close(self) -> None:
        """Cancel every task and wait until each has ended. Safe to call twice."""
        self._closed = True
        await cancel(*self._tasks)

    async def __aenter__(self) -> TaskGroup:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def __len__(self) -> int:
        return len(self._tasks)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they ended; their results and errors are dropped.

    The calling task itself is skipped, so a task may close the group it belongs to.
    """
    current = asyncio.current_task()
    others = [task for task in tasks if task is not current]
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)
