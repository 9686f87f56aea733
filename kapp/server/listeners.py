"""Where a server listens: a Unix socket, or TLS on loopback. Used by `http.serve`."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from kapp.server.auth import LOOPBACK_NAMES, Guard
from kapp.server.tls import server_context

UNIX_HOST = "kapp"
"""The Host of requests over a Unix socket, beside localhost."""

BACKLOG = 1024
"""Connections that wait to be accepted: a Unix socket refuses more than these outright."""

_SOCKET_MODE = 0o600


class UnixListener(msgspec.Struct, frozen=True):
    """A Unix socket (0600); whoever may open it is let in. Its directory should be 0700."""

    path: Path

    def bind(self) -> socket.socket:
        """The socket, listening; a stale one at the path is replaced. Raises OSError."""
        with suppress(FileNotFoundError):
            self.path.unlink()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(str(self.path))
            # Nobody can connect before it listens, so there is no moment with other permissions.
            os.chmod(self.path, _SOCKET_MODE)
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
        return sock

    def guard(self, port: int, allowed_hosts: Sequence[str]) -> Guard:
        """Its checks: Host and Origin only."""
        return Guard("http", (UNIX_HOST, "localhost", *allowed_hosts), port, "")

    def ssl_context(self) -> ssl.SSLContext | None:
        """No TLS."""
        return None


class TlsListener(msgspec.Struct, frozen=True):
    """TLS on a TCP address; every request but the health checks must bear the token.

    Attributes:
        token: the bearer token.
        certificate_file: PEM, with the key's in `key_file`; see `tls.write_certificate`.
        host: an IP address.
        port: 0 for any free one.
    """

    token: str
    certificate_file: Path
    key_file: Path
    host: str = "127.0.0.1"
    port: int = 0

    def bind(self) -> socket.socket:
        """The socket, listening. Raises OSError."""
        if not self.token:
            raise ValueError("a TLS listener needs a token")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host, self.port))
            sock.listen(BACKLOG)
        except BaseException:
            sock.close()
            raise
        return sock

    def guard(self, port: int, allowed_hosts: Sequence[str]) -> Guard:
        """Its checks: Host, Origin and token."""
        return Guard("https", (*LOOPBACK_NAMES, *allowed_hosts), port, self.token)

    def ssl_context(self) -> ssl.SSLContext | None:
        """The certificate."""
        return server_context(self.certificate_file, self.key_file)
