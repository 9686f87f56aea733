"""Ends an evaluation that has lost its use or its measure.

Asked from the evaluating thread, very often: between any two steps of a loop. What it cannot see is
a single operation of the language that takes long; those are bounded by the interpreter, which
refuses values of some gigabytes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from kapp.kappfile.errors import KappfileError

MAX_CPU_S = 20.0
"""Of the evaluating thread; commands that it waits for do not count. An honest Kappfile of a
thousand resources takes about one."""

MAX_MEMORY_BYTES = 1 << 30
"""What the process may grow by during an evaluation."""

# How soon a save of a looping file ends the loop; a look takes some microseconds.
_LOOK_EVERY_S = 0.2

Stamp: TypeAlias = tuple[int, int, int] | None


def stamp_of(path: Path) -> Stamp:
    """What changes when a file does: inode, modification time in ns, size in bytes."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size


class Limits:
    """Watches over one evaluation, in its thread.

    Args:
        cancelled: whether its result is of no use any more.
        sources: stamps of the executed files as they were read; grows while it runs.
    """

    def __init__(self, cancelled: Callable[[], bool], sources: Mapping[Path, Stamp]) -> None:
        self._cancelled = cancelled
        self._sources = sources
        self._next_look_s = time.monotonic() + _LOOK_EVERY_S
        self._cpu_s = time.thread_time()
        self._memory = _resident_bytes()
        self._obsolete = False

    def cancelled(self) -> bool:
        """Whether it is of no use: nobody waits for it, or a file that it executes was saved."""
        self._look()
        return self._obsolete or self._cancelled()

    def exceeded(self) -> KappfileError | None:
        """What it has too much of; to be asked right after `cancelled`."""
        if time.thread_time() - self._cpu_s > MAX_CPU_S:
            return KappfileError(
                f"the Kappfile computes for over {MAX_CPU_S:g} s",
                hint="look for a loop without end",
            )
        if self._memory and self._grown > MAX_MEMORY_BYTES:
            return KappfileError(
                f"the Kappfile takes over {MAX_MEMORY_BYTES >> 20} MiB of memory",
                hint="look for a list or a string that grows without end",
            )
        return None

    _grown = 0

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + _LOOK_EVERY_S
        self._grown = _resident_bytes() - self._memory
        self._obsolete = any(stamp_of(path) != stamp for path, stamp in self._sources.items())


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
