"""Who kapp is to a cluster: headers and client certificates, with expiry and refresh.

Exec plugins are run here, by their protocol (client.authentication.k8s.io): it is small, and this
way `kubernetes` is not imported for them. The legacy auth providers are left to
`kapp.cluster.kube_credentials`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from kapp.cluster.kubeconfig import KubeContext
from kapp.errors import ClusterError, ConfigError
from kapp.machinery.objects import parse_time

# client-go reads a token file again after a minute: projected tokens rotate.
_TOKEN_FILE_TTL = timedelta(minutes=1)
# Ask for new credentials this long before the old ones expire, so that no request meets the edge.
_EXPIRY_MARGIN = timedelta(seconds=10)
# A plugin that waits for a login nobody sees must not hang for ever.
EXEC_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What to authenticate with; `cert` and `key` are PEM, or both empty."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    cert: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires_at: datetime | None = None


class Credentials(Protocol):
    """A source of credentials that may expire."""

    async def fetch(self) -> Credential:
        """New credentials. Raises ConfigError, ClusterError."""
        ...


class CredentialCache:
    """Asks its source only when there is nothing valid, and once for all who wait."""

    def __init__(self, source: Credentials, now: Callable[[], datetime]) -> None:
        self._source = source
        self._now = now
        self._lock = asyncio.Lock()
        self._current: Credential | None = None

    async def get(self, *, refused: Credential | None = None) -> Credential:
        """What is valid; `refused` is one that the server just rejected."""
        async with self._lock:
            current = self._current
            if current is not None and current is not refused:
                expires = current.expires_at
                if expires is None or self._now() < expires - _EXPIRY_MARGIN:
                    return current
            self._current = await self._source.fetch()
            return self._current


def credentials_for(context: KubeContext, now: Callable[[], datetime]) -> CredentialCache:
    """The credentials of a context. Precedence as in client-go: a token wins over plugins."""
    source: Credentials
    if context.token_file:
        source = TokenFile(context, now)
    elif context.token or context.username or not (context.exec or context.auth_provider):
        source = Static(context)
    elif context.exec:
        source = ExecPlugin(context)
    else:
        from kapp.cluster.kube_credentials import AuthProvider

        source = AuthProvider(context, now)
    return CredentialCache(source, now)


class Static:
    """Token, user name and password, client certificate: whatever the kubeconfig itself holds."""

    def __init__(self, context: KubeContext) -> None:
        self._context = context

    async def fetch(self) -> Credential:
        """Always the same."""
        context = self._context
        headers = {}
        if context.token:
            headers = bearer(context.token)
        elif context.username:
            pair = f"{context.username}:{context.password}".encode()
            headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return Credential(headers=headers, cert=context.cert, key=context.key)


class TokenFile:
    """A token that something else keeps fresh in a file."""

    def __init__(self, context: KubeContext, now: Callable[[], datetime]) -> None:
        self._context = context
        self._now = now

    async def fetch(self) -> Credential:
        """Read the file. Raises ConfigError."""
        path = Path(self._context.token_file)
        try:
            token = path.read_text().strip()
        except OSError as e:
            raise ConfigError(
                f"cannot read the token file: {e.strerror}", location=str(path)
            ) from e
        return Credential(
            headers=bearer(token),
            cert=self._context.cert,
            key=self._context.key,
            expires_at=self._now() + _TOKEN_FILE_TTL + _EXPIRY_MARGIN,
        )


class ExecPlugin:
    """A command that prints an ExecCredential.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """

    def __init__(self, context: KubeContext) -> None:
        self._context = context
        self._spec = context.exec or {}

    async def fetch(self) -> Credential:
        """Run the plugin. Raises ConfigError when it cannot run, ClusterError when it fails."""
        output = await self._run()
        try:
            answer = json.loads(output)
            status = answer["status"]
            token, cert = status.get("token") or "", status.get("clientCertificateData") or ""
            key = status.get("clientKeyData") or ""
            expires = status.get("expirationTimestamp")
            expires_at = parse_time(expires) if expires else None
        except (ValueError, KeyError, AttributeError, TypeError) as e:
            raise ClusterError(
                f"the credential plugin {self._command} printed no ExecCredential",
                hint=f"run it by hand: {' '.join(self._argv)}",
            ) from e
        if not token and not (cert and key):
            raise ClusterError(
                f"the credential plugin {self._command} gave neither a token nor a certificate",
                hint=f"run it by hand: {' '.join(self._argv)}",
            )
        if expires_at is not None and expires_at.tzinfo is None:
            expires_at = expires_at.replace(tzinfo=UTC)
        return Credential(
            headers=bearer(token) if token else {},
            cert=cert.encode() or self._context.cert,
            key=key.encode() or self._context.key,
            expires_at=expires_at,
        )

    @property
    def _command(self) -> str:
        return str(self._spec.get("command") or "")

    @property
    def _argv(self) -> list[str]:
        command = self._command
        if os.sep in command and not os.path.isabs(command):
            command = os.path.join(self._context.directory, command)
        return [command, *(str(arg) for arg in self._spec.get("args") or ())]

    async def _run(self) -> bytes:
        env = {**os.environ, "KUBERNETES_EXEC_INFO": json.dumps(self._info())}
        env |= {str(e["name"]): str(e.get("value") or "") for e in self._spec.get("env") or ()}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=env,
            )
        except OSError as e:
            raise ConfigError(
                f"cannot run the credential plugin {self._command!r}: {e.strerror}",
                hint=str(self._spec.get("installHint") or "").strip()
                or f"install it, or choose another user for context {self._context.context}",
            ) from e
        try:
            async with asyncio.timeout(EXEC_TIMEOUT_S):
                out, err = await process.communicate()
        except TimeoutError as e:
            raise ClusterError(
                f"the credential plugin {self._command} did not end within {EXEC_TIMEOUT_S:.0f} s",
                hint="it may be waiting for a login: run kubectl get namespaces once",
            ) from e
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            last = err.decode(errors="replace").strip().splitlines()[-1:]
            why = f": {last[0]}" if last else f" (exit code {process.returncode})"
            raise ClusterError(
                f"the credential plugin {self._command} failed{why}",
                hint=f"run it by hand: {' '.join(self._argv)}",
            )
        return out

    def _info(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"interactive": False}
        if self._spec.get("provideClusterInfo"):
            spec["cluster"] = self._cluster()
        return {
            "apiVersion": self._spec.get("apiVersion") or "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "spec": spec,
        }

    def _cluster(self) -> dict[str, Any]:
        context = self._context
        cluster: dict[str, Any] = {"server": context.server}
        if context.ca:
            cluster["certificate-authority-data"] = base64.b64encode(context.ca).decode()
        if context.tls_server_name:
            cluster["tls-server-name"] = context.tls_server_name
        if context.insecure_skip_tls_verify:
            cluster["insecure-skip-tls-verify"] = True
        for extension in context.cluster_info.get("extensions") or ():
            if extension.get("name") == "client.authentication.k8s.io/exec":
                cluster["config"] = extension.get("extension")
        return cluster


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
