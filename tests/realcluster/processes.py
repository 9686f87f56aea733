"""Processes known by id and start time, so that a reused id is never taken for an old one."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.05


@dataclass(frozen=True)
class Process:
    """A process of this machine; `started` is in clock ticks since boot. Source: proc(5), stat."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process with this id, if it runs."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, int(fields[19]))

    @property
    def is_running(self) -> bool:
        """False once it has ended, reaped or not."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[19]) == self.started and fields[0] != "Z"

    def children(self) -> list[Process]:
        """Its running children."""
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        try:
            pids = path.read_text().split() if self.is_running else []
        except (FileNotFoundError, ProcessLookupError):
            pids = []
        found = (Process.of(int(pid)) for pid in pids)
        return [one for one in found if one is not None]

    @property
    def name(self) -> str:
        """The file name of the program that it was started as; "" if it has ended."""
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes() if self.is_running else b""
        except (FileNotFoundError, ProcessLookupError):
            command = b""
        return Path(command.split(b"\0")[0].decode()).name

    def kill(self, signal_number: int = signal.SIGKILL) -> None:
        """Send it a signal, by default the one that ends it at once; if it still runs."""
        if self.is_running:
            try:
                os.kill(self.pid, signal_number)
            except ProcessLookupError:
                return

    def wait(self, within_s: float) -> bool:
        """Whether it has ended within that time."""
        deadline = time.monotonic() + within_s
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
