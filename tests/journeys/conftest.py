"""Whole stories, told through the doors users have: the command, files, sockets, kubectl.

By default on an embedded cluster of the test's own; with KAPP_TEST_KUBECONFIG on that cluster.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

import pytest

from . import bulk
from .proxy import Proxy

BIN = Path(sys.executable).parent
KAPP = str(BIN / "kapp")
KUBECTL = str(BIN / "kubectl")
REAL_KUBECONFIG = os.environ.get("KAPP_TEST_KUBECONFIG", "")

# Only where it is named, as tests/realcluster/suite.py does: it restarts the programs of that
# cluster under whatever else uses it.
collect_ignore = ["test_cluster_restarts.py"]
if not REAL_KUBECONFIG:
    # Stories of what the embedded cluster does not do: roles are stored there, and not enforced.
    collect_ignore += ["test_limited_account.py"]
else:
    # containerd ends both directions a second after the first has ended (internal/cri/server,
    # sandbox_portforward_linux.go): no client could pass half-closes on.
    collect_ignore += ["test_half_close.py"]

# For what never comes; what comes is seen at once, and later on a machine with other work.
DEADLINE_S = 60.0
_POLL_S = 0.05
T = TypeVar("T")


def eventually(check: Callable[[], T], *, within_s: float = DEADLINE_S) -> T:
    """The first true result of `check`; fails with the last result or error at the deadline.

    What is not there yet (a field of an object, a word of a line) is waited for as well, and a page
    whose server ends in the middle of it is asked for again.
    """
    deadline = time.monotonic() + within_s
    while True:
        result: T | None = None
        error: Exception | None = None
        try:
            result = check()
        except (OSError, HTTPException, AssertionError, LookupError, ValueError) as caught:
            error = caught
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {result!r}") from error
        time.sleep(_POLL_S)


def free_port() -> int:
    """A port that nothing uses at this moment, on either loopback address."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


class Up:
    """A running `kapp up --stream`."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """All it has printed so far, both streams."""
        return self._output.read_text(errors="replace")

    def interrupt(self) -> float:
        """Ctrl-C; returns how long it took to end, in seconds."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=DEADLINE_S)
        return time.monotonic() - started

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(timeout=DEADLINE_S)


class Project:
    """A directory with a Kappfile, and the commands typed in it."""

    def __init__(self, directory: Path, environment: dict[str, str], namespace: str) -> None:
        self.directory = directory
        self.environment = environment
        self.namespace = namespace
        self._ups: list[Up] = []

    def write(self, name: str, text: str) -> None:
        """Save a file of the project the way an editor does: at once."""
        target = self.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.swp")
        temporary.write_text(textwrap.dedent(text))
        temporary.replace(target)

    def read(self, name: str) -> str:
        """A file of the project."""
        return (self.directory / name).read_text()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `kapp ARGUMENTS…` to its end."""
        return self._run([KAPP, *arguments], check)

    def _run(self, command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def get(self, *arguments: str) -> str:
        """What `kapp get ARGUMENTS…` prints."""
        return self.run("get", *arguments).stdout

    def up(self, *arguments: str) -> Up:
        """Start `kapp up --stream` in the project's own namespace."""
        output = self.directory / f".up-{len(self._ups)}.log"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [KAPP, "up", "--stream", "--namespace", self.namespace, *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        up = Up(process, output)
        self._ups.append(up)
        return up

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl against the cluster that the project deploys to, in its namespace."""
        return self._kubectl(self.cluster_kubeconfig, ["-n", self.namespace, *arguments], check)

    def kubectl_kapp(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl against kapp's own API."""
        kubeconfig = self.run("kubeconfig").stdout.strip()
        return self._kubectl(kubeconfig, list(arguments), check)

    def _kubectl(self, kubeconfig: str, arguments: list[str], check: bool) -> str:
        return self._run([KUBECTL, "--kubeconfig", kubeconfig, *arguments], check).stdout

    @property
    def cluster_kubeconfig(self) -> str:
        """The kubeconfig of the cluster."""
        return REAL_KUBECONFIG or self.run("cluster", "kubeconfig").stdout.strip()

    def close(self) -> None:
        """End every `kapp up` that still runs."""
        for up in self._ups:
            if up.process.poll() is None:
                up.kill()


@contextmanager
def watching(project: Project, command: list[str]) -> Iterator[Path]:
    """Run a command that never ends; yields the file that its output goes to."""
    output = project.directory / f".watch-{uuid.uuid4().hex}.log"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=project.directory,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def page(port: int, host: str = "localhost") -> str:
    """The body that http://HOST:PORT/ serves."""
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def clean_environment(home: Path, state: Path) -> dict[str, str]:
    """What a new user's shell has: no kubeconfig, no state, kapp and kubectl on the path."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KAPP_", "KUBE", "XDG_", "PYTHONDONTWRITE"))
    }
    environment = {
        **kept,
        "HOME": str(home),
        "KAPP_STATE_DIR": str(state),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
    }
    if REAL_KUBECONFIG:
        environment["KUBECONFIG"] = REAL_KUBECONFIG
    return environment


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The shell of this worker's user; its embedded cluster ends with the last test."""
    home = tmp_path_factory.mktemp("home")
    values = clean_environment(home, tmp_path_factory.mktemp("state"))
    try:
        yield values
    finally:
        subprocess.run([KAPP, "cluster", "stop"], env=values, cwd=home, check=False, timeout=60)


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Iterator[Project]:
    """An empty project with a namespace of its own."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    directory = tmp_path / "project"
    directory.mkdir()
    found = Project(directory, environment, namespace)
    if not REAL_KUBECONFIG:
        found.run("cluster", "start")
    found.kubectl("create", "namespace", namespace)
    try:
        yield found
    finally:
        found.close()
        found.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


@pytest.fixture
def proxy(project: Project, tmp_path: Path) -> Iterator[Proxy]:
    """In front of the project's cluster; the commands of `behind` go through it."""
    made = Proxy(tmp_path, project.cluster_kubeconfig)
    made.come_back()
    yield made
    made.close()


@pytest.fixture
def behind(project: Project, proxy: Proxy) -> Iterator[Project]:
    """The project, as typed by somebody who reaches the cluster through the proxy."""
    environment = {**project.environment, "KUBECONFIG": str(proxy.kubeconfig)}
    made = Project(project.directory, environment, project.namespace)
    yield made
    made.close()


@pytest.fixture
def bulk_port(project: Project) -> int:
    """A port of this machine that is forwarded to a pod of `bulk`, which answers."""
    port = free_port()
    project.write("bulk.yaml", bulk.manifest())
    project.write("Kappfile", f"k8s_yaml('bulk.yaml')\nport_forward('bulk', {port})\n")
    project.up()
    eventually(lambda: bulk.hello(port) == b"hello\n")
    return port
