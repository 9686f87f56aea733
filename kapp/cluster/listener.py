"""The local sockets of one forward: opened once, kept, healed when their port is taken.

A `Listener` belongs to (host, port); `forwarder.py` owns one for each forward. `localhost` means
127.0.0.1 and ::1, since clients try either first; a machine without IPv6 makes do with one.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import socket
from collections.abc import Callable

from kapp.aio.supervise import TaskGroup
from kapp.cluster.portholder import port_holder
from kapp.errors import ClusterError, KappError

_log = logging.getLogger(__name__)

_RETRY_FIRST_S = 0.25
_RETRY_MOST_S = 5.0
"""Between attempts at a port in use: soon after whoever holds it lets go, and next to free."""

_BACKLOG = 1024
"""Connections the kernel may hold while the loop is busy; Linux caps it at net.core.somaxconn."""

_NO_SUCH_ADDRESS = frozenset(
    {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENODEV}
)


class Listener:
    """Listens on `host`:`port` from `start` until `close`.

    Attributes:
        addresses: where it listens now.
        error: why it does not (everywhere), or None.
    """

    def __init__(
        self,
        host: str,
        port: int,
        make_protocol: Callable[[], asyncio.Protocol],
        tasks: TaskGroup,
        on_change: Callable[[], None],
    ) -> None:
        self.host = host
        self.port = port
        self.addresses: list[str] = []
        self.error: KappError | None = None
        self._make_protocol = make_protocol
        self._tasks = tasks
        self._on_change = on_change
        self._servers: dict[str, asyncio.Server] = {}
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Open what can be opened now; what cannot is retried in the background."""
        await self._open_missing()
        if self.error is not None and not self._closed:
            self._task = self._tasks.spawn(self._retry(), f"listen {self.port}")

    def close(self) -> None:
        """Stop listening; connections accepted before stay."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        self.addresses = []

    async def _retry(self) -> None:
        delay_s = _RETRY_FIRST_S
        while self.error is not None:
            await asyncio.sleep(delay_s * random.uniform(0.7, 1.0))
            delay_s = min(delay_s * 2, _RETRY_MOST_S)
            await self._open_missing()

    async def _open_missing(self) -> None:
        before = (self.addresses, str(self.error))
        failures: list[OSError] = []
        try:
            wanted = await self._wanted()
        except OSError as error:
            wanted, failures = [], [error]
        absent = 0
        for family, address in wanted:
            if address in self._servers or self._closed:
                continue
            try:
                self._servers[address] = await self._listen(family, address)
            except OSError as error:
                if error.errno in _NO_SUCH_ADDRESS and len(wanted) > 1:
                    absent += 1
                else:
                    failures.append(error)
        if wanted and absent == len(wanted):
            failures.append(OSError(errno.EADDRNOTAVAIL, "address not available"))
        if self._closed:
            self.close()
            return
        self.addresses = list(self._servers)
        self.error = await self._explain(failures[0]) if failures else None
        if before != (self.addresses, str(self.error)):
            self._on_change()

    async def _wanted(self) -> list[tuple[socket.AddressFamily, str]]:
        if self.host in ("", "localhost"):
            return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return list(dict.fromkeys((family, str(addr[0])) for family, _, _, _, addr in found))

    async def _listen(self, family: socket.AddressFamily, address: str) -> asyncio.Server:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            # A restart must not wait for the connections of the last run to leave TIME_WAIT
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setblocking(False)
            sock.bind((address, self.port))
            return await asyncio.get_running_loop().create_server(
                self._make_protocol, sock=sock, backlog=_BACKLOG
            )
        except BaseException:
            sock.close()
            raise

    async def _explain(self, error: OSError) -> KappError:
        if error.errno == errno.EADDRINUSE:
            # it may hold ::1 while another program has 127.0.0.1
            sockets = [one for server in self._servers.values() for one in server.sockets]
            own = [os.fstat(one.fileno()).st_ino for one in sockets]
            holder = await asyncio.to_thread(port_holder, self.port, own)
            by = f" by {holder}" if holder else ""
            return ClusterError(
                f"local port {self.port} is in use{by}",
                hint="kapp takes it over once it is free; or choose another local port",
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return ClusterError(
                f"this user may not listen on local port {self.port}",
                hint="ports under 1024 need privileges: choose a higher one",
            )
        where = f"{self.host}:{self.port}"
        return ClusterError(f"cannot listen on {where}: {error.strerror or error}")
