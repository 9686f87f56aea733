"""One HTTP session to one API server: connections, deadlines, errors.

Invariants:
- Whatever goes wrong is an `ApiError` (the server answered) or `Unreachable` (it did not, or what
  answered is no API server): see `httperrors.py`. No aiohttp exception leaves this file, except
  from reading a websocket that is open.
- One session, without a limit on connections: watches and tunnels each hold one for long.
- A proxy from the environment is never used for loopback, nor `.netrc` for anything.

`kapp.runtime.remote` builds the `Client` on it; log and port-forward streams use it directly.
"""

from __future__ import annotations

import asyncio
import socket
import ssl as ssl_module
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from kapp.errors import Unreachable
from kapp.runtime.addresses import environment_proxy
from kapp.runtime.httperrors import error_of, own_errors

# A TCP and TLS handshake that takes longer than this will not succeed.
CONNECT_TIMEOUT_S = 10.0
# kube-apiserver answers or gives up (504) within 60 s; leave it the time to say so.
REQUEST_TIMEOUT_S = 65.0
# kube-apiserver closes idle connections after 90 s; use them until shortly before.
_KEEPALIVE_S = 75.0
# A peer that vanished without a word is noticed within about 30 s.
_TCP_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
_TCP_USER_TIMEOUT_MS = 30_000

Authorize = Callable[[bool], Awaitable[Mapping[str, str]]]
"""Gives the headers that authenticate a request; True asks for fresh ones after a 401."""

Permit = Callable[[], Awaitable[None]]
"""Awaited before a request that may change something; raises to prevent it."""


class HttpTransport:
    """Requests to one server.

    Args:
        base_url: `https://host:port[/prefix]`.
        ssl: context for https, or None for the system's trust.
        headers: sent with every request.
        server_hostname: name to verify in the certificate instead of the URL's host.
        proxy: URL of a proxy; "" for what the environment says (never for loopback).
        authorize: see `Authorize`.
        permit: see `Permit`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ssl: ssl_module.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        server_hostname: str = "",
        proxy: str = "",
        authorize: Authorize | None = None,
        permit: Permit | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._ssl = ssl
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._server_hostname = server_hostname or None
        self._proxy = proxy or environment_proxy(base_url)
        self._authorize = authorize
        self._permit = permit
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._closed = False

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session; made at first use, because it belongs to the running loop."""
        if self._closed:
            raise Unreachable(f"the connection to {self.base_url} is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                auto_decompress=True,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def retire_session(self) -> None:
        """Make new connections from now on (a new client certificate); open streams go on."""
        if self._session is not None:
            self._retired.append(self._session)
            self._session = None

    async def close(self) -> None:
        """Close for good; streams that are open break off."""
        self._closed = True
        self.retire_session()
        while self._retired:
            await self._retired.pop().close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
        repeatable: bool = False,
    ) -> bytes:
        """The body of a successful answer. Raises ApiError, Unreachable.

        `repeatable`: send once more when a kept connection turns out to be dead. (aiohttp does so
        by itself for GET, PUT and DELETE.)
        """
        if self._permit is not None and method != "GET":
            await self._permit()
        for attempt in (1, 2):
            try:
                async with self.stream(
                    method, path, params=params, body=body, headers=headers, timeout_s=timeout_s
                ) as response:
                    return await response.read()
            except Unreachable as e:
                broken = isinstance(e.__cause__, aiohttp.ServerDisconnectedError | OSError)
                refused = isinstance(e.__cause__, aiohttp.ClientConnectorError)
                if attempt == 2 or not repeatable or refused or not broken:
                    raise
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """A successful response whose body the caller reads.

        `timeout_s` bounds the whole exchange, `silence_s` the time without a byte. What goes wrong
        while the body is read is mapped too. Raises ApiError, Unreachable.
        """
        timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s
        )
        with own_errors(self.base_url):
            response = await self._send(method, path, params, body, headers or {}, timeout)
            async with response:
                if response.status >= 400:
                    raise error_of(response, await response.read())
                yield response

    async def ws_connect(
        self,
        path: str,
        *,
        params: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        protocols: Sequence[str] = (),
        max_message_bytes: int = 0,
        close_timeout_s: float = 5.0,
    ) -> aiohttp.ClientWebSocketResponse:
        """An open websocket; the caller closes it. `response.protocol` is what was agreed on.

        Raises ApiError when the server answers with anything but an upgrade, Unreachable.
        """
        with own_errors(self.base_url):
            for refresh in (False, True):
                # The kubelet answers upgrades and has no JSON to offer: 406 for our usual Accept.
                sent = await self._all_headers({"Accept": "*/*"}, refresh=refresh)
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S * 2):
                        opened: aiohttp.ClientWebSocketResponse = await self.session.ws_connect(
                            self.base_url + path,
                            params=params,
                            protocols=protocols,
                            headers=sent,
                            max_msg_size=max_message_bytes,
                            timeout=aiohttp.ClientWSTimeout(ws_close=close_timeout_s),
                            **self._connection_arguments(),
                        )
                        return opened
                except aiohttp.WSServerHandshakeError as e:
                    if e.status != 401 or self._authorize is None or refresh:
                        raise
        raise AssertionError("unreachable")

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        for refresh in (False, True):
            # Before the session is taken: new credentials may retire it.
            sent = await self._all_headers(headers, refresh=refresh)
            response = await self.session.request(
                method,
                self.base_url + path,
                params=params,
                data=body,
                headers=sent,
                timeout=timeout,
                **self._connection_arguments(),
            )
            if response.status != 401 or self._authorize is None or refresh:
                break
            response.release()
        return response

    async def _all_headers(self, extra: Mapping[str, str], *, refresh: bool) -> dict[str, str]:
        found = await self._authorize(refresh) if self._authorize is not None else {}
        return {**self._headers, **found, **extra}

    def _connection_arguments(self) -> dict[str, Any]:
        return {"proxy": self._proxy or None, "server_hostname": self._server_hostname}

    def _connector(self) -> aiohttp.BaseConnector:
        return aiohttp.TCPConnector(
            limit=0,
            ssl=self._ssl if self._ssl is not None else True,
            keepalive_timeout=_KEEPALIVE_S,
            socket_factory=_open_socket,
        )


def _open_socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket that notices a peer that is gone without a word (RFC 1122 4.2.3.6)."""
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _TCP_KEEPALIVE.items():
        if hasattr(socket, name):  # macOS names TCP_KEEPIDLE differently; its default is hours
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
    return sock
