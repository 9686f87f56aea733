"""The connection to one cluster: made lazily, healed by itself, refreshed when credentials expire.

Making a `Connection` does nothing; `connect()` asks the server who it is. A cluster that is away
makes requests fail with Unreachable, and works again when it is back: there is no state to reset.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from kapp.cluster.credentials import Credential, credentials_for
from kapp.cluster.kubeconfig import KubeContext
from kapp.errors import ClusterError, ConfigError, KappError, Unreachable
from kapp.machinery.objects import Resource, uid_of
from kapp.machinery.status import ApiError
from kapp.runtime.remote import RemoteClient
from kapp.runtime.transport import HttpTransport, Permit

_NODES = Resource("", "v1", "nodes", "Node", False)
_NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
_USER_AGENT = "kapp"


class ServerInfo(NamedTuple):
    """What a cluster says about itself; `arch` is "" where kapp may not read nodes."""

    version: str
    arch: str
    product: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Connection:
    """One cluster, by its kubeconfig context.

    Args:
        context: see `kapp.cluster.kubeconfig.load`.
        now: wall time, for the expiry of credentials.
        permit: awaited before each write to the cluster; raises to prevent it.

    Attributes:
        client: objects over HTTP; usable before `connect()`.
        transport: what the client goes by, for streams and websockets.
        context: the kubeconfig context.
    """

    def __init__(
        self,
        context: KubeContext,
        *,
        now: Callable[[], datetime] = _utc_now,
        permit: Permit | None = None,
    ) -> None:
        self.context = context
        self._credentials = credentials_for(context, now)
        self._credential: Credential | None = None
        self._authorizing = asyncio.Lock()
        self._ssl = _ssl_context(context)
        headers = {"User-Agent": _USER_AGENT}
        if context.impersonate:
            headers["Impersonate-User"] = context.impersonate
        self.transport = HttpTransport(
            context.server,
            ssl=self._ssl,
            headers=headers,
            server_hostname=context.tls_server_name,
            proxy=context.proxy_url,
            authorize=self._authorize,
            permit=permit,
        )
        self.client = RemoteClient(self.transport)

    @property
    def name(self) -> str:
        """The context's name."""
        return self.context.context

    @property
    def namespace(self) -> str:
        """Where objects without a namespace go."""
        return self.context.namespace

    @property
    def product(self) -> str:
        """kind, minikube, kapp-embedded, …, or "" for anything else."""
        return self.context.product

    @property
    def is_local(self) -> bool:
        """Whether the production guard lets it pass."""
        return self.context.is_local

    async def connect(self) -> ServerInfo:
        """Ask the server who it is. Raises ClusterError, Unreachable, ConfigError."""
        try:
            version = await self.version()
            arch = await self._arch()
        except ApiError as e:
            raise self._refused(e) from e
        return ServerInfo(version, arch, self.product)

    async def version(self) -> str:
        """The server's version, such as `v1.36.2`. Raises ApiError, Unreachable."""
        answer = await self.client.get_json("/version")
        return str(answer.get("gitVersion") or "") if isinstance(answer, dict) else ""

    async def identity(self) -> str:
        """What tells this cluster from another at the same address; "" where it is not shown.

        The UID of the kube-system namespace, as is customary; for who may not see that one, of
        the namespace that is deployed to. Raises KappError.
        """
        for name in ("kube-system", self.namespace):
            try:
                return uid_of(await self.client.get(_NAMESPACES, name))
            except ApiError as e:
                if e.code not in (403, 404):
                    raise
        return ""

    async def close(self) -> None:
        """Close every connection."""
        await self.client.close()

    async def _arch(self) -> str:
        try:
            nodes = await self.client.list(_NODES)
        except ApiError:
            return ""  # not allowed to see nodes: nothing kapp needs
        infos = [((n.get("status") or {}).get("nodeInfo") or {}) for n in nodes.items]
        return next((str(i["architecture"]) for i in infos if i.get("architecture")), "")

    def _refused(self, error: ApiError) -> KappError:
        where = f"context {self.name} ({self.context.server})"
        if error.code == 401:
            return ClusterError(
                f"{where} does not accept the credentials in the kubeconfig",
                hint="they may have expired: log in again",
            )
        if error.code == 403:
            return ClusterError(f"{where} refuses this user: {error.message}")
        return Unreachable(f"{where} is not well: {error.message}")

    async def _authorize(self, refresh: bool) -> Mapping[str, str]:
        used = self._credential
        # One at a time: a request that went ahead of the certificate would leave a connection in
        # the pool on which the server takes everybody for anonymous.
        async with self._authorizing:
            credential = await self._credentials.get(refused=used if refresh else None)
            current = self._credential
            if credential is not current:
                if credential.cert and (current is None or credential.cert != current.cert):
                    await self._use_certificate(credential, first=current is None)
                self._credential = credential
        return credential.headers

    async def _use_certificate(self, credential: Credential, *, first: bool) -> None:
        if self._ssl is None:
            return
        await asyncio.to_thread(_load_certificate, self._ssl, credential.cert, credential.key)
        if not first:
            # Connections keep the certificate they were opened with; new requests get new ones.
            self.transport.retire_session()


def _ssl_context(context: KubeContext) -> ssl.SSLContext | None:
    if not context.server.startswith("https:"):
        return None
    try:
        made = ssl.create_default_context(cadata=context.ca.decode() if context.ca else None)
    except (ssl.SSLError, ValueError) as e:
        raise ConfigError(
            f"the certificate-authority of cluster {context.cluster} is not a PEM certificate"
        ) from e
    # Clusters' own authorities often lack what RFC 5280 asks of one; Go does not insist either.
    made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if context.insecure_skip_tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def _load_certificate(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Python's ssl reads client certificates from files only: a private one, for a moment."""
    handle, path = tempfile.mkstemp(prefix="kapp-cert-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(cert + b"\n" + key)
        context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as e:
        raise ConfigError(f"the client certificate or its key cannot be used: {e}") from e
    finally:
        os.unlink(path)
