"""One run of a Cmd: its process, its readiness, its lines in the log. Used by its reconciler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from kapp.aio.process import Process
from kapp.aio.supervise import TaskGroup
from kapp.api.v1alpha1.cmd import CmdSpec
from kapp.controllers.cmdholds import CmdInput
from kapp.controllers.logsink import LABEL
from kapp.controllers.probing import Prober
from kapp.logs.store import LogStore


class CmdRun:
    """A running or ended command; `wake` is called whenever that or its readiness changes.

    Attributes:
        given: what it was started for.
        started_at: wall time, as written in the status.
        ready: whether it takes requests, as far as its probe tells; True without a probe.
        trouble: why it is not ready.
        stopping: whether it was told to end.
        noted: whether its end is in the status.
        ran_s: how long it ran, once it has ended.

    Raises KappError if it cannot be started.
    """

    def __init__(
        self,
        given: CmdInput,
        spec: CmdSpec,
        *,
        directory: str,
        env: Mapping[str, str],
        store: LogStore,
        resource: str,
        wake: Callable[[], None],
        tasks: TaskGroup,
        started_at: str,
    ) -> None:
        self.given = given
        self.started_at = started_at
        self.stopping = self.noted = False
        self.ran_s = 0.0
        probe = spec.readiness_probe
        self.ready = probe is None
        self.trouble = "" if probe is None else "its readiness probe has not succeeded yet"
        self._wake = wake
        self._store = store
        self._span = store.open(resource, LABEL)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.process = Process(
            spec.args,
            directory=directory,
            env=env,
            on_output=lambda data: store.append(self._span, data),
            on_end=self._end,
            take_rest=spec.keep_running,
        )
        self._prober: asyncio.Task[None] | None = None
        if probe is not None:
            prober = Prober(probe, directory, env, self._judge)
            self._prober = tasks.spawn(prober.run(), f"probe-{resource}")
        tasks.spawn(self._until_gone(), f"run-{resource}")

    def stop(self) -> None:
        """Have it end with all it started; `wake` tells when it has."""
        self.stopping = True
        self._end_probing()
        self.process.stop()

    def abandon(self) -> None:
        """Stop it, and wait for nothing."""
        self._end_probing()
        if not self.process.is_gone:
            self.process.abandon()

    def _judge(self, ready: bool, trouble: str) -> None:
        self.ready, self.trouble = ready, trouble
        self._wake()

    def _end(self) -> None:
        self.ran_s = self._loop.time() - self._began
        self._end_probing()
        self._store.close(self._span)
        self._wake()

    async def _until_gone(self) -> None:
        await self.process.gone()
        self._wake()

    def _end_probing(self) -> None:
        if self._prober is not None:
            self._prober.cancel()
