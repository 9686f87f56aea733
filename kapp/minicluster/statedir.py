"""The embedded cluster's directory: its files, its lock, and what it says about itself.

    lock             held (flock) by the running cluster, its pid inside; free: all here is stale
    starting         held by whoever starts a cluster, so that concurrent starts share one
    cluster.json     what `kapp cluster status` shows, written once the cluster is ready
    kubeconfig       0600; context `kapp-embedded`
    objects.db       see `kapp.minicluster.persist`
    credentials/     certificate, key and token, kept so that a kubeconfig outlives a restart
    pods/            the node's
    cluster.log      and cluster.log.1

Standard library only: the CLI imports this to look.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any


class StateDirectory:
    """Paths below one directory. Making one touches nothing; `make()` makes it, for us alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.starting = path / "starting"
        self.description = path / "cluster.json"
        self.kubeconfig = path / "kubeconfig"
        self.database = path / "objects.db"
        self.credentials = path / "credentials"
        self.certificate = self.credentials / "tls.crt"
        self.key = self.credentials / "tls.key"
        self.token = self.credentials / "token"
        self.node = path / "pods"
        self.log = path / "cluster.log"

    def make(self) -> None:
        """Make the directory (0700), or close one that was open to others."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.path.stat().st_mode & 0o077:
            self.path.chmod(0o700)

    def describe(self) -> dict[str, Any]:
        """What the running cluster wrote about itself; {} if there is nothing to read."""
        try:
            found = json.loads(self.description.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


class Lock:
    """An exclusive lock on a file, which ends with the process that holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self, *, wait: bool = False) -> bool:
        """Take it; False if another process has it and `wait` is not set."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def write(self, text: str) -> None:
        """Replace the content of the locked file."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let others have it. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


def owner_of(directory: StateDirectory) -> int:
    """The pid of the cluster that runs in `directory`; 0 if none does."""
    if not directory.lock.exists():
        return 0
    probe = Lock(directory.lock)
    if probe.take():
        probe.release()
        return 0
    try:
        return int(directory.lock.read_text() or 0)
    except ValueError:
        return 0
