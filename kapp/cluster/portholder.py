"""Which process listens on a TCP port of this machine, where Linux's /proc tells.

Used once when a forward's port is in use, to say by what. Reads files only; what belongs to other
users stays unknown.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

_LISTEN = "0A"
"""TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h)."""


def port_holder(port: int, own: Collection[int] = (), proc: Path = Path("/proc")) -> str:
    """`name (pid 123)`, or "" if it cannot be told. May take some 10 ms: call it in a thread.

    `own` are the inodes of sockets that are the asker's at this port (on another address), and so
    are not what is in the way.
    """
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc) - set(own)}
    if not inodes:
        return ""
    try:
        processes = [entry for entry in os.listdir(proc) if entry.isdigit()]
    except OSError:
        return ""
    for pid in processes:
        if _has_open(proc / pid / "fd", inodes):
            try:
                name = (proc / pid / "comm").read_text().strip()
            except OSError:
                name = "a process"
            return f"{name} (pid {pid})"
    return ""


def _listening_inodes(port: int, proc: Path) -> set[int]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN:
                if int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(int(fields[9]))
    return inodes


def _has_open(directory: Path, names: set[str]) -> bool:
    try:
        descriptors = os.listdir(directory)
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(directory / descriptor) in names:
                return True
        except OSError:
            continue
    return False
