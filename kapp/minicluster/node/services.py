"""Service names and addresses inside pods.

Names are put into each pod's /etc/hosts. A cluster address belongs to the node's own network
namespace, where the shim listens on it; connections are passed on to ready endpoints by this
process (TCP only). In `processes` mode there is neither: pods share the host's network.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import Object, key_of, labels_of
from kapp.minicluster.node.runtime import Runtime, RuntimeFailure
from kapp.minicluster.resources import ENDPOINT_SLICES, SERVICES
from kapp.runtime.client import Client
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import Reflector

_log = logging.getLogger(__name__)
_SERVICE_LABEL = "kubernetes.io/service-name"
_CONNECT_TIMEOUT_S = 5.0
_CHUNK_BYTES = 1 << 16


class Endpoint(NamedTuple):
    """One ready backend of a Service port."""

    address: str
    port: int


class ServicePort(NamedTuple):
    """A cluster address and port that is listened on."""

    address: str
    port: int


def _ready(endpoint: dict[str, Any]) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False


def _is_headless(service: Object) -> bool:
    return service["spec"].get("clusterIP") in (None, "", "None")


def names_of(service: Object, namespace: str, prefix: str = "") -> str:
    """The names by which a pod in `namespace` knows a Service."""
    key = key_of(service)
    full = f"{prefix}{key.name}.{key.namespace}"
    names = [f"{full}.svc.cluster.local", f"{full}.svc", full]
    if key.namespace == namespace:
        names.append(f"{prefix}{key.name}")
    return " ".join(names)


class ServiceNetwork:
    """Keeps names, variables and listeners in line with Services and EndpointSlices."""

    def __init__(self, runtime: Runtime, tasks: TaskGroup) -> None:
        self._runtime = runtime
        self._tasks = tasks
        self._services: Reflector | None = None
        self._slices: Reflector | None = None
        self._on_names: Callable[[], None] = lambda: None
        self._backends: dict[ServicePort, list[Endpoint]] = {}
        self._turns: dict[ServicePort, itertools.count[int]] = {}
        self._servers: dict[ServicePort, asyncio.Server] = {}
        self._wake = asyncio.Event()
        self._connections = TaskGroup("service-connections")

    def follow(self, manager: Manager, client: Client, on_names: Callable[[], None]) -> None:
        """Watch Services; `on_names` is called when what pods should know has changed."""
        if self._runtime.mode != "namespaces":
            return
        self._on_names = on_names
        self._services = manager.reflector(client, SERVICES)
        self._slices = manager.reflector(client, ENDPOINT_SLICES)
        for reflector in (self._services, self._slices):
            reflector.subscribe(lambda *_: self._wake.set())
        self._tasks.spawn(self._keep(), "services")

    async def close(self) -> None:
        """Stop listening, cut connections."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        await self._connections.close()

    # -- what pods are told ----------------------------------------------------------------------

    def names(self, namespace: str) -> list[tuple[str, str]]:
        """Lines of /etc/hosts for a pod in `namespace`: address, names."""
        lines: list[tuple[str, str]] = []
        for service in self._services.list() if self._services else ():
            if not _is_headless(service):
                lines.append((service["spec"]["clusterIP"], names_of(service, namespace)))
                continue
            for endpoint in self._endpoints(service):
                names = names_of(service, namespace)
                if host := endpoint.get("hostname"):
                    names = f"{names_of(service, namespace, f'{host}.')} {names}"
                lines += [(address, names) for address in endpoint.get("addresses") or ()]
        return lines

    def variables(self, namespace: str) -> dict[str, str]:
        """`NAME_SERVICE_HOST` and the like. Source: pkg/kubelet/envvars."""
        found: dict[str, str] = {}
        for service in self._services.list() if self._services else ():
            key = key_of(service)
            if key.namespace != namespace or _is_headless(service):
                continue
            prefix = key.name.upper().replace("-", "_")
            address = service["spec"]["clusterIP"]
            found[f"{prefix}_SERVICE_HOST"] = address
            for number, port in enumerate(service["spec"].get("ports") or ()):
                if number == 0:
                    found[f"{prefix}_SERVICE_PORT"] = str(port["port"])
                if name := port.get("name"):
                    suffix = name.upper().replace("-", "_")
                    found[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
        return found

    def _endpoints(self, service: Object) -> Iterable[dict[str, Any]]:
        publish = service["spec"].get("publishNotReadyAddresses")
        for part in self._slices_of(service):
            for endpoint in part.get("endpoints") or ():
                if publish or _ready(endpoint):
                    yield endpoint

    def _slices_of(self, service: Object) -> list[Object]:
        key = key_of(service)
        return [
            part
            for part in (self._slices.list() if self._slices else ())
            if key_of(part).namespace == key.namespace
            and labels_of(part).get(_SERVICE_LABEL) == key.name
        ]

    # -- listeners -------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._on_names()
            wanted = self._wanted()
            self._backends = wanted
            for port in [port for port in self._servers if port not in wanted]:
                self._servers.pop(port).close()
                self._turns.pop(port, None)
            for port in [port for port in wanted if port not in self._servers]:
                try:
                    await self._listen(port)
                except (OSError, RuntimeFailure) as error:
                    _log.warning(
                        "service address not served",
                        extra={"address": f"{port.address}:{port.port}", "error": str(error)},
                    )

    def _wanted(self) -> dict[ServicePort, list[Endpoint]]:
        wanted: dict[ServicePort, list[Endpoint]] = {}
        for service in self._services.list() if self._services else ():
            if _is_headless(service):
                continue
            for port in service["spec"].get("ports") or ():
                if port.get("protocol", "TCP") != "TCP":
                    continue
                key = ServicePort(service["spec"]["clusterIP"], int(port["port"]))
                wanted[key] = [
                    Endpoint(address, int(target["port"]))
                    for part in self._slices_of(service)
                    for target in part.get("ports") or ()
                    if (target.get("name") or "") == (port.get("name") or "")
                    for endpoint in part.get("endpoints") or ()
                    if _ready(endpoint)
                    for address in endpoint.get("addresses") or ()
                ]
        return wanted

    async def _listen(self, port: ServicePort) -> None:
        sock = await self._runtime.listen(port.address, port.port)

        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._pass_on(port, reader, writer)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(RuntimeError):
                self._connections.spawn(accepted(reader, writer), "connection")

        self._turns[port] = itertools.count()
        self._servers[port] = await asyncio.start_server(connected, sock=sock)

    async def _dial(self, port: ServicePort) -> socket.socket | None:
        """A connection to the next endpoint that accepts one."""
        backends = self._backends.get(port) or []
        first = next(self._turns[port]) if port in self._turns else 0
        for offset in range(len(backends)):
            endpoint = backends[(first + offset) % len(backends)]
            sock = await self._runtime.open_socket()
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(sock, endpoint)
                return sock
            except OSError:
                sock.close()
            except BaseException:
                sock.close()
                raise
        return None

    async def _pass_on(
        self, port: ServicePort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            try:
                sock = await self._dial(port)
            except RuntimeFailure:
                sock = None
            if sock is None:
                writer.transport.abort()  # a reset, as kube-proxy's reject rule gives
                return
            other_reader, other_writer = await asyncio.open_connection(sock=sock)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, other_writer))
                    both.create_task(_copy(other_reader, writer))
            except* (OSError, ConnectionError):
                writer.transport.abort()
            finally:
                other_writer.close()
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the end, then pass the end on."""
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
