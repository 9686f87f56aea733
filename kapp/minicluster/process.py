"""Starts, stops and looks at the embedded cluster's background process. Called by the CLI.

The functions block (a start takes under a second); in an event loop call them with
`asyncio.to_thread`. A cluster survives its starter, one runs in a directory, and starts that happen
at once share it. What a `kill -9` left behind is reclaimed by the next start.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kapp.errors import ClusterError
from kapp.minicluster.statedir import Lock, StateDirectory, owner_of

CONTEXT_NAME = "kapp-embedded"

START_TIMEOUT_S = 30.0
"""A start takes a second; a loaded machine's takes longer."""

STOP_TIMEOUT_S = 15.0
"""Time for the cluster to stop its pods and write its state, before SIGKILL."""

_KILL_TIMEOUT_S = 5.0
_POLL_S = 0.02
_TAIL_BYTES = 2000


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What `kapp cluster status` shows.

    `mode` is `namespaces` or `processes`, and `reason` says why it is the latter; `pods` is the
    number of pods, or None if the cluster did not answer.
    """

    running: bool
    pid: int = 0
    server: str = ""
    mode: str = ""
    reason: str = ""
    uptime_s: float = 0.0
    pods: int | None = None
    kubeconfig: str = ""
    log: str = ""


def kubeconfig_path(state_dir: Path) -> Path:
    """Where the kubeconfig of the cluster in `state_dir` is, running or not."""
    return StateDirectory(state_dir).kubeconfig


def start(state_dir: Path, *, timeout_s: float = START_TIMEOUT_S) -> Path:
    """Start the cluster unless it runs; returns its kubeconfig once `/readyz` would say ok.

    Raises ClusterError when it does not start.
    """
    directory = StateDirectory(state_dir)
    directory.make()
    with Lock(directory.starting) as starting:
        starting.take(wait=True)
        if owner_of(directory):
            _wait_ready(directory, timeout_s)
        else:
            _spawn(directory, timeout_s)
    return directory.kubeconfig


def _spawn(directory: StateDirectory, timeout_s: float) -> None:
    directory.description.unlink(missing_ok=True)
    reader, writer = os.pipe()
    command = [
        sys.executable,
        "-m",
        "kapp.minicluster",
        "--state-dir",
        str(directory.path.absolute()),
        "--ready-fd",
        str(writer),
    ]
    source = str(Path(__file__).parents[2])
    paths = [source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    with open(reader, "rb", buffering=0) as ready:
        try:
            # The process forks once more and its parent ends: nobody has to reap the cluster.
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(writer,),
                start_new_session=True,
                cwd="/",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))},
                check=True,
                timeout=timeout_s,
            )
        except (subprocess.SubprocessError, OSError) as e:
            raise ClusterError("the embedded cluster cannot be started") from e
        finally:
            os.close(writer)
        answer = _read_all(ready, timeout_s)
    if answer == "ready":
        return
    if answer is None:
        stop(directory.path)
        answer = f"it was not ready after {timeout_s:g} s"
    # It answers before it has quite ended; the next start shall not find it in the way.
    _wait_for(lambda: not owner_of(directory), _KILL_TIMEOUT_S)
    raise ClusterError(
        f"the embedded cluster did not start: {answer or _tail(directory.log)}",
        hint=f"see {directory.log}",
    )


def _read_all(pipe: object, timeout_s: float) -> str | None:
    """All that is written until the other side closes; None if that takes too long."""
    descriptor = pipe.fileno()  # type: ignore[attr-defined]
    text = b""
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
            return None
        chunk = os.read(descriptor, 4096)
        if not chunk:
            return text.decode(errors="replace").strip()
        text += chunk


def _tail(path: Path) -> str:
    try:
        text = path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return "it ended without a word"
    return text.strip().rpartition("\n")[2] or "it ended without a word"


def _wait_ready(directory: StateDirectory, timeout_s: float) -> None:
    """Wait for a cluster that somebody else started."""

    def settled() -> bool:
        return bool(directory.describe()) or not owner_of(directory)

    _wait_for(settled, timeout_s)
    if not (directory.describe() and owner_of(directory)):
        raise ClusterError(
            "the embedded cluster is being started by another process and does not become ready",
            hint=f"see {directory.log}",
        )


def _wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    never = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        never.wait(_POLL_S)
    return True


def stop(state_dir: Path, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """Stop the cluster and everything it started; False if it did not run.

    Raises ClusterError if it cannot be stopped.
    """
    directory = StateDirectory(state_dir)
    pid = owner_of(directory)
    if not pid:
        return False

    def ended() -> bool:
        return owner_of(directory) != pid

    for signal_number, patience_s in (
        (signal.SIGTERM, timeout_s),
        (signal.SIGKILL, _KILL_TIMEOUT_S),
    ):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        if _wait_for(ended, patience_s):
            directory.description.unlink(missing_ok=True)
            return True
    raise ClusterError(f"the embedded cluster (pid {pid}) does not end")


def status(state_dir: Path) -> ClusterStatus:
    """What runs in `state_dir`. Never raises for a cluster that does not answer."""
    directory = StateDirectory(state_dir)
    pid = owner_of(directory)
    if not pid:
        return ClusterStatus(running=False, log=str(directory.log))
    about = directory.describe()
    return ClusterStatus(
        running=True,
        pid=pid,
        server=about.get("server", ""),
        mode=about.get("mode", ""),
        reason=about.get("reason", ""),
        uptime_s=max(0.0, time.time() - about["startedAt"]) if "startedAt" in about else 0.0,
        pods=_count_pods(directory, about.get("server", "")),
        kubeconfig=str(directory.kubeconfig),
        log=str(directory.log),
    )


def _count_pods(directory: StateDirectory, server: str) -> int | None:
    import json
    import ssl
    import urllib.request

    if not server:
        return None
    try:
        trust = ssl.create_default_context(cafile=str(directory.certificate))
        token = directory.token.read_text()
        request = urllib.request.Request(
            f"{server}/api/v1/pods", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
            return len(json.load(answer)["items"])
    except (OSError, ValueError, KeyError):
        return None
