"""Who may send a request: Host and Origin first, then the bearer token. Pure.

A web page can make a browser send requests to loopback. Two checks stop it before any handler
runs: Host must be an address that this listener goes by (a rebound DNS name is not), and Origin,
which browsers set and kubectl does not, must be the listener itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence

from kapp.machinery.status import ApiError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
ANONYMOUS_PATHS = frozenset(["/readyz", "/livez"])

_BEARER = "bearer "
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Guard:
    """The checks of one listener.

    Args:
        scheme: `https`, or `http` for a Unix socket.
        names: host names that the listener goes by, without port.
        port: where it listens; 0 for a Unix socket, whose Host has no port.
        token: what a request must bear; "" where the socket's permissions are the check.
    """

    def __init__(self, scheme: str, names: Iterable[str], port: int, token: str) -> None:
        self._hosts = frozenset(_with_port(scheme, name.lower(), port) for name in names)
        if port and port == _DEFAULT_PORTS.get(scheme):
            self._hosts |= frozenset(name.lower() for name in names)
        self._origins = frozenset(f"{scheme}://{host}" for host in self._hosts)
        self._token = token.encode()

    def check(
        self,
        path: str,
        hosts: Sequence[str],
        origins: Sequence[str],
        authorizations: Sequence[str],
    ) -> None:
        """Let a request pass; each header is given with all its values.

        Raises ApiError: 403 for a foreign Host or Origin, 401 for a missing or wrong token.
        """
        if len(hosts) != 1 or hosts[0].strip().lower() not in self._hosts:
            raise _forbidden("the Host header names another server")
        if any(origin.strip().lower() not in self._origins for origin in origins):
            raise _forbidden("requests from web pages are not served")
        if path in ANONYMOUS_PATHS or not self._token:
            return
        if len(authorizations) != 1 or not self._bears_token(authorizations[0]):
            raise ApiError(401, "Unauthorized", "Unauthorized")

    def _bears_token(self, authorization: str) -> bool:
        if authorization[: len(_BEARER)].lower() != _BEARER:
            return False
        sent = authorization[len(_BEARER) :].strip().encode("utf-8", "surrogateescape")
        return hmac.compare_digest(sent, self._token)


def _with_port(scheme: str, name: str, port: int) -> str:
    return f"{name}:{port}" if port else name


def _forbidden(why: str) -> ApiError:
    return ApiError(403, "Forbidden", f"Forbidden: {why}")
