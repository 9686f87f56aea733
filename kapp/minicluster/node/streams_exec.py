"""`kubectl exec` and `attach` over websockets (v5 and v4 channels).

Source: k8s.io/kubelet/pkg/cri/streaming/remotecommand; KEP-4006 for v5.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import Object, name_of
from kapp.machinery.status import bad_request
from kapp.minicluster.node.runtime import RuntimeFailure
from kapp.minicluster.node.state import ContainerState, PodState
from kapp.minicluster.node.streams import (
    check_upgrade,
    chosen_container,
    read_some,
    write_all,
)
from kapp.wire import channels

if TYPE_CHECKING:
    from kapp.minicluster.node.execution import Execution
    from kapp.minicluster.node.kubelet import Node

# Output that is still in the pipes when the command has ended is there at once; what a process in
# the background writes later is not waited for.
_DRAIN_S = 1.0
_OUTPUT_BUFFER_CHUNKS = 256


@dataclass
class _Wanted:
    """A request's query."""

    container: str
    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def _wanted(query: Mapping[str, str], pod: Object) -> _Wanted:
    def flag(name: str) -> bool:
        return query.get(name, "").lower() in ("true", "1")

    wanted = _Wanted(
        chosen_container(pod, query.get("container", "")),
        flag("stdin"), flag("stdout"), flag("stderr"), flag("tty"),
    )  # fmt: skip
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return wanted


def set_size(terminal: int, size: channels.TerminalSize) -> None:
    """Tell a terminal its size; its foreground processes get SIGWINCH."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(
            terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size.height, size.width, 0, 0)
        )


class _Channels:
    """One websocket that speaks the channel protocol."""

    def __init__(self, request: web.Request) -> None:
        check_upgrade(request, "exec and attach")
        self._request = request
        self._ws = web.WebSocketResponse(
            protocols=(channels.V5, channels.V4), max_msg_size=0, compress=False
        )

    async def open(self) -> web.WebSocketResponse:
        """Answer the upgrade."""
        await self._ws.prepare(self._request)
        return self._ws

    async def send(self, channel: int, data: bytes) -> None:
        """Pass output on; a client that went away is noticed by the reading side."""
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(channels.encode(channel, data))

    async def read_input(self, stdin: int, terminal: int) -> None:
        """Feed what the client sends to a descriptor until the client leaves. Owns `stdin`."""
        try:
            async for message in self._ws:
                if message.type is not WSMsgType.BINARY or not message.data:
                    continue
                channel, payload = channels.decode(message.data)
                if channel == channels.STDIN and stdin >= 0:
                    try:
                        await write_all(stdin, payload)
                    except OSError:
                        os.close(stdin)
                        stdin = -1
                elif channel == channels.RESIZE and terminal >= 0:
                    with contextlib.suppress(channels.ChannelError):
                        set_size(terminal, channels.decode_resize(payload))
                elif channel == channels.CLOSE and stdin >= 0 and terminal < 0:
                    os.close(stdin)
                    stdin = -1
        finally:
            if stdin >= 0:
                os.close(stdin)


class ExecStreams:
    """Answers pods/exec and pods/attach."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def _running(self, pod: Object, name: str) -> tuple[PodState, ContainerState]:
        state = self._node.state_of(pod)
        container = state.containers[name] if state is not None else None
        if state is None or container is None or container.phase != "running":
            raise bad_request(f'container "{name}" in pod "{name_of(pod)}" is not running')
        return state, container

    async def execute(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET or POST …/exec."""
        wanted = _wanted(request.query, pod)
        argv = request.query.getall("command", [])
        if not argv:
            raise bad_request("you must specify at least one command")
        state, _ = self._running(pod, wanted.container)
        connection = _Channels(request)
        ws = await connection.open()
        command = _Command(self._node, state, wanted, argv)
        try:
            await command.start()
        except RuntimeFailure as error:
            what = f'exec: "{argv[0]}": {error.message}' if error.stage else error.message
            text = f"Internal error occurred: error executing command in container: {what}"
            await connection.send(channels.ERROR, channels.failure_status(text))
            await ws.close()
            return ws
        await command.run(connection)
        await ws.close()
        return ws

    async def attach(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET or POST …/attach: the container's own input and output from now on."""
        wanted = _wanted(request.query, pod)
        _, container = self._running(pod, wanted.container)
        connection = _Channels(request)
        ws = await connection.open()
        queue: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue(_OUTPUT_BUFFER_CHUNKS)

        def heard(stream: bytes, data: bytes) -> None:
            if not queue.full():  # a client that does not read misses output, the log does not
                queue.put_nowait((stream, data))

        async def pump() -> None:
            while True:
                stream, data = await queue.get()
                channel = channels.STDERR if stream == b"stderr" else channels.STDOUT
                if wanted.stderr if channel == channels.STDERR else wanted.stdout:
                    await connection.send(channel, data)
                queue.task_done()

        assert container.log is not None
        stop = container.log.subscribe(heard)
        source = container.terminal if container.terminal >= 0 else container.stdin
        stdin = os.dup(source) if wanted.stdin and source >= 0 else -1
        async with TaskGroup("attach") as tasks:
            output = tasks.spawn(pump(), "output")
            reading = tasks.spawn(connection.read_input(stdin, container.terminal), "input")
            gone = tasks.spawn(container.gone.wait(), "gone")
            try:
                await asyncio.wait([reading, gone, output], return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_DRAIN_S):
                            await queue.join()
                    code = container.ended.exit_code if container.ended else 0
                    await connection.send(channels.ERROR, channels.exit_status(code))
                elif container.stdin_once and container.stdin >= 0:
                    os.close(container.stdin)
                    container.stdin = -1
            finally:
                stop()
                await ws.close()
        return ws


class _Command:
    """One exec: its process, its descriptors."""

    def __init__(self, node: Node, state: PodState, wanted: _Wanted, argv: list[str]) -> None:
        self._node = node
        self._state = state
        self._wanted = wanted
        self._argv = argv
        self._execution: Execution
        self._stdin = -1
        self._outputs: list[tuple[int, int]] = []

    async def start(self) -> None:
        """Start the process. Raises RuntimeFailure, and then nothing is left open."""
        wanted, name = self._wanted, self._wanted.container
        containers = self._node.containers
        if wanted.tty:
            self._execution = await containers.execute(self._state, name, self._argv, [], tty=True)
            terminal = self._execution.terminal
            os.set_blocking(terminal, False)
            self._stdin = os.dup(terminal)
            self._outputs = [(terminal, channels.STDOUT)]
            return
        theirs = []
        try:
            if wanted.stdin:
                reading, self._stdin = os.pipe()
                os.set_blocking(self._stdin, False)
                theirs.append(reading)
            else:
                theirs.append(os.open(os.devnull, os.O_RDONLY))
            for channel in (channels.STDOUT, channels.STDERR):
                reading, writing = os.pipe()
                os.set_blocking(reading, False)
                theirs.append(writing)
                self._outputs.append((reading, channel))
            self._execution = await containers.execute(self._state, name, self._argv, theirs)
        except BaseException:
            for descriptor in (self._stdin, *(fd for fd, _ in self._outputs)):
                if descriptor >= 0:
                    os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)

    async def _pump(self, descriptor: int, channel: int, connection: _Channels) -> None:
        try:
            while data := await read_some(descriptor):
                await connection.send(channel, data)
        finally:
            os.close(descriptor)

    async def run(self, connection: _Channels) -> None:
        """Until the process has ended, or the client has left (which ends the process)."""
        terminal = self._stdin if self._wanted.tty else -1
        async with TaskGroup("exec") as tasks:
            pumps = [
                tasks.spawn(self._pump(fd, channel, connection), f"output-{channel}")
                for fd, channel in self._outputs
            ]
            ended = tasks.spawn(self._execution.wait(), "process")
            reading = tasks.spawn(connection.read_input(self._stdin, terminal), "input")
            try:
                await asyncio.wait([ended, reading], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not ended.done():
                    with contextlib.suppress(RuntimeFailure):
                        await self._execution.kill()
            if ended.done():
                await asyncio.wait(pumps, timeout=_DRAIN_S)
                await connection.send(channels.ERROR, channels.exit_status(ended.result()))
