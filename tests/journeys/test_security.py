"""Nobody but the user gets in: every listener of kapp and of the embedded cluster, as they run."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from kapp import yamlio
from kapp.instance import Instance

from .conftest import REAL_KUBECONFIG, Project, Up, eventually, free_port, page
from .manifests import web

_PATHS = [
    "/",
    "/api",
    "/apis",
    "/version",
    "/healthz",
    "/metrics",
    "/debug/pprof",
    "/openapi/v3",
    "/apis/kapp.dev/v1alpha1/kubernetesapplys",
    "/api/v1/namespaces/default/pods",
    "/api/v1/namespaces/default/pods/x/exec?command=id",
    "/kapp/v1/logs",
    "/kapp/v1/stop",
]
_REFUSED = {401, 403}


@dataclass(frozen=True)
class Door:
    """A TLS listener, as its kubeconfig describes it."""

    port: int
    token: str
    ca: str

    @classmethod
    def of(cls, kubeconfig: str) -> Door:
        with open(kubeconfig, encoding="utf-8") as file:
            document: Any = yamlio.load(file.read())
        cluster = document["clusters"][0]["cluster"]
        return cls(
            int(cluster["server"].rpartition(":")[2]),
            document["users"][0]["user"]["token"],
            base64.b64decode(cluster["certificate-authority-data"]).decode(),
        )

    def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> int:
        trust = ssl.create_default_context(cadata=self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=trust, timeout=10)
        try:
            connection.request(method, path, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def running(project: Project) -> tuple[Project, Up, int]:
    port = free_port()
    project.write("kubernetes.yaml", web())
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    eventually(lambda: os.path.exists(project.run("kubeconfig").stdout.strip()))
    return project, up, port


def _doors(project: Project) -> list[Door]:
    paths = [project.run("kubeconfig").stdout.strip()]
    if not REAL_KUBECONFIG:
        paths.append(project.cluster_kubeconfig)
    return [Door.of(path) for path in paths]


def _given_token(door: Door) -> dict[str, str]:
    return {"Authorization": f"Bearer {door.token}"}


def test_no_door_opens_without_the_token_or_for_a_foreign_page(
    running: tuple[Project, Up, int],
) -> None:
    for door in _doors(running[0]):
        good = _given_token(door)
        assert door.ask("/version", good) == 200
        for path in _PATHS:
            for method in ("GET", "POST", "DELETE"):
                assert door.ask(path, {}, method) in _REFUSED, path
                assert door.ask(path, {"Authorization": "Bearer wrong"}, method) in _REFUSED, path
                foreign_host = {**good, "Host": f"evil.example:{door.port}"}
                assert door.ask(path, foreign_host, method) == 403, path
                foreign_page = {**good, "Origin": "http://evil.example"}
                assert door.ask(path, foreign_page, method) == 403, path
        assert door.ask("/readyz", {}) == 200
        assert door.ask("/readyz", {"Host": "evil.example"}) == 403
        assert door.ask("/livez", {"Origin": "http://evil.example"}) == 403


def test_plain_http_gets_nothing(running: tuple[Project, Up, int]) -> None:
    for door in _doors(running[0]):
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as plain:
            plain.sendall(b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
            try:
                answer = plain.recv(4096)
            except ConnectionResetError:
                continue
            assert b"gitVersion" not in answer


def test_nothing_listens_beyond_loopback(running: tuple[Project, Up, int]) -> None:
    project, up, _ = running
    pids = {up.process.pid}
    addresses = _listening_addresses(pids)
    assert addresses, "the engine listens on something"
    assert all(address in ("127.0.0.1", "::1") for address in addresses), addresses
    assert project.run("list").returncode == 0


def _listening_addresses(pids: set[int]) -> set[str]:
    """Local addresses of the listening TCP sockets of processes. Source: proc(5), /proc/net/tcp."""
    inodes = set()
    for pid in pids:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for path, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        with open(path, encoding="ascii") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    found.add(_address(fields[1].partition(":")[0], family))
    return found


def _address(text: str, family: socket.AddressFamily) -> str:
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words))


def test_files_are_private(running: tuple[Project, Up, int]) -> None:
    project = running[0]
    state = project.environment["KAPP_STATE_DIR"]
    for directory, _, files in os.walk(state):
        if "/pods/" in f"{directory}/":
            continue  # the pods' own files, below a closed directory
        for name in files:
            path = os.path.join(directory, name)
            if os.path.islink(path) or name.endswith(("-wal", "-shm")):
                continue
            assert os.stat(path).st_mode & 0o077 == 0 or _is_closed(directory, state), path


def _is_closed(directory: str, state: str) -> bool:
    while True:
        if os.stat(directory).st_mode & 0o077 == 0:
            return True
        if directory == state:
            return False
        directory = os.path.dirname(directory)


_AS_SOMEBODY_ELSE = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
path, kubeconfig = sys.argv[1:]
opened = []
for attempt in (
    lambda: socket.socket(socket.AF_UNIX).connect(path),
    lambda: open(kubeconfig).read(),
    lambda: os.listdir(os.path.dirname(kubeconfig)),
):
    try:
        attempt()
    except PermissionError:
        continue
    opened.append(attempt)
sys.exit(len(opened))
"""


@pytest.mark.root
def test_another_user_gets_nothing(running: tuple[Project, Up, int]) -> None:
    project = running[0]
    # the test's own directories are private as a whole; open them, so that kapp's modes decide
    opened = _open_the_way_to(project.environment["KAPP_STATE_DIR"])
    try:
        for kubeconfig in (project.run("kubeconfig").stdout.strip(), project.cluster_kubeconfig):
            if kubeconfig == REAL_KUBECONFIG:
                continue
            path = Instance.__new__(Instance)
            path.directory = os.path.dirname(project.run("kubeconfig").stdout.strip())
            done = subprocess.run(
                [sys.executable, "-c", _AS_SOMEBODY_ELSE, path.socket, kubeconfig],
                cwd="/",
                check=False,
                timeout=30,
            )
            assert done.returncode == 0
    finally:
        for directory, mode in opened:
            os.chmod(directory, mode)


def _open_the_way_to(path: str) -> list[tuple[str, int]]:
    changed = []
    while path != "/":
        path = os.path.dirname(path)
        mode = os.stat(path).st_mode & 0o7777
        if not mode & 0o001:
            os.chmod(path, mode | 0o055)
            changed.append((path, mode))
    return changed
