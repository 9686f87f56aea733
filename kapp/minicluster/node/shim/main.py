"""The shim's loop: requests of the node in, answers and exits out.

Started by `kapp.minicluster.node.runtime` as `main.run({...})`. One thread, one poll(2); it sleeps
unless the node asks for something or a child ends. Operations are documented at their methods
(`op_<name>`): each takes the request and its descriptors and returns the answer, or None when the
answer comes later.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kapp.minicluster.node.shim import launch, processes, protocol, setup, syscalls
from kapp.minicluster.node.shim.sandbox import (
    NODE_ADDRESS,
    Sandbox,
    create,
)

Request = dict[str, Any]


@dataclass
class Process:
    """A running process: a container's first, or an exec in one (`mounts` is -1 then)."""

    key: str
    pid: int
    pod: str
    mounts: int = -1
    mounts_inode: int = 0
    layers: str = ""


@dataclass
class _Starting:
    request: Request
    launched: launch.Launch
    layers: str


class Shim:
    """All pods and processes of one node."""

    def __init__(self, sock: socket.socket, base: str, host: setup.Host | None) -> None:
        self._sock = sock
        self._base = base
        self._host = host
        self._node_network = os.open("/proc/self/ns/net", os.O_RDONLY) if host else -1
        self._receiver = protocol.Receiver()
        self._pods: dict[str, Sandbox] = {}
        self._removing: dict[int, Request] = {}
        self._processes: dict[str, Process] = {}
        self._by_pid: dict[int, str] = {}
        self._starting: dict[int, _Starting] = {}
        self._counter = 0
        self._poll = select.poll()
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_r, False)
        os.set_blocking(wake_w, False)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wake = wake_r
        for descriptor in (wake_r, sock.fileno()):
            self._poll.register(descriptor, select.POLLIN)

    def serve(self) -> None:
        """Until the node goes away; then kill everything."""
        gc.freeze()  # what is loaded stays shared with every fork
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                    self._reap()
                elif descriptor == self._sock.fileno():
                    if not self._take_requests():
                        self._kill_everything()
                        return
                elif descriptor in self._starting:
                    self._started(descriptor)

    # -- talking ---------------------------------------------------------------------------------

    def _send(self, message: Request, descriptors: list[int] | None = None) -> None:
        data = memoryview(protocol.encode(message, len(descriptors or ())))
        fds = descriptors or []
        while data:
            data = data[protocol.send_some(self._sock, data, fds) :]
            fds = []
        for descriptor in descriptors or ():
            os.close(descriptor)

    def _take_requests(self) -> bool:
        try:
            if not self._receiver.read(self._sock):
                return False
        except ConnectionError:
            return False
        for request, descriptors in self._receiver.messages():
            try:
                operation: Callable[..., Request | None] = getattr(self, f"op_{request['op']}")
                answer = operation(request, descriptors)
                if answer is not None:
                    fds = answer.pop("descriptors", [])
                    self._send({"id": request["id"], **answer}, fds)
            except OSError as error:
                self._refuse(request, error.errno or 0, str(error.strerror or error))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
        return True

    def _refuse(self, request: Request, number: int, text: str, **more: str) -> None:
        self._send({"id": request["id"], "error": text, "errno": number, **more})

    # -- operations ------------------------------------------------------------------------------

    def op_pod(self, request: Request, _: list[int]) -> Request:
        """Make a pod's namespaces: uid, hostname, address, host_network. Answers its `pid`."""
        self._counter += 1
        fd = self._host.host_network if self._host else -1
        if self._host is None:
            return {"pid": 0}
        if request["host_network"] and fd < 0:
            raise OSError(1, "the host's network cannot be joined without root")
        pod = create(request, f"veth{self._counter}", fd)
        self._pods[pod.uid] = pod
        os.makedirs(f"{self._base}/{pod.uid}", exist_ok=True)
        return {"pid": pod.pid}

    def op_remove(self, request: Request, _: list[int]) -> Request | None:
        """Kill a pod and forget it; answers when no process of it is left."""
        for process in [p for p in self._processes.values() if p.pod == request["uid"]]:
            self._kill_members(process)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        pod = self._pods.pop(request["uid"], None)
        if pod is None:
            return {}
        self._removing[pod.pid] = request
        with contextlib.suppress(ProcessLookupError):
            os.kill(pod.pid, signal.SIGKILL)
        pod.close()
        return None

    def op_memory(self, request: Request, _: list[int]) -> Request:
        """A directory on the shim's tmpfs for an emptyDir of medium Memory; answers its `path`."""
        path = f"{self._base}/{request['uid']}/volumes/{request['name']}"
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o777)
        return {"path": path}

    def op_start(self, request: Request, descriptors: list[int]) -> None:
        """Start a container's process, named `process`; see `launch.launch` for the rest.

        Answers `pid` (and the master of its terminal as a descriptor) once the command runs, or an
        error with the `stage` (root, cwd, user, exec) that failed.
        """
        layers = ""
        if self._host:
            self._counter += 1
            layers = f"{self._base}/{request['pod']}/{self._counter}"
            os.makedirs(layers)
        self._launch(request, descriptors, layers, mounts=-1)

    def op_exec(self, request: Request, descriptors: list[int]) -> None:
        """Like `start`, in the file system of the running container `into`."""
        container = self._processes.get(request["into"])
        if container is None:
            raise OSError(3, "the container is not running")
        self._launch(request, descriptors, "", mounts=container.mounts)

    def op_signal(self, request: Request, _: list[int]) -> Request:
        """Send a signal to a process; `everything`: to all that its container still runs."""
        process = self._processes.get(request["process"])
        if process is None:
            return {"found": False}
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, request["signal"])
        if request.get("everything"):
            self._kill_members(process)
        return {"found": True}

    def op_socket(self, request: Request, _: list[int]) -> Request:
        """A new stream socket in the network of pod `uid`, or in the node's own for ""."""
        family = socket.AF_INET6 if request.get("ipv6") else socket.AF_INET
        pod = self._pods.get(request["uid"])
        if request["uid"] and self._host and pod is None:
            raise OSError(3, "the pod is not running")
        if pod is not None:
            syscalls.setns(pod.namespaces["net"], syscalls.CLONE_NEWNET)
        try:
            made = socket.socket(family, socket.SOCK_STREAM)
        finally:
            if pod is not None:
                syscalls.setns(self._node_network, syscalls.CLONE_NEWNET)
        return {"descriptors": [made.detach()]}

    def op_listen(self, request: Request, _: list[int]) -> Request:
        """A socket that listens in the node's network: address, port."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((request["address"], request["port"]))
            made.listen(128)
        except OSError:
            made.close()
            raise
        return {"descriptors": [made.detach()]}

    # -- processes -------------------------------------------------------------------------------

    def _launch(self, request: Request, descriptors: list[int], layers: str, mounts: int) -> None:
        pod = self._pods.get(request["pod"])
        if self._host and pod is None:
            raise OSError(3, "the pod is not running")
        if self._host:
            where = launch.Surroundings(
                pod, mounts, layers, self._host.base, self._host.may_change_user
            )
        else:
            where = launch.Surroundings(None, may_change_user=os.geteuid() == 0)
            key = request.get("into") or request["process"]
            request["env"][processes.MARKER] = f"{self._base}:{key}"
        launched = launch.launch(request, where, descriptors)
        process = Process(request["process"], launched.pid, request["pod"], layers=layers)
        self._processes[process.key] = process
        self._by_pid[process.pid] = process.key
        self._starting[launched.errors] = _Starting(request, launched, layers)
        self._poll.register(launched.errors, select.POLLIN)

    def _started(self, descriptor: int) -> None:
        """The pipe of a launch has ended (the command runs) or says what went wrong."""
        starting = self._starting.pop(descriptor)
        self._poll.unregister(descriptor)
        problem = os.read(descriptor, 4096)
        os.close(descriptor)
        request, launched = starting.request, starting.launched
        process = self._processes.get(request["process"])
        terminal = [launched.terminal] if launched.terminal >= 0 else []
        if problem:
            if process is not None:
                self._forget(process)
            for master in terminal:
                os.close(master)
            told = json.loads(problem)
            self._refuse(
                request, told["errno"], told["error"], stage=told["stage"], path=told["path"]
            )
            return
        if process is not None and starting.layers:
            with contextlib.suppress(OSError):  # it may have ended already
                process.mounts = os.open(f"/proc/{process.pid}/ns/mnt", os.O_RDONLY)
                process.mounts_inode = os.fstat(process.mounts).st_ino
        self._send({"id": request["id"], "pid": launched.pid}, terminal)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (request := self._removing.pop(pid, None)) is not None:
                processes.remove_tree(f"{self._base}/{request['uid']}")
                self._send({"id": request["id"]})
            elif (key := self._by_pid.get(pid)) is not None:
                self._exited(self._processes[key], status)
            else:
                self._sandbox_exited(pid)

    def _sandbox_exited(self, pid: int) -> None:
        for pod in self._pods.values():
            if pod.pid == pid:
                del self._pods[pod.uid]
                pod.close()
                self._send({"event": "pod-died", "pod": pod.uid})
                return

    def _exited(self, process: Process, status: int) -> None:
        for descriptor, starting in list(self._starting.items()):
            if starting.launched.pid == process.pid:
                self._started(descriptor)  # its answer goes before its exit
        if process.key not in self._processes:
            return
        self._kill_members(process)
        self._forget(process)
        self._send({"event": "exit", "process": process.key, "status": status})

    def _forget(self, process: Process) -> None:
        self._processes.pop(process.key, None)
        self._by_pid.pop(process.pid, None)
        if process.mounts >= 0:
            os.close(process.mounts)
            process.mounts = -1
        if process.layers:
            processes.remove_tree(process.layers)

    def _members(self, process: Process) -> list[int]:
        """Every process in the container's mount namespace, or with its marker without one."""
        found = []
        if not self._host:
            return processes.marked_processes(f"{self._base}:{process.key}\0")
        for pid in processes.all_processes():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/mnt").st_ino == process.mounts_inode:
                    found.append(pid)
        return found

    def _kill_members(self, process: Process) -> None:
        """SIGKILL all that a container started. Nothing for an exec."""
        if self._host and not process.mounts_inode:
            return
        for _ in range(processes.KILL_ROUNDS):
            members = self._members(process)
            if not members:
                return
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _kill_everything(self) -> None:
        for process in list(self._processes.values()):
            self._kill_members(process)
            with contextlib.suppress(OSError):
                os.kill(process.pid, signal.SIGKILL)
        for pod in self._pods.values():
            with contextlib.suppress(OSError):
                os.kill(pod.pid, signal.SIGKILL)


def run(options: dict[str, Any]) -> None:
    """The shim's whole life. `options`: fd, base, mode, parent (pid of the node)."""
    sock = socket.socket(fileno=options["fd"])
    os.set_inheritable(options["fd"], False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host = None
    try:
        with contextlib.suppress(OSError, AttributeError):
            syscalls.become_subreaper()
            syscalls.set_process_name("kapp-shim")
        if options["mode"] == "namespaces":
            host = setup.become_node(options["base"])
            # not earlier: a change of credentials clears it
            syscalls.die_with_parent(signal.SIGKILL)
        else:
            processes.kill_leftovers(options["base"])
        if os.getppid() != options["parent"]:
            return
    except OSError as error:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        sock.sendall(protocol.encode({"event": "failed", "error": text}))
        return
    ready = {
        "event": "ready",
        "address": NODE_ADDRESS if host else "127.0.0.1",
        "way": host.base.way if host else "",
        "why": host.why if host else "",
        "privileged": bool(host and host.may_change_user),
    }
    sock.sendall(protocol.encode(ready))
    Shim(sock, options["base"], host).serve()
