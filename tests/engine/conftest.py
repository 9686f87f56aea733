"""Engines in this process, against an embedded cluster of their own (or KAPP_TEST_KUBECONFIG)."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.cluster import Cluster
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.cluster import kubeconfig
from kapp.cluster.connection import Connection
from kapp.engine.config import EngineConfig
from kapp.engine.engine import Engine
from kapp.machinery.objects import Object, Resource
from kapp.machinery.status import ApiError

DEADLINE_S = 40.0
T = TypeVar("T")

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
PODS = Resource("", "v1", "pods", "Pod", True)

PAGE = """
import http.server, os, signal, sys
page = os.environ["PAGE"].encode()
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
    def log_message(self, *args): pass
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", os.environ["PAGE"])
http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""


def deployment(name: str, page: str = "one", *, replicas: int = 1) -> str:
    """The YAML of a web server that serves one word."""
    code = "\n".join(f"          {line}" for line in PAGE.strip().splitlines())
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        image: python:3.13-alpine
        command: [python3, -u, -c]
        args:
        - |
{code}
        env: [{{name: PAGE, value: {page}}}]
        ports: [{{containerPort: 8000}}]
        readinessProbe: {{httpGet: {{path: /, port: 8000}}, periodSeconds: 1}}
"""


def config_map(name: str, value: str = "one") -> str:
    """The YAML of a ConfigMap."""
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{value: {value}}}
"""


async def eventually(check: Callable[[], Awaitable[T]], *, within_s: float = DEADLINE_S) -> T:
    """The first true result of `check`."""
    result: T | None = None
    try:
        async with asyncio.timeout(within_s):
            while True:
                if result := await check():
                    return result
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {result!r}") from None


def free_port() -> int:
    """A port that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Project:
    """A directory with a Kappfile, its engines, and a look at its cluster."""

    def __init__(self, directory: Path, kubeconfig_path: str, namespace: str) -> None:
        self.directory = directory
        self.kubeconfig = kubeconfig_path
        self.namespace = namespace
        self.context = kubeconfig.load(kubeconfig_path, namespace=namespace)
        self.cluster = Connection(self.context)
        self._engines: list[Engine] = []

    @property
    def kappfile(self) -> str:
        return str(self.directory / "Kappfile")

    def write(self, **files: str) -> None:
        """Save files; `a__yaml` is `a.yaml`."""
        for name, text in files.items():
            (self.directory / name.replace("__", ".")).write_text(text)

    def engine(self, **options: object) -> Engine:
        config = EngineConfig(
            kappfile=self.kappfile,
            context=self.context,
            kubeconfig=self.kubeconfig,
            tls=bool(options.pop("tls", False)),
            **options,
        )
        engine = Engine(config)
        self._engines.append(engine)
        return engine

    async def start(self, **options: object) -> Engine:
        engine = self.engine(**options)
        await engine.start()
        return engine

    async def live(self, resource: Resource, name: str) -> Object | None:
        """An object in the cluster."""
        try:
            return await self.cluster.client.get(resource, name, self.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def gone(self, resource: Resource, name: str) -> bool:
        live = await self.live(resource, name)
        return live is None or "deletionTimestamp" in live["metadata"]

    async def close(self) -> None:
        for engine in self._engines:
            await engine.close()


async def applied(engine: Engine, name: str, *, after: str = "") -> KubernetesApply:
    """The KubernetesApply once its newest input is applied, and is not `after`."""

    found: KubernetesApply | None = None

    async def check() -> KubernetesApply | None:
        nonlocal found
        found = await TypedClient(engine.client).get(KubernetesApply, name)
        if found is None or found.status.observed_generation != found.metadata.generation:
            return None
        digest = found.status.applied_input_hash
        good = any(c.type == "Applied" and c.status == "True" for c in found.status.conditions)
        return found if good and digest and digest != after else None

    try:
        return await eventually(check)
    except AssertionError as error:
        cluster = await TypedClient(engine.client).get(Cluster, "default")
        error.add_note(f"{found and found.status}\n{cluster and cluster.status}")
        raise


async def ready(engine: Engine, name: str) -> UIResource:
    """The UIResource once all is well."""

    async def check() -> UIResource | None:
        found = await TypedClient(engine.client).get(UIResource, name)
        if found is None or not found.status.conditions:
            return None
        return found if all(c.status == "True" for c in found.status.conditions) else None

    return await eventually(check)


@pytest.fixture(scope="session")
def kubeconfig_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    given = os.environ.get("KAPP_TEST_KUBECONFIG", "")
    if given:
        yield given
        return
    from kapp.minicluster import process

    directory = tmp_path_factory.mktemp("cluster")
    yield str(process.start(directory))
    process.stop(directory)


@pytest.fixture
async def project(
    tmp_path: Path, kubeconfig_path: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Project]:
    monkeypatch.setenv("KAPP_STATE_DIR", str(tmp_path / "state"))
    directory = tmp_path / "project"
    directory.mkdir()
    namespace = f"kapp-test-{uuid.uuid4().hex[:8]}"
    made = Project(directory, kubeconfig_path, namespace)
    await made.cluster.client.create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    )
    yield made
    await made.close()
    await made.cluster.client.delete(NAMESPACES, namespace)
    await made.cluster.close()
