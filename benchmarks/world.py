"""A user's world for a benchmark: a home, a cluster, a namespace, a project, a running engine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from benchmarks.observer import Observer

BIN = Path(sys.executable).parent
KAPP = str(BIN / "kapp")
KUBECTL = str(BIN / "kubectl")

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_ACCOUNT_WITHIN_S = 180


class World:
    """Where the commands of one benchmark run. Made by `world`."""

    def __init__(self, root: Path, kubeconfig: Path | None) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("KAPP_", "KUBE", "XDG_", "PYTHONDONTWRITE"))
        }
        self.directory = root / "project"
        self.directory.mkdir()
        self.namespace = f"bench-{uuid.uuid4().hex[:8]}"
        self.environment = {
            **kept,
            "HOME": str(root),
            "KAPP_STATE_DIR": str(root / "state"),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        if kubeconfig:
            self.environment["KUBECONFIG"] = str(kubeconfig.resolve())
        else:
            self.run(KAPP, "cluster", "start")
            kubeconfig = Path(self.run(KAPP, "cluster", "kubeconfig").strip())
        self.kubeconfig = kubeconfig
        self.cluster = Observer(kubeconfig)

    def run(self, *command: str) -> str:
        """Run a command to its end in the project; returns what it printed."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl on the cluster, in the namespace."""
        return self.run(
            KUBECTL, "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *arguments
        )

    def save(self, name: str, text: str) -> None:
        """Save a file as an editor does: a new file moved over the old one."""
        temporary = self.directory / f".{name}.swp"
        temporary.write_text(text)
        temporary.replace(self.directory / name)

    @contextlib.contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """`kapp up --stream` while the block runs, and `kapp down` after it."""
        output = self.directory.parent / "up.log"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [KAPP, "up", "--stream", "--namespace", self.namespace],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        except BaseException:
            sys.stderr.write(output.read_text(errors="replace")[-4000:])
            raise
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
            self.run(KAPP, "down", "--no-wait")

    def path(self, group: str, plural: str) -> str:
        """The URL path of a collection in the namespace; group like `api/v1` or `apis/apps/v1`."""
        return f"/{group}/namespaces/{self.namespace}/{plural}"

    def kapp_objects(self, kind: str) -> list[dict[str, object]]:
        """What `kapp get KIND -o json` lists."""
        found: list[dict[str, object]] = json.loads(self.run(KAPP, "get", kind, "-o", "json"))[
            "items"
        ]
        return found


@contextlib.contextmanager
def world(kubeconfig: Path | None) -> Iterator[World]:
    """A world on the cluster of a kubeconfig, or (None) on an embedded one of its own."""
    # Sockets have short paths: a directory right under the temporary one.
    root = Path(tempfile.mkdtemp(prefix="kappb-"))
    with contextlib.ExitStack() as undone:
        undone.callback(shutil.rmtree, root, ignore_errors=True)
        made = World(root, kubeconfig)
        if kubeconfig is None:
            undone.callback(made.run, KAPP, "cluster", "stop")
        made.kubectl("create", "namespace", made.namespace)
        undone.callback(made.kubectl, "delete", "namespace", made.namespace, "--wait=false")
        # Until then no pod is made in it. Controllers whose API server was restarted a dozen times,
        # as by forward_faults, take more than a minute to look again.
        account = ("serviceaccount/default", "--for=create", f"--timeout={_ACCOUNT_WITHIN_S}s")
        made.kubectl("wait", *account)
        yield made


def free_port() -> int:
    """A port that nothing uses at this moment."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far, by the kernel's accounting."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no memory")
