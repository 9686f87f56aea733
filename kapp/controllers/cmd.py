"""Cmd: runs a command on this machine, once per input or all the time.

Woken by its own objects, the FileWatches, Cmds, ConfigMaps and resources that they name, and by the
processes. It never waits for a command: a `CmdRun` holds one run, and wakes its key when that ends
or becomes ready.

A new input interrupts a server at once, and a job only if the command itself is another one or it
was triggered: a changed file waits until the job has ended. A server that ends is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from kapp.aio.supervise import TaskGroup
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.cmd import Cmd, CmdRunning, CmdStatus, CmdTerminated, CmdWaiting
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION
from kapp.controllers.cmdholds import CmdInput, hold_of, input_of
from kapp.controllers.cmdrun import CmdRun
from kapp.controllers.disabling import disable_status
from kapp.controllers.logsink import LogSink
from kapp.errors import KappError
from kapp.logs.store import LogStore
from kapp.machinery.objects import ObjectKey, format_micro_time, parse_time

# A server that ends is started again this soon, twice as late each time …
FIRST_RESTART_S = 1.0
MAX_RESTART_S = 30.0
# … until it has run for this long.
HEALTHY_AFTER_S = 30.0
# What an engine's end waits for; after that the keepers see to it alone.
_CLOSE_S = 0.5
_CANNOT_START = 127  # as a shell says it

WAITING_FOR_LOCAL = "waiting-for-local"
WAITING_FOR_END = "waiting-for-end"


class CmdReconciler:
    """Reconciles Cmds.

    Args:
        objects: kapp's API.
        store: where the commands' output goes.
        log: where kapp's own lines on them go.
        env: the environment that they run in.
        directory: where they run if they name none.
        enqueue: wakes a key.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        store: LogStore,
        log: LogSink,
        env: Mapping[str, str],
        directory: str,
        enqueue: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._store = store
        self._log = log
        self._env = dict(env)
        self._directory = directory
        self._enqueue = enqueue
        self._now = now
        self._runs: dict[str, CmdRun] = {}
        self._tasks = TaskGroup("cmds")
        self._turn = ""  # the job that runs alone
        self._next: list[str] = []  # those that wait for it to end

    async def close(self) -> None:
        """End every command, within half a second as far as this process waits for it."""
        for run in self._runs.values():
            run.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                for run in self._runs.values():
                    await run.process.gone()
        for run in self._runs.values():
            run.abandon()
        await self._tasks.close()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Start, follow or stop a command as its input calls for, and write what is true."""
        cmd = await self._objects.get(Cmd, key.name)
        if cmd is None:
            self._stopped(key.name)
            return None
        before = encode(cmd)
        again_s = await self._step(cmd)
        cmd.status.observed_generation = cmd.metadata.generation
        await self._objects.write_status(cmd, before)
        return again_s

    async def _step(self, cmd: Cmd) -> float | None:
        status, run = cmd.status, self._runs.get(cmd.name)
        status.disable_status = await disable_status(
            self._objects, cmd.spec.disable_source, status.disable_status, self._now()
        )
        if status.disable_status is not None and status.disable_status.disabled:
            if self._stopped(cmd.name):
                # What was triggered once is not triggered again by enabling it.
                cmd.status = CmdStatus(
                    disable_status=status.disable_status,
                    waiting=CmdWaiting(reason="disabled"),
                    handled_trigger=status.handled_trigger,
                )
            return None
        if run is not None and run.process.ended and not run.noted:
            self._note_end(cmd, run)
        given = await input_of(self._objects, cmd)
        if run is not None and not run.process.is_gone:
            if not run.noted:
                await self._follow(cmd, run, given)
            return None
        self._runs.pop(cmd.name, None)
        if run is not None and run.stopping and given.digest == status.started_input:
            status.started_input = ""  # it was stopped half-way, and is wanted again
        if given.digest == status.started_input:
            self._release(cmd.name)  # a turn that it was given while it waited, and needs no more
            status.pending = None
            return await self._keep(cmd, given)
        status.restarts, status.restart_at = 0, ""
        hold = await hold_of(self._objects, cmd, given)
        if hold is not None:
            self._release(cmd.name)  # others need not wait for what it waits for
        else:
            hold = self._take_turn(cmd)
        if hold is not None:
            self._wait(cmd, hold)
            return None
        return await self._start(cmd, given)

    async def _follow(self, cmd: Cmd, run: CmdRun, given: CmdInput) -> None:
        status = cmd.status
        status.ready, status.message = run.ready, run.trouble
        status.pending = None
        if given.digest == run.given.digest or run.stopping:
            return
        hold = await hold_of(self._objects, cmd, given)
        if hold is None and (cmd.spec.keep_running or given.spec != run.given.spec):
            run.stop()
            return
        status.pending = hold or CmdWaiting(
            reason=WAITING_FOR_END, message="runs again once it has ended"
        )

    async def _keep(self, cmd: Cmd, given: CmdInput) -> float | None:
        """Start a server that has ended again, not too often."""
        status = cmd.status
        if not cmd.spec.keep_running:
            return None
        if status.restart_at:
            left_s = (parse_time(status.restart_at) - self._now()).total_seconds()
            if left_s > 0:
                return left_s
        return await self._start(cmd, given)

    async def _start(self, cmd: Cmd, given: CmdInput) -> float | None:
        spec, status = cmd.spec, cmd.status
        status.started_input, status.handled_trigger = given.digest, given.trigger
        status.waiting = status.pending = None
        status.restart_at = ""
        started_at = format_micro_time(self._now())
        resource = resource_of_cmd(cmd)
        self._log.write(resource, f"running: {shown(spec.args)}\n")
        key = ObjectKey("", cmd.name)
        try:
            run = self._runs[cmd.name] = CmdRun(
                given,
                spec,
                directory=spec.dir or self._directory,
                env=self._env | dict(entry.split("=", 1) for entry in spec.env),
                store=self._store,
                resource=resource,
                wake=lambda: self._enqueue(key),
                tasks=self._tasks,
                started_at=started_at,
            )
            pid = await run.process.started()
        except KappError as error:
            failed = CmdTerminated(
                exit_code=_CANNOT_START,
                started_at=started_at,
                finished_at=format_micro_time(self._now()),
                reason=error.one_line(),
            )
            self._ended(cmd, failed, ran_s=0.0)
            if (broken := self._runs.get(cmd.name)) is not None:
                broken.noted = True
            return await self._keep(cmd, given) if cmd.name not in self._runs else None
        status.running = CmdRunning(pid=pid, started_at=started_at)
        status.terminated = None
        status.ready, status.message = run.ready, run.trouble
        return None

    def _note_end(self, cmd: Cmd, run: CmdRun) -> None:
        run.noted = True
        code = run.process.exit_code or 0
        running = cmd.status.running
        ended = CmdTerminated(
            pid=running.pid if running is not None else 0,
            exit_code=code if code >= 0 else 128 - code,
            started_at=run.started_at,
            finished_at=format_micro_time(self._now()),
            reason="was stopped" if run.stopping else _ending(code),
        )
        if run.stopping:
            cmd.status.running, cmd.status.terminated = None, ended
            cmd.status.ready, cmd.status.message = False, "was stopped"
            self._release(cmd.name)
            return
        self._ended(cmd, ended, ran_s=run.ran_s)

    def _ended(self, cmd: Cmd, ended: CmdTerminated, *, ran_s: float) -> None:
        """It ended by itself: say so, and decide when a server is started again."""
        status = cmd.status
        status.running, status.terminated = None, ended
        self._release(cmd.name)
        succeeded = ended.exit_code == 0
        if not cmd.spec.keep_running:
            status.ready, status.message = succeeded, "" if succeeded else ended.reason
            if succeeded:
                status.succeeded_input = status.started_input
            else:
                self._log.write(resource_of_cmd(cmd), f"error: {ended.reason}\n")
            return
        status.restarts = 1 if ran_s >= HEALTHY_AFTER_S else status.restarts + 1
        delay_s = min(FIRST_RESTART_S * 2.0 ** (status.restarts - 1), MAX_RESTART_S)
        status.restart_at = format_micro_time(self._now() + timedelta(seconds=delay_s))
        status.ready, status.message = False, f"{ended.reason}; is started again"
        self._log.write(
            resource_of_cmd(cmd), f"error: {ended.reason}; starts again in {delay_s:g} s\n"
        )

    def _wait(self, cmd: Cmd, hold: CmdWaiting) -> None:
        status = cmd.status
        status.pending = hold
        if status.running is None and status.terminated is None:
            status.waiting = hold
        status.message = hold.message

    def _stopped(self, name: str) -> bool:
        """Have a command end; whether it has. The next job waits until then."""
        run = self._runs.get(name)
        if run is not None and not run.process.is_gone:
            run.stop()
            return False
        self._runs.pop(name, None)
        self._release(name)
        return True

    def _take_turn(self, cmd: Cmd) -> CmdWaiting | None:
        if cmd.spec.keep_running or cmd.spec.allow_parallel:
            return None
        if self._turn in ("", cmd.name):
            self._turn = cmd.name
            return None
        if cmd.name not in self._next:
            self._next.append(cmd.name)
        return CmdWaiting(
            reason=WAITING_FOR_LOCAL, message=f"runs after {self._turn}", on=[self._turn]
        )

    def _release(self, name: str) -> None:
        """Let the next job run, if `name` was the one that ran alone."""
        if name in self._next:
            self._next.remove(name)
        if self._turn == name:
            waiting, self._next = self._next, []
            self._turn = waiting[0] if waiting else ""
            self._next = waiting[1:]
            for other in waiting:
                self._enqueue(ObjectKey("", other))


def resource_of_cmd(cmd: Cmd) -> str:
    """The resource that a command belongs to."""
    return cmd.metadata.annotations.get(RESOURCE_ANNOTATION) or cmd.name


def shown(args: list[str]) -> str:
    """A command as its user wrote it."""
    return args[2] if args[:2] == ["sh", "-c"] and len(args) == 3 else shlex.join(args)


def _ending(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
