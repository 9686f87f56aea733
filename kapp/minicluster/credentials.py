"""The cluster's certificate and token: made once, kept so that a kubeconfig outlives a restart."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

from kapp.minicluster.statedir import StateDirectory
from kapp.server.tls import new_token, write_certificate, write_private

_RENEW_BEFORE = timedelta(days=30)
"""A certificate this near to its end is replaced at start: clusters run for weeks, not months."""


def ensure(directory: StateDirectory, now: Callable[[], datetime]) -> str:
    """Make what is missing or about to expire; returns the token. Blocks for up to 0.2 s."""
    directory.credentials.mkdir(mode=0o700, exist_ok=True)
    if not _is_usable(directory, now()):
        write_certificate(directory.credentials, now())
    try:
        token = directory.token.read_text().strip()
    except FileNotFoundError:
        token = ""
    if not token:
        token = new_token()
        write_private(directory.token, token.encode())
    return token


def _is_usable(directory: StateDirectory, now: datetime) -> bool:
    """Whether there are a key and a certificate that holds for a while.

    Read with the standard library, without importing `cryptography`.
    """
    if not directory.key.exists():
        return False
    try:
        # A context that trusts the certificate can tell what is in it.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(str(directory.certificate))
        (found,) = context.get_ca_certs()
        ends_s = ssl.cert_time_to_seconds(str(found["notAfter"]))
    except (OSError, ValueError, KeyError):
        return False
    return ends_s > (now + _RENEW_BEFORE).timestamp()
