"""The connections to clusters, by the name of the Cluster object. Handles only: no state.

Every reconciler that talks to a cluster gets its connection here. Making one does nothing on the
wire, so a dead cluster delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from kapp.api.v1alpha1.cluster import KubernetesClusterConnection
from kapp.cluster.connection import Connection
from kapp.cluster.kubeconfig import KubeContext
from kapp.cluster.mapping import RestMapping

DEFAULT = "default"
"""The name of the Cluster that the engine was started for."""


class ClusterHandle(msgspec.Struct, frozen=True, eq=False):
    """A connection and what is known of the API behind it."""

    spec: KubernetesClusterConnection
    connection: Connection
    mapping: RestMapping


class Connections:
    """Clusters' connections.

    Args:
        resolve: the kubeconfig's context for what a Cluster's spec names, read again from the file
            if the second argument is True; raises ConfigError.
        permit: awaited before each write to a cluster; raises to prevent it.
    """

    def __init__(
        self,
        resolve: Callable[[KubernetesClusterConnection, bool], KubeContext],
        permit: Callable[[KubeContext], Awaitable[None]],
    ) -> None:
        self._resolve = resolve
        self._permit = permit
        self._handles: dict[str, ClusterHandle] = {}

    def get(self, name: str) -> ClusterHandle | None:
        """The handle of a cluster that `open` was called for."""
        return self._handles.get(name)

    def names(self) -> list[str]:
        """The clusters that `open` was called for."""
        return list(self._handles)

    async def open(self, name: str, spec: KubernetesClusterConnection) -> ClusterHandle:
        """The handle; a new one if the spec is another than before. Raises ConfigError."""
        handle = self._handles.get(name)
        if handle is None or handle.spec != spec:
            handle = await self._replace(name, spec, self._resolve(spec, False))
        return handle

    async def renew(self, name: str) -> bool:
        """Read the kubeconfig again: whether there is a new handle, as the old one led nowhere.

        Raises ConfigError.
        """
        handle = self._handles[name]
        context = self._resolve(handle.spec, True)
        if context == handle.connection.context:
            return False
        await self._replace(name, handle.spec, context)
        return True

    async def start_anew(self, name: str) -> None:
        """A new handle to the same server: nothing that was known of it holds any more."""
        handle = self._handles[name]
        await self._replace(name, handle.spec, handle.connection.context)

    async def _replace(
        self, name: str, spec: KubernetesClusterConnection, context: KubeContext
    ) -> ClusterHandle:
        connection = Connection(context, permit=lambda: self._permit(context))
        handle = ClusterHandle(spec, connection, RestMapping(connection.client))
        old = self._handles.get(name)
        self._handles[name] = handle
        if old is not None:
            await old.connection.close()
        return handle

    async def drop(self, name: str) -> None:
        """Close one; fine if there is none."""
        if (handle := self._handles.pop(name, None)) is not None:
            await handle.connection.close()

    async def close(self) -> None:
        """Close all."""
        await asyncio.gather(*(self.drop(name) for name in list(self._handles)))
