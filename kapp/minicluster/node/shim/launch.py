"""Start one process: a container's, or one that joins a running container (`exec`).

With namespaces the shim forks twice: the first child enters the pod's namespaces (a process
namespace holds only for children), the second builds its root and executes the command, and is
adopted by the shim when the first is gone. What fails before the exec is told through a pipe that
the exec closes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import termios
from dataclasses import dataclass
from typing import Any, NoReturn

from kapp.minicluster.node.shim import rootfs, syscalls
from kapp.minicluster.node.shim.sandbox import Sandbox

# What a container runtime leaves to a container (linux/capability.h); MKNOD is not among them here,
# because no device cgroup stands between a device node and the host's disks
_KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31})
_LAST_CAPABILITY = 40
_TERMINAL_FD_BYTES = 64


@dataclass
class Launch:
    """A process on its way to its exec: `errors` ends empty when it got there."""

    pid: int
    errors: int
    terminal: int = -1


@dataclass(frozen=True)
class Surroundings:
    """Where a process is started: its pod's namespaces, the mounts to join, or a root to build."""

    sandbox: Sandbox | None
    mounts: int = -1
    layers: str = ""
    base: rootfs.Base | None = None
    may_change_user: bool = True


def _fail(errors: int, stage: str, error: OSError) -> NoReturn:
    text = {"stage": stage, "errno": error.errno or 0, "error": error.strerror or str(error)}
    os.write(errors, json.dumps(text | {"path": str(error.filename or "")}).encode()[:4096])
    os._exit(127)


def _open_terminal(master_to: socket.socket) -> int:
    """A new terminal of this container; its master side goes to the shim."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, termios.TIOCSPTLCK if hasattr(termios, "TIOCSPTLCK") else 0x40045431,
                b"\0\0\0\0")  # fmt: skip
    number = int.from_bytes(fcntl.ioctl(master, 0x80045430, b"\0\0\0\0"), "little")  # TIOCGPTN
    slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
    socket.send_fds(master_to, [b"t"], [master])
    os.close(master)
    return slave


def _set_user(spec: dict[str, Any], where: Surroundings) -> None:
    if where.sandbox is not None and not spec["privileged"]:
        added = {int(number) for number in spec["capabilities"]}
        for number in range(_LAST_CAPABILITY + 1):
            if number not in _KEPT_CAPABILITIES | added:
                try:
                    syscalls.drop_capability(number)
                except OSError:
                    break  # beyond what this kernel knows, or not ours to drop
    if where.may_change_user:
        os.setgroups(spec["groups"])
        os.setgid(spec["gid"])
        os.setuid(spec["uid"])
    if not spec["may_gain_privileges"]:
        syscalls.forbid_new_privileges()


def _execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Exec, with a search of PATH as execvp(3) does it. Raises OSError."""
    name = argv[0]
    if "/" in name:
        os.execve(name, argv, env)
    denied: OSError | None = None
    for directory in env.get("PATH", os.defpath).split(":"):
        path = os.path.join(directory or ".", name)
        if not os.path.exists(path):
            continue  # or in a directory that this user may not enter
        try:
            os.execve(path, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            denied = error
    raise denied or FileNotFoundError(errno.ENOENT, "executable file not found in $PATH", name)


def _become(
    spec: dict[str, Any],
    where: Surroundings,
    descriptors: list[int],
    master_to: socket.socket | None,
    errors: int,
) -> NoReturn:
    """The last child: set everything up and execute the command."""
    stage = "root"
    try:
        if where.base is not None and where.layers:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            rootfs.enter(spec["root"], where.layers, where.base)
        os.setsid()
        if master_to is not None:
            terminal = _open_terminal(master_to)
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            descriptors = [terminal] * 3
        # above the three standard ones first, so that none is overwritten before it is used
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in descriptors]
        for target, source in enumerate(high):
            os.dup2(source, target)
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.umask(0o022)
        stage = "cwd"
        if where.sandbox is not None:
            os.makedirs(spec["cwd"], exist_ok=True)
        stage = "user"
        _set_user(spec, where)
        stage = "cwd"
        os.chdir(spec["cwd"])
        stage = "exec"
        _execute(spec["argv"], spec["env"])
    except OSError as error:
        _fail(errors, stage, error)


def launch(spec: dict[str, Any], where: Surroundings, descriptors: list[int]) -> Launch:
    """Fork a process as `spec` says; the caller waits for `Launch.errors` to end.

    `spec`: argv, env, cwd, uid, gid, groups, privileged, capabilities (numbers to keep),
    may_gain_privileges, tty, root (for `rootfs.enter`). `descriptors` become 0, 1 and 2 unless it
    gets a terminal. Raises OSError when not even the fork or the namespaces work.
    """
    errors_r, errors_w = os.pipe()
    pid_r, pid_w = os.pipe()
    here, there = socket.socketpair() if spec["tty"] else (None, None)
    try:
        child = os.fork()
        if child == 0:
            _first_child(spec, where, descriptors, there, errors_w, pid_w)
        os.close(pid_w)
        os.close(errors_w)
        pid_w = errors_w = -1
        if where.sandbox is None:
            pid = child
        else:
            text = os.read(pid_r, 32)
            os.waitpid(child, 0)
            if not text:
                answer = json.loads(os.read(errors_r, 4096) or b'{"error": "the fork failed"}')
                raise OSError(answer.get("errno") or errno.EIO, answer["error"])
            pid = int(text)
        result = Launch(pid, errors_r)
        errors_r = -1
        if here is not None and there is not None:
            there.close()
            _, masters, _, _ = socket.recv_fds(here, _TERMINAL_FD_BYTES, 1)
            result.terminal = masters[0] if masters else -1
        return result
    finally:
        for descriptor in (errors_r, errors_w, pid_r, pid_w):
            if descriptor >= 0:
                os.close(descriptor)
        for end in (here, there):
            if end is not None:
                end.close()


def _first_child(
    spec: dict[str, Any],
    where: Surroundings,
    descriptors: list[int],
    master_to: socket.socket | None,
    errors: int,
    report: int,
) -> NoReturn:
    if where.sandbox is None:
        try:
            syscalls.die_with_parent(signal.SIGKILL)
        except (OSError, AttributeError):
            pass  # not Linux: the shim's own clean-up has to do
        _become(spec, where, descriptors, master_to, errors)
    try:
        where.sandbox.enter()
        if where.mounts >= 0:
            syscalls.setns(where.mounts, syscalls.CLONE_NEWNS)
        last = os.fork()
    except OSError as error:
        _fail(errors, "namespaces", error)
    if last == 0:
        os.close(report)
        _become(spec, where, descriptors, master_to, errors)
    os.write(report, str(last).encode())
    os._exit(0)
