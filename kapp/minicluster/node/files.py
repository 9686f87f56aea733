"""Where a node keeps what belongs to its pods, and the files it writes for each.

<state>/pods/<namespace>_<name>_<uid>/
    <container>/<restart>.log        the log of one instance, and its rotated part `.log.1`
    <container>/<restart>.message    what it wrote to its terminationMessagePath
    volumes/<name>                   every volume but hostPath and emptyDir in memory
    etc/hosts, etc/hostname, etc/resolv.conf
    work                             working directory of plain processes
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from kapp.machinery.objects import Object, key_of, uid_of

MAX_MESSAGE_BYTES = 4096  # kubelet's limit of a termination message


class PodFiles:
    """The directory of one pod."""

    def __init__(self, state_dir: Path, pod: Object) -> None:
        key = key_of(pod)
        self.root = state_dir / "pods" / f"{key.namespace}_{key.name}_{uid_of(pod)}"

    def log(self, container: str, restart: int) -> Path:
        """The log of an instance."""
        return self.root / container / f"{restart}.log"

    def message(self, container: str, restart: int) -> Path:
        """The termination message of an instance."""
        return self.root / container / f"{restart}.message"

    def volume(self, name: str) -> Path:
        """A volume's directory."""
        return self.root / "volumes" / name

    @property
    def work(self) -> Path:
        """Where plain processes start."""
        return self.root / "work"

    def make(self) -> None:
        """Create the directory, closed to other users."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.work.mkdir(exist_ok=True)
        (self.root / "etc").mkdir(exist_ok=True)

    def write(self, name: str, text: str) -> str:
        """Write a file of `etc` in place (containers have it mounted); returns its path."""
        path = self.root / "etc" / name
        data = text.encode()
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.pwrite(descriptor, data, 0)
            os.ftruncate(descriptor, len(data))
        finally:
            os.close(descriptor)
        return str(path)

    def read_message(self, container: str, restart: int) -> str:
        """What an instance left as its termination message."""
        try:
            with self.message(container, restart).open("rb") as file:
                return file.read(MAX_MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def drop_old(self, container: str, restart: int) -> None:
        """Delete what is older than the instance before `restart`."""
        for path in (self.log(container, restart - 2), self.message(container, restart - 2)):
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".1").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.root, ignore_errors=True)


def hosts_text(name: str, address: str, others: Iterable[tuple[str, str]]) -> str:
    """An /etc/hosts as kubelet writes it, followed by addresses of Services and aliases."""
    lines = [
        "# Written by the embedded cluster",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        f"{address}\t{name}",
        *(f"{other}\t{names}" for other, names in others),
    ]
    return "\n".join(lines) + "\n"


def resolv_text(server: str, namespace: str) -> str:
    """A resolv.conf as kubelet writes it for ClusterFirst."""
    return (
        f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n"
        f"nameserver {server}\noptions ndots:5 timeout:1 attempts:1\n"
    )


def remove_unknown(state_dir: Path, known: Iterable[str]) -> None:
    """Delete the directories of pods whose uid is not among `known`."""
    uids = set(known)
    for directory in (state_dir / "pods").glob("*"):
        if directory.name.rpartition("_")[2] not in uids:
            shutil.rmtree(directory, ignore_errors=True)
