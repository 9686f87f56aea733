"""A small server: two kinds, TLS and Unix listeners, and kubectl with a home of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import pytest

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, metadata_of, name_of
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Column, Kind, Scheme, Subresource
from kapp.machinery.store import Store
from kapp.server import tls
from kapp.server.http import Server, serve
from kapp.server.listeners import TlsListener, UnixListener

WIDGET = Kind(
    group="test.dev",
    version="v1",
    kind="Widget",
    plural="widgets",
    short_names=("wd",),
    categories=("all",),
    namespaced=True,
    columns=(
        Column("Name", lambda obj, _: name_of(obj)),
        Column("Size", lambda obj, _: (obj.get("spec") or {}).get("size"), type="integer"),
        Column("Colour", lambda obj, _: (obj.get("spec") or {}).get("colour"), priority=1),
        Column("Age", lambda obj, now: human_age(metadata_of(obj)["creationTimestamp"], now)),
    ),
    schema={
        "type": "object",
        "description": "A widget, to test with.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {
                "type": "object",
                "description": "What the widget should be.",
                "properties": {
                    "size": {"type": "integer", "minimum": 0, "description": "In cubits."},
                    "colour": {"type": "string", "enum": ["red", "green"]},
                    "replicas": {"type": "integer"},
                    "selector": {"type": "object", "additionalProperties": {"type": "string"}},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
            "status": {
                "type": "object",
                "properties": {
                    "phase": {"type": "string"},
                    "conditions": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "type": {"type": "string"},
                                "status": {"type": "string"},
                            },
                        },
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["type"],
                    },
                },
            },
        },
    },
    selectable=("spec.colour",),
    subresources=(
        Subresource("scale", ("get", "patch", "update"), "Scale", "autoscaling", "v1"),
        Subresource("log", ("get",)),
    ),
)

NOTE = Kind(
    group="",
    version="v1",
    kind="Note",
    plural="notes",
    schema={
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "data": {"type": "object", "additionalProperties": {"type": "string"}},
            "entries": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                "x-kubernetes-patch-merge-key": "name",
                "x-kubernetes-patch-strategy": "merge",
            },
        },
    },
    has_status=False,
    strategic=True,
)


@dataclass
class Running:
    """A running server and ways to reach it."""

    server: Server
    registry: Registry
    directory: Path
    token: str
    kubeconfig: Path
    unix_path: Path
    certificate: Path
    session: aiohttp.ClientSession = field(repr=False)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.ports[0]}"

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        raw: bytes | BinaryIO | None = None,
        **query: str,
    ) -> tuple[int, Any, Any]:
        """Status, decoded JSON (or text) and headers of an authenticated request."""
        import msgspec

        data = raw if raw is not None else msgspec.json.encode(body) if body is not None else None
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if data is not None:
            sent["Content-Type"] = content_type
        async with self.session.request(
            method, f"{self.url}{path}", data=data, headers=sent, params=query
        ) as response:
            text = await response.read()
            is_json = response.headers["Content-Type"].startswith("application/json")
            return response.status, msgspec.json.decode(text) if is_json else text, response.headers

    async def kubectl(
        self, *args: str, stdin: str = "", ok: bool = True, timeout_s: float = 30
    ) -> str:
        """Run kubectl; its output. Fails the test on another exit code than expected."""
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            "--kubeconfig",
            str(self.kubeconfig),
            "--cache-dir",
            str(self.directory / "cache"),
            *args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self.directory), "PATH": os.environ["PATH"]},
        )
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate(stdin.encode())
        text = output.decode()
        assert (process.returncode == 0) == ok, f"kubectl {args}: {text}"
        return text


KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tls.write_certificate(tmp_path_factory.mktemp("tls"), datetime.now(UTC))


@pytest.fixture
def make_registry() -> Callable[[], Registry]:
    def make() -> Registry:
        scheme = Scheme()
        scheme.register(WIDGET)
        scheme.register(NOTE)
        return Registry(scheme, Store(), now=lambda: datetime.now(UTC))

    return make


async def _log(request: aiohttp.web.Request, obj: Object) -> aiohttp.web.StreamResponse:
    return aiohttp.web.Response(text=f"log of {name_of(obj)}")


async def _extra(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
    return aiohttp.web.Response(text="extra")


@pytest.fixture
async def running(
    make_registry: Callable[[], Registry], certificate: tuple[Path, Path], tmp_path: Path
) -> AsyncIterator[Running]:
    import ssl

    registry = make_registry()
    token = tls.new_token()
    unix_path = tmp_path / "s"
    server = await serve(
        registry,
        [UnixListener(unix_path), TlsListener(token, *certificate)],
        streams={("widgets.test.dev", "log"): _log},
        extra_routes=[("GET", "/extra", _extra)],
    )
    kubeconfig = tmp_path / "kubeconfig"
    url = f"https://127.0.0.1:{server.ports[0]}"
    authority = certificate[0].read_bytes()
    tls.write_kubeconfig(
        kubeconfig, server=url, ca=authority, token=token, context="t", namespace="default"
    )
    context = ssl.create_default_context(cadata=authority.decode())
    connector = aiohttp.TCPConnector(ssl=context)
    async with server, aiohttp.ClientSession(connector=connector) as session:
        yield Running(
            server, registry, tmp_path, token, kubeconfig, unix_path, certificate[0], session
        )
