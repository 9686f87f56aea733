"""A Kubernetes API on sockets: `serve` a registry on Unix and TLS listeners (aiohttp.web).

Every request passes its listener's `Guard` before anything else sees it. What it then means is
decided by `kapp.machinery.rest`, which is pure; this file reads, writes and streams. A handler that
fails answers 500 with a Status and is logged; it never takes the server down.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kapp.machinery.documents import ServerVersion
from kapp.machinery.negotiation import Decoder
from kapp.machinery.objects import Object
from kapp.machinery.presenting import error_response
from kapp.machinery.registry import Registry
from kapp.machinery.requests import Request, Response, StreamRequest, WatchResponse
from kapp.machinery.rest import RestApi
from kapp.machinery.status import ApiError, bad_request
from kapp.server.auth import Guard
from kapp.server.listeners import BACKLOG, TlsListener, UnixListener
from kapp.server.malformed import protocol_log
from kapp.server.watch import Rhythm, WatchStream

_log = logging.getLogger(__name__)

StreamHandler: TypeAlias = Callable[[web.Request, Object], Awaitable[web.StreamResponse]]
"""Answers a subresource such as `log` or `exec`; given the request and the object."""

ExtraHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

Listener: TypeAlias = UnixListener | TlsListener

MAX_BODY_BYTES = 20 << 20
"""Larger than any object etcd would take; a manifest with embedded files fits."""

# Source: kube-apiserver's Status for a server that fails; the cause is in the log only.
_INTERNAL = "an internal error occurred; the server's log has the cause"
# Requests under way when the server closes; watches are told to end first.
_CLOSE_S = 0.2
_ACCEPT_TURNS = 4

DEFAULT_VERSION = ServerVersion("1", "36", "v1.36.0+kapp")


class Server:
    """A running server; made by `serve`.

    Attributes:
        ports: the TCP port of each TLS listener, in the order given.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        streams: Mapping[tuple[str, str], StreamHandler],
        extra_routes: Iterable[tuple[str, str, ExtraHandler]],
        allowed_hosts: Sequence[str],
        version: ServerVersion,
        title: str,
        ready: Callable[[], str],
        decoders: Mapping[str, Decoder],
    ) -> None:
        self.ports: list[int] = []
        self._api = RestApi(
            registry, version=version, title=title, streams=streams, decoders=decoders
        )
        self._streams = streams
        self._extra_routes = list(extra_routes)
        self._allowed_hosts = tuple(allowed_hosts)
        self._ready = ready
        self._runners: list[web.AppRunner] = []
        self._watches: set[WatchStream] = set()
        self._rhythm = Rhythm()

    async def listen(self, listener: Listener) -> None:
        """Open one more listener. Raises OSError when the address is taken."""
        sock = listener.bind()
        port = sock.getsockname()[1] if sock.family in (socket.AF_INET, socket.AF_INET6) else 0
        guard = listener.guard(port, self._allowed_hosts)
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_guarded(guard)])
        if isinstance(listener, UnixListener):
            for method, path, handler in self._extra_routes:
                app.router.add_route(method, path, handler)
        for path in ("/readyz", "/livez", "/healthz"):
            app.router.add_get(path, self._health)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=protocol_log(),
            handler_cancellation=True,
            shutdown_timeout=_CLOSE_S,
        )
        await runner.setup()
        self._runners.append(runner)
        site = web.SockSite(runner, sock, ssl_context=listener.ssl_context(), backlog=BACKLOG)
        await site.start()
        if port:
            self.ports.append(port)

    async def close(self) -> None:
        """Stop listening, end watches, and finish what is under way; half a second at most."""
        for watch in list(self._watches):
            watch.stop()
        runners, self._runners = self._runners, []
        await asyncio.gather(*[end(runner) for runner in runners])

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _health(self, request: web.Request) -> web.Response:
        problem = self._ready() if request.path == "/readyz" else ""
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = b""
        path = request.rel_url.raw_path
        if request.method != "GET" and request.can_read_body and not self._api.is_stream(path):
            body = await request.read()
        answer = self._api.handle(
            Request(
                request.method,
                path,
                request.query,
                {name.lower(): value for name, value in request.headers.items()},
                body,
            )
        )
        if isinstance(answer, Response):
            return _written(answer)
        if isinstance(answer, StreamRequest):
            handler = self._streams[answer.kind.resource.group_resource, answer.subresource]
            return await handler(request, answer.object)
        return await self._watch(request, answer)

    async def _watch(self, request: web.Request, answer: WatchResponse) -> web.StreamResponse:
        watch = WatchStream(answer, self._rhythm)
        self._watches.add(watch)
        try:
            return await watch.run(request)
        finally:
            self._watches.discard(watch)


async def serve(
    registry: Registry,
    listeners: Iterable[Listener],
    *,
    streams: Mapping[tuple[str, str], StreamHandler] | None = None,
    extra_routes: Iterable[tuple[str, str, ExtraHandler]] = (),
    allowed_hosts: Sequence[str] = (),
    version: ServerVersion = DEFAULT_VERSION,
    title: str = "Kubernetes",
    ready: Callable[[], str] = str,
    decoders: Mapping[str, Decoder] = MappingProxyType({}),
) -> Server:
    """Serve a registry until `Server.close`.

    Args:
        registry: the API.
        listeners: where.
        streams: handlers of subresources, by (`plural.group`, subresource).
        extra_routes: (method, path, handler) of Unix listeners only.
        allowed_hosts: host names to allow besides loopback's.
        version: what `/version` says.
        title: of the OpenAPI documents.
        ready: why the server is not ready, or ""; asked by `/readyz`.
        decoders: what reads bodies of further media types, beside JSON and YAML.

    Raises:
        OSError: an address is taken, or a socket's path too long.
    """
    server = Server(
        registry,
        streams=streams or {},
        extra_routes=extra_routes,
        allowed_hosts=allowed_hosts,
        version=version,
        title=title,
        ready=ready,
        decoders=decoders,
    )
    try:
        for listener in listeners:
            await server.listen(listener)
    except BaseException:
        await server.close()
        raise
    return server


async def end(runner: web.AppRunner) -> None:
    """Stop listening, and close every connection, also those just accepted.

    `cleanup` alone knows the connections whose `connection_made` was called; between accept and
    that call asyncio needs some turns of its loop (asyncio/selector_events.py,
    `_accept_connection2`), and nobody closes what arrives after the end. It has to arrive before
    the listening sockets are closed, too: asyncio drops it without closing it otherwise.
    """
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        server = site._server  # aiohttp has no other way to a site's sockets
        if isinstance(server, asyncio.Server):
            for listening in server.sockets:
                loop.remove_reader(listening.fileno())
    for _ in range(_ACCEPT_TURNS):
        await asyncio.sleep(0)
    await runner.cleanup()


def _guarded(guard: Guard) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        try:
            guard.check(
                request.path,
                headers.getall("Host", []),
                headers.getall("Origin", []),
                headers.getall("Authorization", []),
            )
            return await handler(request)
        except ApiError as error:
            return _written(error_response(error))
        except web.HTTPRequestEntityTooLarge:
            return _written(error_response(_too_large()))
        except web.RequestPayloadError:
            return _written(error_response(bad_request("the request's body cannot be read")))
        except web.HTTPException as error:
            reason = error.reason.replace(" ", "")
            return _written(error_response(ApiError(error.status, reason, error.reason)))
        except ConnectionResetError:
            return web.Response(status=499)  # the client has gone; nobody reads this
        except Exception:
            _log.exception("request failed", extra={"method": request.method, "path": request.path})
            return _written(error_response(ApiError(500, "InternalError", _INTERNAL)))

    return middleware


def _too_large() -> ApiError:
    return ApiError(
        413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY_BYTES}"
    )


def _written(answer: Response) -> web.Response:
    response = web.Response(
        status=answer.status,
        body=answer.body,
        headers={
            "Content-Type": answer.content_type,
            "Cache-Control": "no-cache, private",
            **answer.headers,
        },
    )
    for warning in answer.warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{"".join(c for c in text if c.isprintable())}"')
    return response
