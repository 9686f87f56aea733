"""What this machine must have, asked before anything is made.

`missing` names every lack in plain words; the command then ends with EXIT_IMPOSSIBLE, which is
the code test harnesses read as "skipped".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from . import packages
from .layout import SOURCES, Cache

EXIT_IMPOSSIBLE = 77


def missing(cache: Cache) -> list[str]:
    """What is not there, one sentence each; empty if a cluster can be started."""
    if sys.platform != "linux":
        return ["Linux: the node needs its namespaces and control groups"]
    found = []
    if os.geteuid() != 0:
        found.append("root: the node makes namespaces, mounts, control groups and a bridge")
    elif not _can_unshare():
        found.append("the right to make mount and process namespaces (unshare failed)")
    if not cache.binaries.exists() and (lack := _lack_of_go()):
        found.append(lack)
    tools = ["unshare", "mount", "ip", "ldd"]
    if not packages.folder(cache).exists():
        tools += ["apt-get", "dpkg-deb"]
    found += [f"the command {tool}" for tool in tools if shutil.which(tool) is None]
    return found


def _can_unshare() -> bool:
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _lack_of_go() -> str:
    """Why Kubernetes cannot be built; empty if it can."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None
    need = (int(wanted.group(1)), int(wanted.group(2)))
    name = f"Go {need[0]}.{need[1]} or newer, to build Kubernetes"
    if shutil.which("go") is None:
        return name
    told = subprocess.run(["go", "version"], capture_output=True, text=True, check=False).stdout
    have = re.search(r"\bgo(\d+)\.(\d+)", told)
    if have is None or (int(have.group(1)), int(have.group(2))) < need:
        return f"{name} (this is {told.strip() or 'unknown'})"
    return ""
