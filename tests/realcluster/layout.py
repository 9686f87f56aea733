"""Where everything of the real cluster lies, and the names and addresses it uses.

Two places outside the repository: a cache of what is costly to make (keyed by version, kept), and a
run directory of all that one running cluster writes (removed when it stops). One cluster a machine.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SOURCES = HERE / "binary"
HELM_SOURCES = HERE / "helm"

PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
NODE = "kapp-node"
BRIDGE = "kapp-real0"
CGROUP = "kapp-real"
POD_NETWORK = "10.231.0.0/24"
# The bridge's own address is the node's: the kubelet refuses a loopback address, and one interface
# is less to remove than the bridge and a pair of its own.
NODE_ADDRESS = "10.231.0.1"
SERVICE_NETWORK = "10.232.0.0/16"
SERVICE_ADDRESS = "10.232.0.1"
PAUSE_IMAGE = "kapp.dev/pause:1"


def kubernetes_version() -> str:
    """The release that binary/go.mod names, like `v1.36.3`."""
    text = (SOURCES / "go.mod").read_text()
    found = re.search(r"^\tk8s\.io/kubernetes (v\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError("binary/go.mod requires no k8s.io/kubernetes")
    return found.group(1)


def digest_of(*parts: bytes) -> str:
    """A short name for these contents: eight hexadecimal digits."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:8]


@dataclass(frozen=True)
class Cache:
    """What is kept between runs; each folder is complete or absent."""

    root: Path

    @classmethod
    def of_user(cls) -> Cache:
        """Below $XDG_CACHE_HOME, or ~/.cache."""
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(base) / "kapp-realcluster")

    @property
    def binaries(self) -> Path:
        """The programs built from Go: keyed by release and sources."""
        names = ("go.mod", "go.sum", "main.go", "pause/main.go")
        digest = digest_of(*((SOURCES / name).read_bytes() for name in names))
        return self.root / f"{kubernetes_version()}-{digest}"

    @property
    def helm(self) -> Path:
        """The program helm: keyed by what its module requires."""
        digest = digest_of(*((HELM_SOURCES / name).read_bytes() for name in ("go.mod", "go.sum")))
        return self.root / f"helm-{digest}"


@dataclass(frozen=True)
class Run:
    """The files of the running cluster."""

    root: Path

    @classmethod
    def of_machine(cls) -> Run:
        """Below /var/lib: only root may write there, and it is a disk that overlays can lie on."""
        return cls(Path(os.environ.get("KAPP_REAL_CLUSTER_DIR", "/var/lib/kapp-real-cluster")))

    def path(self, *names: str) -> Path:
        """A file of the run directory."""
        return self.root.joinpath(*names)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.path("kubeconfig")

    @property
    def containerd_socket(self) -> Path:
        """Where containerd answers the kubelet and ctr."""
        return self.path("containerd.sock")

    def restart_request(self, program: str) -> Path:
        """While it exists, the end of a program is wanted, and another is started in its place."""
        return self.path("restart", program)

    def log(self, program: str) -> Path:
        """What a program has written, both streams."""
        return self.path("log", f"{program}.log")
