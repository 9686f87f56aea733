"""The project's inventory in each cluster. Handles only: the record itself is in the cluster."""

from __future__ import annotations

from kapp.cluster.inventory import Inventory
from kapp.controllers.connections import ClusterHandle


class Inventories:
    """Inventories of one project, by the name of the Cluster object."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._made: dict[str, tuple[ClusterHandle, Inventory]] = {}

    def of(self, cluster: str, handle: ClusterHandle) -> Inventory:
        """The inventory in that cluster; a new one when its connection is another."""
        made = self._made.get(cluster)
        if made is None or made[0] is not handle:
            connection = handle.connection
            inventory = Inventory(
                connection.client,
                handle.mapping,
                project=self._project,
                namespace=connection.namespace,
            )
            made = self._made[cluster] = (handle, inventory)
        return made[1]
