"""The node's side of the shim: start it, ask it for pods, processes and sockets, hear of exits.

The counterpart of a container runtime's client. All methods raise `RuntimeFailure` for what the
shim could not do. `mode` is `namespaces`, or `processes` with `reason` saying why.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapp.errors import KappError
from kapp.minicluster.node.shim import protocol

_log = logging.getLogger(__name__)
_START_DEADLINE_S = 20.0  # a loaded machine's interpreter start and one probe pod
_STOP_DEADLINE_S = 2.0  # the shim kills all on the end of its socket; then it is killed itself
_START = (
    "import sys, json; sys.path.insert(0, sys.argv[1]); "
    "from kapp.minicluster.node.shim import main; main.run(json.loads(sys.argv[2]))"
)

ExitHandler = Callable[[str, int], None]


class RuntimeFailure(KappError):
    """The shim refused. `stage` says where a start failed: namespaces, root, cwd, user, exec."""

    def __init__(self, message: str, *, errno: int = 0, stage: str = "", path: str = "") -> None:
        super().__init__(message)
        self.errno = errno
        self.stage = stage
        self.path = path


@dataclass
class Mount:
    """One volume mount: host path `source` shown at `target`."""

    source: str
    target: str
    read_only: bool = False


@dataclass
class ProcessSpec:
    """What to run. `container` is the running process to join, for an exec; "" for a container."""

    argv: Sequence[str]
    env: dict[str, str]
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: Sequence[int] = ()
    tty: bool = False
    privileged: bool = False
    capabilities: Sequence[int] = ()
    may_gain_privileges: bool = True
    mounts: Sequence[Mount] = field(default_factory=tuple)
    hidden: Sequence[str] = ()
    read_only_root: bool = False
    container: str = ""

    def request(self) -> dict[str, Any]:
        """As the shim wants it."""
        return {
            "argv": list(self.argv), "env": self.env, "cwd": self.cwd, "uid": self.uid,
            "gid": self.gid, "groups": list(self.groups), "tty": self.tty,
            "privileged": self.privileged, "capabilities": list(self.capabilities),
            "may_gain_privileges": self.may_gain_privileges, "into": self.container,
            "root": {
                "mounts": [vars(mount) for mount in self.mounts],
                "hidden": list(self.hidden), "read_only": self.read_only_root,
                "privileged": self.privileged,
            },
        }  # fmt: skip


class Runtime:
    """One shim process.

    Args:
        state_dir: private to this node; a directory in it becomes the mount point of the shim's
            tmpfs (nothing is visible there from outside), and the shim's stderr goes to a file.
        on_exit: called with a process's key and its wait status (os.waitpid) in the event loop.
        on_pod_died: called with a pod's uid when its first process was killed from outside.
        on_lost: called when the shim itself died.
        mode: "namespaces", "processes", or "auto": the first that works.
        python: interpreter of the shim.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        on_exit: ExitHandler,
        on_pod_died: Callable[[str], None] = lambda _uid: None,
        on_lost: Callable[[], None] = lambda: None,
        mode: str = "auto",
        python: str = "",
        launcher: Sequence[str] = (),
    ) -> None:
        self._state_dir = state_dir
        self._on_exit = on_exit
        self._on_pod_died = on_pod_died
        self._on_lost = on_lost
        self._wanted = mode
        self._python = python or sys.executable
        self._launcher = tuple(launcher)
        self._child: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._receiver = protocol.Receiver()
        self._waiting: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._outgoing: list[tuple[memoryview, list[int]]] = []
        self._next_id = 0
        self.mode = ""
        self.reason = ""
        self.address = "127.0.0.1"
        self.copy_on_write = False
        self.privileged = False

    @property
    def running(self) -> bool:
        """Whether the shim can be asked for anything."""
        return self._sock is not None and bool(self.mode)

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the shim. Raises RuntimeFailure when it works in no mode."""
        if self._wanted != "processes":
            problem = await self._start("namespaces")
            if not problem:
                return
            if self._wanted == "namespaces":
                raise RuntimeFailure(f"pods cannot have namespaces here: {problem}")
            self.reason = f"namespaces are not available: {problem}"
        if problem := await self._start("processes"):
            raise RuntimeFailure(f"the pod runtime does not start: {problem}")

    async def _start(self, mode: str) -> str:
        """Start in one mode; returns what went wrong."""
        loop = asyncio.get_running_loop()
        base = self._state_dir / "rootfs"
        base.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        options = {"fd": theirs.fileno(), "base": str(base), "mode": mode, "parent": os.getpid()}
        root = Path(__file__).resolve().parents[3]
        with (self._state_dir / "shim.log").open("ab") as log:
            self._child = subprocess.Popen(  # noqa: ASYNC220 (a fork; nothing to wait for)
                [
                    *self._launcher, self._python, "-I", "-S", "-c", _START, str(root),
                    json.dumps(options),
                ],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd="/",
            )  # fmt: skip
        theirs.close()
        ours.setblocking(False)
        self._sock = ours
        self._receiver = protocol.Receiver()
        self._ready = loop.create_future()
        loop.add_reader(ours.fileno(), self._readable)
        try:
            async with asyncio.timeout(_START_DEADLINE_S):
                ready = await self._ready
        except TimeoutError:
            ready = {"error": f"no answer within {_START_DEADLINE_S:.0f} s"}
        if "error" in ready:
            await self.close()
            return str(ready["error"])
        self.mode = mode
        self.address = ready["address"]
        self.copy_on_write = ready["way"] == "overlay"
        self.privileged = ready["privileged"]
        if mode == "namespaces":
            self.reason = self._describe(ready)
        return ""

    def _describe(self, ready: dict[str, Any]) -> str:
        who = "root" if ready["privileged"] else "an unprivileged user namespace"
        if self.copy_on_write:
            return f"as {who}; pods see the host's files copy-on-write"
        return (
            f"as {who}; pods see the host's files read-only with a writable /tmp, because an "
            f"overlay cannot be mounted: {ready['why']}"
        )

    async def close(self) -> None:
        """End the shim and every process it started. Safe to call twice."""
        self._hang_up()
        child, self._child = self._child, None
        if child is None:
            return
        try:
            await asyncio.to_thread(child.wait, _STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            await asyncio.to_thread(child.wait)

    def _hang_up(self) -> None:
        """Close the socket; what waits for an answer fails."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            asyncio.get_running_loop().remove_writer(self._sock.fileno())
            self._sock.close()
            self._sock = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(RuntimeFailure("the pod runtime has ended"))
                future.exception()  # whoever waits still gets it; nobody else is told
        self._waiting.clear()

    # -- talking ---------------------------------------------------------------------------------

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            alive = self._receiver.read(self._sock)
        except BlockingIOError:
            return
        except ConnectionError:
            alive = False
        for message, descriptors in self._receiver.messages():
            self._take(message, descriptors)
        if not alive:
            self._lost()

    def _lost(self) -> None:
        self._hang_up()
        if self._ready is not None and not self._ready.done():
            self._ready.set_result({"error": "it ended at once (see shim.log)"})
        else:
            self._on_lost()

    def _take(self, message: dict[str, Any], descriptors: list[int]) -> None:
        match message.get("event"):
            case "exit":
                self._on_exit(message["process"], message["status"])
            case "pod-died":
                self._on_pod_died(message["pod"])
            case "ready" | "failed":
                if self._ready is not None and not self._ready.done():
                    self._ready.set_result(message)
            case _:
                future = self._waiting.pop(message["id"], None)
                if future is None or future.done():
                    for descriptor in descriptors:
                        os.close(descriptor)
                else:
                    future.set_result((message, descriptors))

    async def _ask(
        self, op: str, descriptors: Sequence[int] = (), **fields: Any
    ) -> tuple[dict[str, Any], list[int]]:
        """One request. The descriptors sent stay the caller's."""
        if self._sock is None:
            raise RuntimeFailure("the pod runtime is not running")
        self._next_id += 1
        number = self._next_id
        future: asyncio.Future[tuple[dict[str, Any], list[int]]] = (
            asyncio.get_running_loop().create_future()
        )
        self._waiting[number] = future
        data = protocol.encode({"id": number, "op": op, **fields}, len(descriptors))
        # duplicates, so that a caller that is cancelled may close its own while these are queued
        self._outgoing.append((memoryview(data), [os.dup(fd) for fd in descriptors]))
        self._flush()
        answer, received = await future
        if "error" in answer:
            raise RuntimeFailure(
                answer["error"], errno=answer.get("errno", 0), stage=answer.get("stage", ""),
                path=answer.get("path", ""),
            )  # fmt: skip
        return answer, received

    def _flush(self) -> None:
        if self._sock is None:
            return
        while self._outgoing:
            data, descriptors = self._outgoing[0]
            try:
                sent = protocol.send_some(self._sock, data, descriptors)
            except BlockingIOError:
                asyncio.get_running_loop().add_writer(self._sock.fileno(), self._flush)
                return
            except ConnectionError:
                return  # the reader sees the end of the stream and tells everyone
            for descriptor in descriptors:
                os.close(descriptor)
            if sent == len(data):
                self._outgoing.pop(0)
            else:
                self._outgoing[0] = (data[sent:], [])
        with contextlib.suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_writer(self._sock.fileno())

    # -- operations ------------------------------------------------------------------------------

    async def create_pod(
        self, uid: str, hostname: str, address: str, *, host_network: bool = False
    ) -> None:
        """Make a pod's namespaces; `address` is its IPv4 address on the node's network."""
        await self._ask(
            "pod", uid=uid, hostname=hostname, address=address, host_network=host_network
        )

    async def remove_pod(self, uid: str) -> None:
        """Kill every process of a pod and return when none is left."""
        await self._ask("remove", uid=uid)

    async def memory_directory(self, uid: str, name: str) -> str:
        """A directory in memory that the pod's containers can share."""
        answer, _ = await self._ask("memory", uid=uid, name=name)
        return str(answer["path"])

    async def start_process(
        self, key: str, pod: str, spec: ProcessSpec, descriptors: Sequence[int]
    ) -> tuple[int, int]:
        """Start a process known as `key`; returns its pid and its terminal's master (or -1).

        `descriptors` become its stdin, stdout and stderr unless `spec.tty`. Its end is told through
        `on_exit`. When this returns, the command has been executed.
        """
        op = "exec" if spec.container else "start"
        answer, received = await self._ask(op, descriptors, process=key, pod=pod, **spec.request())
        return int(answer["pid"]), received[0] if received else -1

    async def signal(self, key: str, number: int, *, everything: bool = False) -> None:
        """Signal a process; with `everything`, SIGKILL all that its container runs as well."""
        await self._ask("signal", process=key, signal=number, everything=everything)

    async def open_socket(self, uid: str = "", *, ipv6: bool = False) -> socket.socket:
        """An unconnected, non-blocking TCP socket inside a pod's network, or the node's for ""."""
        _, received = await self._ask("socket", uid=uid, ipv6=ipv6)
        made = socket.socket(fileno=received[0])
        made.setblocking(False)
        return made

    async def listen(self, address: str, port: int) -> socket.socket:
        """A listening TCP socket inside the node's network."""
        _, received = await self._ask("listen", address=address, port=port)
        made = socket.socket(fileno=received[0])
        made.setblocking(False)
        return made
