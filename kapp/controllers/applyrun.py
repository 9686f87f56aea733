"""One attempt to apply an input, in the background, so that its reconciler never waits.

A run ends with the applied objects or an error; `wake` is called when it ends and whenever what it
says about itself changes. Used by `kapp.controllers.kubernetesapply`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from kapp.aio.slots import Slots
from kapp.aio.supervise import TaskGroup
from kapp.cluster.apply import ApplyError, apply
from kapp.cluster.failures import Rejected
from kapp.cluster.inventory import Inventory
from kapp.cluster.progress import Progress
from kapp.cluster.rerun import Rerun
from kapp.cluster.resolve import resolve
from kapp.controllers.applyinput import ApplyInput
from kapp.controllers.connections import ClusterHandle
from kapp.errors import ConfigError, KappError
from kapp.machinery.objects import Object


class ApplyRun:
    """A running or ended attempt.

    Attributes:
        given: what is applied.
        started_at: wall time, as written in the status.
        queued: whether it waits for others to end.
        retrying: why it is tried again right now, or "".
        applied: what the cluster returned, in the end; after an error, as far as it got.
        error: why it failed, in the end.
        cleared: whether its trigger has deleted what it makes anew; an attempt after it does not.
    """

    def __init__(
        self,
        given: ApplyInput,
        handle: ClusterHandle,
        inventory: Inventory,
        *,
        timeout_s: float,
        trigger: bool,
        cleared: bool,
        started_at: str,
        wake: Callable[[], None],
        slots: Slots,
        tasks: TaskGroup,
        name: str,
        custom: Callable[[], Awaitable[list[Object]]] | None = None,
    ) -> None:
        self.given = given
        self.started_at = started_at
        self.queued = True
        self.retrying = ""
        self.applied: list[Object] = []
        self.error: KappError | None = None
        self._handle = handle
        self._inventory = inventory
        self._timeout_s = timeout_s
        self._trigger = trigger
        self.cleared = cleared
        self._wake = wake
        self._slots = slots
        self._custom = custom
        self._troubles: dict[str, str] = {}
        self._task = tasks.spawn(self._run(), name)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    @property
    def is_final(self) -> bool:
        """Whether its error is the input's own fault, so that only another input helps."""
        errors = self.error.errors if isinstance(self.error, ApplyError) else (self.error,)
        return any(isinstance(error, Rejected | ConfigError) for error in errors)

    def cancel(self) -> None:
        """Give up; nobody is woken."""
        self._wake = _nobody
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with self._slots, self._inventory.applying():
                self.queued = False
                self.applied = await self._apply()
        except ApplyError as error:
            self.error, self.applied = error, list(error.applied)
        except KappError as error:
            self.error = error
        except Exception as error:
            self.error = KappError(f"kapp failed to apply it: {type(error).__name__}: {error}")
            raise
        finally:
            asyncio.get_running_loop().call_soon(self._wake)

    async def _apply(self) -> list[Object]:
        if self._custom is not None:
            return await self._custom()
        handle = self._handle
        connection = handle.connection
        targets = await resolve(handle.mapping, self.given.objects, connection.namespace)
        rerun = Rerun(
            connection.client, targets, trigger=self.given.trigger, force=self.given.force
        )
        if self._trigger:
            await rerun.prepare(delete=not self.cleared)
            self.cleared = True
        # A force that was carried out once does not hold for the saves that follow.
        force = self.given.force and self._trigger
        applied = await apply(
            connection.client,
            targets,
            record=self._inventory.record,
            admit=partial(self._inventory.admit, force=force),
            on_progress=self._on_progress,
            timeout_s=self._timeout_s,
            force=force,
            mapping=handle.mapping,
        )
        return await rerun.restart(applied) if self._trigger else applied

    def _on_progress(self, progress: Progress) -> None:
        if progress.state in ("retrying", "waiting", "recreating"):
            self._troubles[progress.object] = f"{progress.object}: {progress.message}"
        elif progress.state == "applied":
            self._troubles.pop(progress.object, None)
        trouble = next(iter(self._troubles.values()), "")
        if trouble != self.retrying:
            self.retrying = trouble
            self._wake()


def _nobody() -> None:
    return None
