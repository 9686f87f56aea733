"""The legacy auth providers (`user.auth-provider`: oidc, gcp), through the `kubernetes` package.

The only file that imports it: at first use and in a thread, because the import takes a quarter of
a second, and refreshing a token makes blocking requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from kapp.cluster.credentials import Credential
from kapp.cluster.kubeconfig import KubeContext
from kapp.errors import ClusterError

# The package keeps the expiry to itself; asking it again is cheap, as it refreshes only when due.
_ASK_AGAIN = timedelta(minutes=5)


class AuthProvider:
    """Asks the `kubernetes` package to do what its auth providers do."""

    def __init__(self, context: KubeContext, now: Callable[[], datetime]) -> None:
        self._context = context
        self._now = now

    async def fetch(self) -> Credential:
        """A fresh token. Raises ClusterError."""
        name = (self._context.auth_provider or {}).get("name")
        try:
            header = await asyncio.to_thread(self._authorization)
        except Exception as e:
            raise ClusterError(
                f"the auth provider {name} gave no token: {e}",
                hint="log in again with the tool that made the kubeconfig",
            ) from e
        if not header:
            raise ClusterError(
                f"the auth provider {name} gave no token",
                hint="kubectl dropped most auth providers in 1.26: use an exec plugin instead",
            )
        return Credential(headers={"Authorization": header}, expires_at=self._now() + _ASK_AGAIN)

    def _authorization(self) -> str:
        from kubernetes.client import Configuration
        from kubernetes.config.kube_config import KubeConfigLoader

        configuration = Configuration()
        loader: Any = KubeConfigLoader
        loader(self._document(), active_context="kapp").load_and_set(configuration)
        # The name of the key changed between releases of the package.
        keys = configuration.api_key
        return str(keys.get("BearerToken") or keys.get("authorization") or "")

    def _document(self) -> dict[str, Any]:
        """A kubeconfig that holds this one user."""
        return {
            "current-context": "kapp",
            "contexts": [{"name": "kapp", "context": {"cluster": "kapp", "user": "kapp"}}],
            "clusters": [{"name": "kapp", "cluster": {"server": self._context.server}}],
            "users": [{"name": "kapp", "user": {"auth-provider": self._context.auth_provider}}],
        }
