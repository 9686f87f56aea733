"""Find and end processes by their marker, and delete trees, for the shim."""

from __future__ import annotations

import contextlib
import os
import signal

KILL_ROUNDS = 8  # a process that forks while being killed is caught in one of the next rounds
MARKER = "KAPP_CONTAINER_ID"
"""Environment variable of every process where there are no namespaces to tell them by."""


def all_processes() -> list[int]:
    """Every process id that /proc shows."""
    if not os.path.isdir("/proc/self"):
        return []  # not Linux
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def marked_processes(prefix: str) -> list[int]:
    """Processes whose marker begins so; the marker's value ends with a NUL byte."""
    wanted, found = b"\0" + f"{MARKER}={prefix}".encode(), []
    for pid in all_processes():
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if wanted in b"\0" + environ.read() + b"\0":
                    found.append(pid)
    return found


def kill_leftovers(base: str) -> None:
    """End what an earlier shim without namespaces left when it was killed with its node."""
    for _ in range(KILL_ROUNDS):
        for pid in marked_processes(f"{base}:"):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def remove_tree(path: str) -> None:
    """Delete a directory in a child process, so that a large one holds up nobody."""
    if os.fork() == 0:
        for directory, names, files in os.walk(path, topdown=False):
            for name in files + names:
                with contextlib.suppress(OSError):
                    full = os.path.join(directory, name)
                    if name in files or os.path.islink(full):
                        os.unlink(full)
                    else:
                        os.rmdir(full)
        with contextlib.suppress(OSError):
            os.rmdir(path)
        os._exit(0)
