"""What probes and lifecycle hooks do: run a command, ask over HTTP, open a connection, sleep.

Connections are made by sockets that live in the pod's network namespace, so `localhost` and the pod
address mean what they mean to the pod. Source: k8s.io/kubernetes/pkg/probe/{http,tcp,exec},
pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from kapp.errors import KappError
from kapp.minicluster.node import podspec
from kapp.minicluster.node.runtime import RuntimeFailure

_MAX_OUTPUT_BYTES = 10 * 1024  # kubelet keeps as much of a probe's answer
_READ_BYTES = 1 << 16


class Target(Protocol):
    """A running container, as actions need it."""

    spec: dict[str, Any]
    address: str

    async def dial(self, host: str, port: int) -> socket.socket:
        """A connection made inside the pod's network. Raises OSError, RuntimeFailure."""
        ...

    async def start(self, argv: list[str], output: int) -> RunningCommand:
        """Run a command in the container, its output going to a descriptor."""
        ...


class RunningCommand(Protocol):
    """A command that runs in a container."""

    async def wait(self) -> int:
        """Its exit code (128 + n after signal n)."""
        ...

    async def kill(self) -> None:
        """End it."""
        ...


class Outcome(NamedTuple):
    """How an action went; `message` is what the event says when it failed."""

    ok: bool
    message: str = ""


class Unsupported(KappError):
    """The action is of a kind that the embedded cluster does not have."""


async def run(action: Mapping[str, Any], target: Target, timeout_s: float) -> Outcome:
    """Do what a probe or a hook says, for `timeout_s` at most. Raises Unsupported."""
    if "sleep" in action:
        await asyncio.sleep(min(timeout_s, float(action["sleep"].get("seconds") or 0)))
        return Outcome(True)
    try:
        async with asyncio.timeout(timeout_s):
            if "exec" in action:
                return await _exec(list(action["exec"].get("command") or ()), target)
            if "httpGet" in action:
                return await _http(action["httpGet"], target)
            if "tcpSocket" in action:
                port = podspec.container_port(target.spec, action["tcpSocket"]["port"])
                host = action["tcpSocket"].get("host") or target.address
                connection = await target.dial(host, port)
                connection.close()
                return Outcome(True)
    except TimeoutError:
        if "exec" in action:
            return Outcome(False, f"command timed out after {timeout_s:g}s")
        return Outcome(False, f"no answer within {timeout_s:g}s (context deadline exceeded)")
    except (OSError, ValueError, RuntimeFailure, asyncio.IncompleteReadError) as error:
        return Outcome(False, str(error))
    kind = next((k for k in ("grpc",) if k in action), "this kind of")
    raise Unsupported(f"the embedded cluster has no {kind} probes; use exec, httpGet or tcpSocket")


async def _collect(descriptor: int) -> bytes:
    """Read until the end; keeps the first 10 KiB."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    ended: asyncio.Future[None] = loop.create_future()
    kept = bytearray()

    def readable() -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        kept.extend(data[: max(0, _MAX_OUTPUT_BYTES - len(kept))])
        if not data and not ended.done():
            loop.remove_reader(descriptor)
            ended.set_result(None)

    loop.add_reader(descriptor, readable)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)
    return bytes(kept)


async def _exec(argv: list[str], target: Target) -> Outcome:
    reading, writing = os.pipe()
    try:
        try:
            command = await target.start(argv, writing)
        finally:
            os.close(writing)
        try:
            output = await _collect(reading)
            code = await command.wait()
        except BaseException:
            with contextlib.suppress(RuntimeFailure):
                await asyncio.shield(command.kill())
            raise
        return Outcome(code == 0, output.decode(errors="replace").strip())
    finally:
        os.close(reading)


async def _http(get: Mapping[str, Any], target: Target) -> Outcome:
    port = podspec.container_port(target.spec, get["port"])
    secure = str(get.get("scheme") or "HTTP").upper() == "HTTPS"
    address = get.get("host") or target.address
    path = get.get("path") or "/"
    path = path if path.startswith("/") else f"/{path}"
    headers = {"Host": f"{address}:{port}", "User-Agent": "kube-probe/kapp", "Accept": "*/*"}
    for header in get.get("httpHeaders") or ():
        names = {name.lower(): name for name in headers}
        headers.pop(names.get(header["name"].lower(), ""), None)
        headers[header["name"]] = header.get("value") or ""
    headers["Connection"] = "close"
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    sock = await target.dial(address, port)
    context = _unverified() if secure else None
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname="" if secure else None
    )
    try:
        writer.write(f"{request}\r\n".encode())
        line = await reader.readline()
        parts = line.split(None, 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/") or not parts[1].isdigit():
            return Outcome(False, f'malformed HTTP response "{line.decode(errors="replace")}"')
        code = int(parts[1])
    finally:
        writer.close()
    if 200 <= code < 400:
        return Outcome(True)
    return Outcome(False, f"HTTP probe failed with statuscode: {code}")


def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates (kubelet: InsecureSkipVerify)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def decoded_status(status: int) -> tuple[int, int]:
    """Exit code and signal of a wait status; a signal n counts as exit code 128 + n."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return 128 + number, number
    return os.WEXITSTATUS(status), 0
