"""Cluster: connects, and says whether the cluster answers. It heals by itself.

A cluster that was made anew, at another address or with other certificates (then the kubeconfig
tells), or under the same ones (then the UID of its kube-system namespace does), gets a new handle
in `kapp.controllers.connections`: whoever finds that its handle is another one begins from nothing.

Woken by its own objects, by watches that break or heal, and by its own clock. Others get the
connection from `kapp.controllers.connections` and do not wait for this reconciler.
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
from kapp.api.v1alpha1.kappfile import MAIN
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.controllers.logsink import LogSink
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
        log: where it is said that a cluster went away, came back, or is another one.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        connections: Connections,
        log: LogSink,
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._connections = connections
        self._log = log
        self._now = now
        self._identities: dict[str, str] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Ask the cluster who it is, and write that down."""
        cluster = await self._objects.get(Cluster, key.name)
        if cluster is None:
            await self._connections.drop(key.name)
            self._identities.pop(key.name, None)
            return None
        before = encode(cluster)
        spec = cluster.spec.connection.kubernetes or KubernetesClusterConnection()
        try:
            handle = await self._connections.open(key.name, spec)
        except ConfigError as error:
            cluster.status = ClusterStatus(error=error.one_line())
            await self._objects.write_status(cluster, before)
            return None
        old, cluster.status = cluster.status, await self._ask(handle, cluster.status.connected_at)
        if await self._is_another(key.name, handle, cluster.status):
            self._log.write(MAIN, f"cluster {handle.connection.name} was made anew: applying all\n")
            handle = self._connections.get(key.name) or handle
            cluster.status = await self._ask(handle, "")
        self._say(handle, old, cluster.status)
        await self._objects.write_status(cluster, before)
        return AWAY_INTERVAL_S if cluster.status.error else ALIVE_INTERVAL_S

    async def _is_another(self, name: str, handle: ClusterHandle, status: ClusterStatus) -> bool:
        """Whether there is a new handle, because the cluster is not the one it was."""
        if status.error:
            try:
                return await self._connections.renew(name)
            except ConfigError:
                return False  # a kubeconfig that is being written, or gone with its cluster
        try:
            identity = await handle.connection.identity()
        except KappError:
            return False
        known = self._identities.setdefault(name, identity)
        if not identity or identity == known:
            return False
        self._identities[name] = identity
        await self._connections.start_anew(name)
        return True

    def _say(self, handle: ClusterHandle, old: ClusterStatus, new: ClusterStatus) -> None:
        name = handle.connection.name
        if new.error and new.error != old.error:
            self._log.write(MAIN, f"cluster {name} is away, trying again: {new.error}\n")
        elif old.error and not new.error:
            self._log.write(MAIN, f"cluster {name} answers again\n")

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
