"""Cluster: connects, and says whether the cluster answers. It heals by itself.

Woken by its own objects and by its own clock. Others get the connection from
`kapp.controllers.connections` and do not wait for this reconciler.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.cluster import (
    Cluster,
    ClusterConnectionStatus,
    ClusterStatus,
    KubernetesClusterConnection,
    KubernetesClusterConnectionStatus,
)
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.errors import ConfigError, KappError
from kapp.machinery.objects import ObjectKey, format_micro_time

# A cluster that is away is asked this often; one that answers, to notice that it went away.
AWAY_INTERVAL_S = 1.0
ALIVE_INTERVAL_S = 30.0


class ClusterReconciler:
    """Reconciles Clusters.

    Args:
        objects: kapp's API.
        connections: where the connections are kept.
        now: wall time.
    """

    def __init__(
        self, objects: TypedClient, connections: Connections, now: Callable[[], datetime]
    ) -> None:
        self._objects = objects
        self._connections = connections
        self._now = now

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Ask the cluster who it is, and write that down."""
        cluster = await self._objects.get(Cluster, key.name)
        if cluster is None:
            await self._connections.drop(key.name)
            return None
        before = encode(cluster)
        spec = cluster.spec.connection.kubernetes or KubernetesClusterConnection()
        try:
            handle = await self._connections.open(key.name, spec)
        except ConfigError as error:
            cluster.status = ClusterStatus(error=error.one_line())
            await self._objects.write_status(cluster, before)
            return None
        cluster.status = await self._ask(handle, cluster.status.connected_at)
        await self._objects.write_status(cluster, before)
        return AWAY_INTERVAL_S if cluster.status.error else ALIVE_INTERVAL_S

    async def _ask(self, handle: ClusterHandle, connected_at: str) -> ClusterStatus:
        context = handle.connection.context
        status = ClusterStatus(
            product=handle.connection.product,
            connection=ClusterConnectionStatus(
                kubernetes=KubernetesClusterConnectionStatus(
                    context=context.context, namespace=context.namespace, cluster=context.cluster
                )
            ),
        )
        try:
            info = await handle.connection.connect()
        except KappError as error:
            status.error = error.one_line()
            return status
        status.version, status.arch = info.version, info.arch
        status.connected_at = connected_at or format_micro_time(self._now())
        return status
