"""Container instances: start one, stop it, note how it ended.

One `Containers` for a node. Decides nothing about whether a container should run: that is
`podsync`'s. Tells of every change through `changed(pod state)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from kapp.aio.supervise import TaskGroup, cancel
from kapp.minicluster.node import actions, images, podspec
from kapp.minicluster.node.environment import ConfigMissing
from kapp.minicluster.node.events import Recorder
from kapp.minicluster.node.execution import Execution
from kapp.minicluster.node.files import PodFiles
from kapp.minicluster.node.imagewait import wait_for_image
from kapp.minicluster.node.instance import MountImpossible
from kapp.minicluster.node.logfile import LogFile
from kapp.minicluster.node.probing import Probes
from kapp.minicluster.node.runtime import ProcessSpec, Runtime, RuntimeFailure
from kapp.minicluster.node.state import ContainerState, Ended, PodState

BACKOFF_S = 10.0  # kubelet's: 10 s, doubling to 5 min, forgotten after 10 min of running
MAX_BACKOFF_S = 300.0
# What kubelet grants after a preStop hook that used up the grace period
_LEAST_GRACE_S = 2.0
_HOOK_TIMEOUT_S = 300.0  # a postStart hook without an end does not hold its pod for ever
_START_FAILED_CODE = 128  # containerd's, with reason StartError

SpecOf = Callable[[PodState, dict[str, Any]], ProcessSpec]


class _Target:
    """A running container for probes and hooks."""

    def __init__(self, owner: Containers, state: PodState, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.address = state.address
        self._owner = owner
        self._state = state

    async def dial(self, host: str, port: int) -> socket.socket:
        return await self._owner.dial(self._state, host, port)

    async def start(self, argv: list[str], output: int) -> Execution:
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return await self._owner.execute(
                self._state, self.spec["name"], argv, [null, output, output]
            )
        finally:
            os.close(null)


class Containers:
    """All container instances of a node.

    Args:
        runtime: what starts processes.
        recorder: where events go.
        tasks: owner of stops and hooks.
        now: wall time.
        spec_of: what to start; raises ConfigMissing.
        files_of: the pod's directory.
        changed: called after each change of a container's state.
        backoff_s: the first restart delay after a crash that follows a restart.
    """

    def __init__(
        self,
        runtime: Runtime,
        recorder: Recorder,
        tasks: TaskGroup,
        *,
        now: Callable[[], datetime],
        spec_of: SpecOf,
        files_of: Callable[[PodState], PodFiles],
        changed: Callable[[PodState], None],
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self._runtime = runtime
        self._recorder = recorder
        self._tasks = tasks
        self._now = now
        self._spec_of = spec_of
        self._files_of = files_of
        self._changed = changed
        self._backoff_s = backoff_s
        self._probes = Probes(recorder, changed=changed, stop=self.stop)
        self._running: dict[str, tuple[PodState, ContainerState]] = {}
        self._specs: dict[str, ProcessSpec] = {}
        self._executions: dict[str, asyncio.Future[int]] = {}
        self._counter = 0

    # -- starting --------------------------------------------------------------------------------

    async def start(self, state: PodState, spec: dict[str, Any]) -> None:
        """Start the next instance; its failure is in the container's state, never raised."""
        container = state.containers[spec["name"]]
        event = partial(self._recorder.pod, state.pod, container=container.name)
        if (problem := images.problem_of(spec)) is not None:
            wait_for_image(event, container, spec, problem)
            return
        try:
            process = self._spec_of(state, spec)
        except (ConfigMissing, ValueError) as error:
            reason = "CreateContainerConfigError"
            if isinstance(error, MountImpossible):
                reason, container.hopeless = "VolumesUnavailable", True
            if container.message != str(error):
                event("Failed", f"Error: {error}", warning=True)
            container.wait(reason, str(error))
            return
        container.attempts += 1
        container.last = container.ended or container.last
        container.ended = None
        container.gone = asyncio.Event()
        container.key = f"{state.uid}/{container.name}/{container.restart_count}"
        digest = hashlib.sha256(f"{container.key}/{self._now().timestamp()}".encode()).hexdigest()
        container.container_id = f"process://{digest}"
        if container.attempts == 1:
            event("Pulled", f'Image "{spec.get("image") or ""}" is not pulled: '
                  "the command runs on this machine")  # fmt: skip
        event("Created", f"Container created: {container.name}")
        files = self._files_of(state)
        files.drop_old(container.name, container.restart_count)
        container.log = LogFile(
            files.log(container.name, container.restart_count),
            lambda: int(self._now().timestamp() * 1_000_000) * 1000,
        )
        self._running[container.key] = (state, container)
        try:
            await self._launch(state, container, spec, process)
        except RuntimeFailure as error:
            self._running.pop(container.key, None)
            self._failed_to_start(state, container, process, error)
            return
        event("Started", f"Container started: {container.name}")
        if container.phase == "running":
            self._after_start(state, container, spec)

    async def _launch(
        self, state: PodState, container: ContainerState, spec: dict[str, Any], process: ProcessSpec
    ) -> None:
        assert container.log is not None
        container.started_at = self._now()
        container.started_loop_s = asyncio.get_running_loop().time()
        self._specs[container.key] = process
        container.phase, container.reason, container.message = "running", "", ""
        theirs: list[int] = []
        try:
            if spec.get("stdin") and not process.tty:
                reading, container.stdin = os.pipe()
                os.set_blocking(container.stdin, False)
                container.stdin_once = bool(spec.get("stdinOnce"))
                theirs.append(reading)
            else:
                theirs.append(os.open(os.devnull, os.O_RDONLY))
            for stream in () if process.tty else (b"stdout", b"stderr"):
                reading, writing = os.pipe()
                theirs.append(writing)
                container.log.attach(reading, stream)
            _, terminal = await self._runtime.start_process(
                container.key, state.uid, process, theirs
            )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        if terminal >= 0:
            container.terminal = os.dup(terminal)
            container.log.attach(terminal, b"stdout")

    def _failed_to_start(
        self,
        state: PodState,
        container: ContainerState,
        process: ProcessSpec,
        error: RuntimeFailure,
    ) -> None:
        if error.stage == "exec":
            message = f'exec: "{process.argv[0]}": {error.message}'
        elif error.stage == "cwd":
            message = f'working directory "{process.cwd}": {error.message}'
        else:
            message = f"{error.path}: {error.message}" if error.path else error.message
        self._recorder.pod(
            state.pod, "Failed", f"Error: {message}", warning=True, container=container.name
        )
        self._note_end(state, container, _START_FAILED_CODE, 0, "StartError", message)

    def _after_start(
        self, state: PodState, container: ContainerState, spec: dict[str, Any]
    ) -> None:
        container.tasks = TaskGroup(container.key)
        target = _Target(self, state, spec)
        hook = (spec.get("lifecycle") or {}).get("postStart")
        if hook:
            container.tasks.spawn(self._post_start(state, container, spec, hook), "postStart")
        else:
            self._probes.begin(state, container, spec, target)

    async def _post_start(
        self,
        state: PodState,
        container: ContainerState,
        spec: dict[str, Any],
        hook: dict[str, Any],
    ) -> None:
        target = _Target(self, state, spec)
        try:
            outcome = await actions.run(hook, target, _HOOK_TIMEOUT_S)
        except actions.Unsupported as error:
            outcome = actions.Outcome(False, error.message)
        if outcome.ok:
            self._probes.begin(state, container, spec, target)
            return
        self._recorder.pod(
            state.pod, "FailedPostStartHook", f"PostStartHook failed: {outcome.message}",
            warning=True, container=container.name,
        )  # fmt: skip
        self.stop(state, container, podspec.grace_period_s(state.pod))

    # -- ending ----------------------------------------------------------------------------------

    def exited(self, key: str, status: int) -> None:
        """The runtime says that a process ended."""
        self._specs.pop(key, None)
        if (future := self._executions.pop(key, None)) is not None:
            if not future.done():
                future.set_result(status)
            return
        found = self._running.pop(key, None)
        if found is None:
            return
        state, container = found
        code, number = actions.decoded_status(status)
        reason = "Completed" if code == 0 else "Error"
        self._note_end(state, container, code, number, reason, "")

    def _note_end(
        self,
        state: PodState,
        container: ContainerState,
        code: int,
        number: int,
        reason: str,
        message: str,
    ) -> None:
        if container.log is not None:
            container.log.close()
        for descriptor in (container.terminal, container.stdin):
            if descriptor >= 0:
                os.close(descriptor)
        container.terminal = container.stdin = -1
        loop_s = asyncio.get_running_loop().time()
        moment = self._now()
        message = message or self._files_of(state).read_message(
            container.name, container.restart_count
        )
        container.ended = Ended(
            code, reason, container.started_at or moment, moment, container.container_id, message,
            number,
        )  # fmt: skip
        container.phase = "terminated"
        container.ready = container.started = False
        container.gone.set()
        if loop_s - container.started_loop_s > 2 * MAX_BACKOFF_S:
            container.delay_s = 0.0
        container.not_before = loop_s + container.delay_s
        container.delay_s = min(max(2 * container.delay_s, self._backoff_s), MAX_BACKOFF_S)
        if (tasks := container.tasks) is not None:
            container.tasks = None
            with contextlib.suppress(RuntimeError):
                self._tasks.spawn(tasks.close(), "close-probes")
        self._changed(state)

    def lost(self) -> None:
        """The runtime died, and every process with it."""
        for key in [*self._running, *self._executions]:
            self.exited(key, signal.SIGKILL)

    def stop(self, state: PodState, container: ContainerState, grace_s: int) -> None:
        """Begin to stop a running container: preStop, SIGTERM, SIGKILL when grace is over."""
        if container.phase != "running" or (
            container.stopping is not None and not container.stopping.done()
        ):
            return
        with contextlib.suppress(RuntimeError):
            container.stopping = self._tasks.spawn(
                self._stop(state, container, grace_s), f"stop-{container.key}"
            )

    async def _stop(self, state: PodState, container: ContainerState, grace_s: int) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        gone, key = container.gone, container.key
        spec = next(c for c in podspec.all_containers(state.pod) if c["name"] == container.name)
        lifecycle = spec.get("lifecycle") or {}
        with contextlib.suppress(RuntimeFailure):
            if grace_s > 0:
                if hook := lifecycle.get("preStop"):
                    await self._pre_stop(state, container, spec, hook, grace_s)
                name = lifecycle.get("stopSignal") or "SIGTERM"
                await self._runtime.signal(key, getattr(signal, name, signal.SIGTERM))
                left_s = max(deadline - loop.time(), _LEAST_GRACE_S if hook else 0.0)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await gone.wait()
            if not gone.is_set():
                await self._runtime.signal(key, signal.SIGKILL, everything=True)
                await gone.wait()

    async def _pre_stop(
        self,
        state: PodState,
        container: ContainerState,
        spec: dict[str, Any],
        hook: dict[str, Any],
        grace_s: float,
    ) -> None:
        """Run the hook; a container that ends by itself ends the wait for it."""
        running = self._tasks.spawn(
            actions.run(hook, _Target(self, state, spec), grace_s), "preStop"
        )
        gone = self._tasks.spawn(container.gone.wait(), "gone")
        try:
            await asyncio.wait([running, gone], return_when=asyncio.FIRST_COMPLETED)
            if running.done() and not running.cancelled() and running.exception() is None:
                outcome = running.result()
                if not outcome.ok:
                    self._recorder.pod(
                        state.pod, "FailedPreStopHook", f"PreStopHook failed: {outcome.message}",
                        warning=True, container=container.name,
                    )  # fmt: skip
        finally:
            await cancel(running, gone)

    # -- for exec, probes and port-forward -------------------------------------------------------

    async def dial(self, state: PodState, host: str, port: int) -> socket.socket:
        """Connect from inside a pod's network. Raises OSError, RuntimeFailure."""
        host = "127.0.0.1" if host == "localhost" else host
        made = await self._runtime.open_socket(state.uid, ipv6=":" in host)
        try:
            await asyncio.get_running_loop().sock_connect(made, (host, port))
        except BaseException:
            made.close()
            raise
        return made

    async def execute(
        self,
        state: PodState,
        name: str,
        argv: list[str],
        descriptors: list[int],
        *,
        tty: bool = False,
    ) -> Execution:
        """Run a command in a running container, as its user, with its environment.

        Raises RuntimeFailure when the container does not run or the command cannot.
        """
        container = state.containers[name]
        base = self._specs.get(container.key)
        if container.phase != "running" or base is None:
            raise RuntimeFailure(f"container {name} is not running")
        self._counter += 1
        key = f"{container.key}/exec-{self._counter}"
        exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._executions[key] = exited
        spec = ProcessSpec(
            argv=argv, env=base.env | ({"TERM": "xterm"} if tty else {}), cwd=base.cwd,
            uid=base.uid, gid=base.gid, groups=base.groups, tty=tty, privileged=base.privileged,
            capabilities=base.capabilities, may_gain_privileges=base.may_gain_privileges,
            container=container.key,
        )  # fmt: skip
        try:
            _, terminal = await self._runtime.start_process(key, state.uid, spec, descriptors)
        except BaseException:
            self._executions.pop(key, None)
            raise
        return Execution(self._runtime, key, terminal, exited)
