"""What one cluster needs to know of itself: ports, folders, the PATH of its programs.

Made by `lifecycle.start`, written to the run directory, read again by the supervisor.
"""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from .layout import Run


@dataclass(frozen=True)
class Plan:
    """Paths are absolute; ports are on 127.0.0.1."""

    run: str
    binaries: str
    packages: str
    images: str
    api_port: int
    kubelet_port: int
    etcd_port: int
    etcd_peer_port: int

    @classmethod
    def make(cls, run: Run, binaries: Path, packages: Path, images: Path) -> Plan:
        """A plan with ports that nothing uses at this moment."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        ports = [int(one.getsockname()[1]) for one in sockets]
        for one in sockets:
            one.close()
        return cls(str(run.root), str(binaries), str(packages), str(images), *ports)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """The plan that `write` wrote."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Keep it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2))

    def files(self) -> Run:
        """The run directory."""
        return Run(Path(self.run))

    def certificate(self, name: str) -> str:
        """A file of the certificate directory."""
        return str(self.files().path("pki", name))

    def configuration(self, name: str) -> str:
        """A file of the configuration directory."""
        return str(self.files().path("etc", name))

    def program(self, name: str) -> str:
        """An executable of the unpacked packages, given below their root."""
        return str(Path(self.packages, name))

    def search_path(self) -> str:
        """PATH: containerd looks for its shim, and the shim for runc, by name."""
        ours = (self.program("usr/bin"), self.program("usr/sbin"), self.program("bin"))
        system = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        return ":".join((*ours, *system))
