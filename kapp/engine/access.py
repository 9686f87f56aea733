"""The way in for kubectl and libraries: TLS on loopback, and the kubeconfig that leads there.

Port, token and certificate stay what they were for the project's last engine, as long as the port
is free: a controller that is connected to an engine goes on with the next one, as it does when a
cluster's API server restarts. Who takes the port meanwhile gets no token: clients want to see the
certificate first.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from kapp.instance import Instance
from kapp.server.http import Server
from kapp.server.listeners import TlsListener
from kapp.server.tls import new_token, server_context, write_certificate, write_kubeconfig

CONTEXT = "kapp"
"""The context of the kubeconfig."""

_HOST = "127.0.0.1"
# Certificates are made for longer (kapp.server.tls); none expires while an engine runs.
_RENEWED_AFTER_S = 400 * 86400


class _Access(NamedTuple):
    """What a client needs to know; `port` 0 is any."""

    port: int
    token: str
    certificate: Path
    key: Path


async def open_access(server: Server, instance: Instance, now: datetime) -> None:
    """Listen where the last engine did, or anywhere, and write the kubeconfig (0600)."""
    access = _last(instance, now)
    if access is None:
        # It takes a moment, of which the loop is spared most.
        files = await asyncio.to_thread(write_certificate, Path(instance.directory), now)
        access = _Access(0, new_token(), *files)
    _, token, certificate, key = access
    try:
        await server.listen(TlsListener(token, certificate, key, _HOST, access.port))
    except OSError:
        if not access.port:
            raise
        await server.listen(TlsListener(token, certificate, key, _HOST))
    write_kubeconfig(
        Path(instance.kubeconfig),
        server=f"https://{_HOST}:{server.ports[0]}",
        ca=certificate.read_bytes(),
        token=token,
        context=CONTEXT,
    )


def _last(instance: Instance, now: datetime) -> _Access | None:
    """What the last engine's kubeconfig says, if all that belongs to it is there and fits."""
    certificate, key = (Path(instance.directory) / name for name in ("tls.crt", "tls.key"))
    try:
        config = json.loads(Path(instance.kubeconfig).read_bytes())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        port = int(cluster["server"].rpartition(":")[2])
        token = str(user["token"])
        if base64.b64decode(cluster["certificate-authority-data"]) != certificate.read_bytes():
            return None
        if now.timestamp() - certificate.stat().st_mtime > _RENEWED_AFTER_S:
            return None
        server_context(certificate, key)
    except (OSError, ssl.SSLError, ValueError, LookupError, TypeError):
        return None
    return _Access(port, token, certificate, key) if token and 0 < port < 65536 else None
