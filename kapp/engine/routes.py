"""What the command line asks an engine, over its Unix socket only.

    POST /kapp/v1/print    {"command": "get", "args": [...]}: `kapp get` and other commands that
                           only read, as they were typed; the answer in frames
    GET  /kapp/v1/logs     ?resource=…&follow=true&tail=…&since=5m&timestamps=true&format=text|json
                           &level=warn&colour=true: lines, until all is said or, following, for ever
    GET  /kapp/v1/kubeconfig  {"path": …} of the API's kubeconfig, once kubectl can use it
    GET  /kapp/v1/status   what runs here, as JSON
    POST /kapp/v1/stop     end; the cluster stays as it is

A frame is one byte (1 stdout, 2 stderr, 3 exit code in digits), four bytes of length, big-endian,
and the payload. Every answer ends with its connection.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec
from aiohttp import web

from kapp.api.durations import parse_duration
from kapp.logs.chunks import Chunk
from kapp.logs.levels import LEVELS
from kapp.logs.selection import AtLeast
from kapp.logs.store import LogStore
from kapp.logs.view import LogView, ViewOptions
from kapp.machinery.registry import Registry
from kapp.machinery.status import bad_request

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _PrintRequest(msgspec.Struct):
    """The body of a print request; `cwd` is what paths among the arguments are relative to."""

    args: list[str]
    cwd: str = ""
    command: str = "get"


class _PlainStream(web.StreamResponse):
    """A body that ends with its connection: the instant path reads no chunked encoding."""

    _length_check = False


class Routes:
    """The handlers.

    Args:
        registry: kapp's API.
        logs: what resources print.
        stop: ends the engine.
        now: wall time.
        kubeconfig: waits until the API can be reached; the path of its kubeconfig.
    """

    def __init__(
        self,
        registry: Registry,
        logs: LogStore,
        stop: Callable[[], None],
        now: Callable[[], datetime],
        *,
        kubeconfig: Callable[[], Awaitable[str]],
    ) -> None:
        self._kubeconfig = kubeconfig
        self._registry = registry
        self._logs = logs
        self._stop_engine = stop
        self._now = now

    def table(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each."""
        return [
            ("POST", "/kapp/v1/print", self._print),
            ("GET", "/kapp/v1/logs", self._read_logs),
            ("GET", "/kapp/v1/kubeconfig", self._kubeconfig_path),
            ("GET", "/kapp/v1/status", self._status),
            ("POST", "/kapp/v1/stop", self._stop),
        ]

    async def _print(self, request: web.Request) -> web.StreamResponse:
        try:
            given = msgspec.json.decode(await request.read(), type=_PrintRequest)
        except msgspec.DecodeError as error:
            raise bad_request(f"the body is not {{args: […]}}: {error}") from error
        # Needed by commands only, so not while the engine starts.
        from kapp.engine.printing import print_command

        response = await _open(request, "application/octet-stream")
        async with aclosing(
            print_command(self._registry, given.command, given.args, given.cwd)
        ) as outputs:
            async for stream, payload in outputs:
                await response.write(frame(stream, payload))
        await response.write_eof()
        return response

    async def _read_logs(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        names = query.getall("resource", [])
        options = ViewOptions(
            timestamps=_flag(query.get("timestamps")),
            color=_flag(query.get("colour")),
            json=query.get("format") == "json",
        )
        level = query.get("level", LEVELS[0])
        if level not in LEVELS:
            raise bad_request(f"level: {level!r} is none of {', '.join(LEVELS)}")
        try:
            since = self._since(query.get("since", ""))
            tail = int(query["tail"]) if "tail" in query else None
        except ValueError as error:
            raise bad_request(str(error)) from error
        view = LogView(options, names or self._logs.resources)
        response = await _open(request, "text/plain; charset=utf-8")
        entries = self._logs.read(
            names or None,
            since=since,
            tail=tail,
            select=AtLeast(level) if level != LEVELS[0] else _all,
            follow=_flag(query.get("follow")),
        )
        async with aclosing(entries) as reading:
            async for entry in reading:
                await response.write(view.render(entry).encode())
        await response.write_eof()
        return response

    def _since(self, text: str) -> datetime | None:
        return self._now() - timedelta(seconds=parse_duration(text)) if text else None

    async def _status(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"pid": os.getpid(), "logResources": self._logs.resources})

    async def _kubeconfig_path(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"path": await self._kubeconfig()})

    async def _stop(self, _request: web.Request) -> web.StreamResponse:
        self._stop_engine()
        return web.json_response({"pid": os.getpid()})


def frame(stream: int, payload: bytes) -> bytes:
    """One frame of a print answer."""
    return bytes([stream]) + len(payload).to_bytes(4, "big") + payload


def _all(chunk: Chunk) -> Chunk:
    return chunk


async def _open(request: web.Request, content_type: str) -> web.StreamResponse:
    response = _PlainStream(headers={"Content-Type": content_type})
    response.force_close()
    await response.prepare(request)
    return response


def _flag(text: str | None) -> bool:
    return text == "true"
