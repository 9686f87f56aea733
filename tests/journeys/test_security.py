"""Nobody but the user gets in: every listener of kapp and of the embedded cluster, as they run."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from kapp import yamlio
from kapp.instance import Instance

from .conftest import REAL_KUBECONFIG, Project, Up, eventually, free_port, page
from .manifests import web

# What no document of the API names: some of it is served to others, some is not served at all.
_UNLISTED = [
    *("/", "/healthz", "/metrics", "/debug/pprof", "/configz", "/openapi/v2", "/swagger.json"),
    *("/kapp/v1/logs", "/kapp/v1/status", "/kapp/v1/kubeconfig", "/kapp/v1/print", "/kapp/v1/stop"),
]
_METHODS = {
    **dict.fromkeys(("get", "list", "watch"), "GET"),
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    **dict.fromkeys(("delete", "deletecollection"), "DELETE"),
}


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

    @contextmanager
    def opened(self) -> Iterator[http.client.HTTPSConnection]:
        """A connection for many requests."""
        trust = ssl.create_default_context(cadata=self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=trust, timeout=10)
        with closing(connection):
            yield connection

    def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> int:
        with self.opened() as connection:
            return _status(connection, method, path, headers)

    def routes(self) -> list[tuple[str, str]]:
        """Every method and path that the server says it has, and what it may have besides."""
        with self.opened() as connection:

            def read(path: str) -> Any:
                connection.request("GET", path, headers=_given_token(self))
                return json.loads(connection.getresponse().read())

            versions = [f"/api/{version}" for version in read("/api")["versions"]]
            for group in read("/apis")["groups"]:
                versions += [f"/apis/{v['groupVersion']}" for v in group["versions"]]
            found = {
                ("GET", path) for path in ("/api", "/apis", "/version", "/openapi/v3", *versions)
            }
            for version in versions:
                for resource in read(version)["resources"]:
                    found |= _resource_routes(version, resource)
            for document in read("/openapi/v3")["paths"].values():
                url = document["serverRelativeURL"]
                found.add(("GET", url))
                for path, item in read(url)["paths"].items():
                    filled = path.replace("{namespace}", "default").replace("{name}", "x")
                    found |= {(m.upper(), filled) for m in item if m.upper() in _METHODS.values()}
        methods = (*set(_METHODS.values()), "HEAD", "OPTIONS", "TRACE")
        found |= {(method, path) for method in methods for path in _UNLISTED}
        return sorted(found)


def _status(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str]
) -> int:
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _resource_routes(version: str, resource: dict[str, Any]) -> set[tuple[str, str]]:
    plural, _, subresource = resource["name"].partition("/")
    base = (
        f"{version}/namespaces/default/{plural}"
        if resource["namespaced"]
        else f"{version}/{plural}"
    )
    item = f"{base}/x/{subresource}" if subresource else f"{base}/x"
    one = {(_METHODS[verb], item) for verb in resource["verbs"]}
    many = {(_METHODS[verb], base) for verb in resource["verbs"] if verb in ("list", "create")}
    return one if subresource else one | many | {("GET", f"{version}/{plural}")}


@pytest.fixture(scope="module")
def running(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Project, Up, int]]:
    """One project for all: nothing here changes it. No file's mode is left to the umask."""
    umask = os.umask(0)
    project = Project(
        tmp_path_factory.mktemp("project"), environment, f"test-{uuid.uuid4().hex[:8]}"
    )
    port = free_port()
    project.write("kubernetes.yaml", web())
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    if not REAL_KUBECONFIG:
        project.run("cluster", "start")
    project.kubectl("create", "namespace", project.namespace)
    up = project.up()
    os.umask(umask)
    try:
        eventually(lambda: page(port) == "one\n")
        eventually(lambda: os.path.exists(project.run("kubeconfig").stdout.strip()))
        yield project, up, port
    finally:
        project.close()
        project.kubectl("delete", "namespace", project.namespace, "--wait=false", check=False)


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
        strangers = {
            "no token": ({}, 401),
            "a wrong token": ({"Authorization": "Bearer wrong"}, 401),
            "a foreign Host": ({**good, "Host": f"evil.example:{door.port}"}, 403),
            "a foreign page": ({**good, "Origin": "http://evil.example"}, 403),
        }
        routes = door.routes()
        assert len(routes) > 100
        with door.opened() as connection:
            for who, (headers, refusal) in strangers.items():
                for method, path in routes:
                    got = _status(connection, method, path, headers)
                    assert got == refusal, f"{method} {path} for {who}: {got}"
        assert door.ask("/readyz", {}) == 200
        assert door.ask("/readyz", {"Host": "evil.example"}) == 403
        assert door.ask("/livez", {"Origin": "http://evil.example"}) == 403


def test_plain_http_gets_nothing(running: tuple[Project, Up, int]) -> None:
    for door in _doors(running[0]):
        for method, path in [*door.routes(), ("GET", "/readyz")]:
            answer = _plainly(door, method, path)
            assert not answer.startswith(b"HTTP/1.1 2"), f"{method} {path}: {answer!r}"
            assert b"{" not in answer


def _plainly(door: Door, method: str, path: str) -> bytes:
    """What comes back for a request without TLS, token and all."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost:{door.port}\r\n"
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as plain:
        try:
            plain.sendall(f"{head}Authorization: Bearer {door.token}\r\n\r\n".encode())
            return plain.recv(4096)
        except ConnectionError:
            return b""


def test_the_kernel_knows_of_no_other_listener(running: tuple[Project, Up, int]) -> None:
    project, up, forwarded = running
    pids = {up.process.pid}
    if not REAL_KUBECONFIG:
        description = project.run("cluster", "status").stdout
        pids.add(int(description.partition("pid:")[2].split()[0]))
    inodes = _sockets({pid for parent in pids for pid in _with_children(parent)})
    found = _listening(inodes)
    assert {address for address, _ in found} <= {"127.0.0.1", "::1"}
    assert {port for _, port in found} == {forwarded, *(door.port for door in _doors(project))}
    for path in _unix_listeners(inodes):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, path
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700, path


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for task in os.listdir(f"/proc/{pid}/task"):
        with suppress(FileNotFoundError), open(f"/proc/{pid}/task/{task}/children") as children:
            for child in children.read().split():
                with suppress(FileNotFoundError):
                    yield from _with_children(int(child))


def _sockets(pids: set[int]) -> set[str]:
    """Inodes of the sockets that processes hold."""
    inodes = set()
    for pid in pids:
        with suppress(FileNotFoundError):
            for name in os.listdir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError):
                    target = os.readlink(f"/proc/{pid}/fd/{name}")
                    if target.startswith("socket:["):
                        inodes.add(target[8:-1])
    return inodes


def _listening(inodes: set[str]) -> set[tuple[str, int]]:
    """Addresses and ports of the listening TCP sockets among them, in this network namespace.

    Pods have network namespaces of their own. Source: proc(5), /proc/net/tcp.
    """
    found = set()
    for path, family in (("/proc/net/tcp", socket.AF_INET), ("/proc/net/tcp6", socket.AF_INET6)):
        with open(path, encoding="ascii") as table:
            for line in table.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    address, _, port = fields[1].partition(":")
                    found.add((_address(address, family), int(port, 16)))
    return found


def _address(text: str, family: socket.AddressFamily) -> str:
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words))


def _unix_listeners(inodes: set[str]) -> list[str]:
    """Paths of the listening Unix sockets among them. Source: proc(5), /proc/net/unix."""
    with open("/proc/net/unix") as table:
        rows = [line.split(None, 7) for line in table.readlines()[1:]]
    accepting = 0x10000  # __SO_ACCEPTCON
    return [
        row[7].strip()
        for row in rows
        if len(row) == 8 and row[6] in inodes and int(row[3], 16) & accepting
    ]


def test_files_are_private(running: tuple[Project, Up, int]) -> None:
    state = running[0].environment["KAPP_STATE_DIR"]
    seen = 0
    for directory, directories, files in os.walk(state):
        if directory == os.path.join(state, "cluster", "pods"):
            directories.clear()  # what is in pods has the modes that manifests ask for
            continue
        for name in (*directories, *files):
            path = os.path.join(directory, name)
            assert os.lstat(path).st_mode & 0o077 == 0, path
            seen += 1
    assert seen > 5  # an engine alone has seven


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
