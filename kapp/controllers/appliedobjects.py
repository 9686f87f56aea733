"""The applied objects as they are in the cluster now. A cache of watches, no state.

One reflector for each kind and namespace, restricted to the project's own objects by the label that
every applied object has. Tells whose object changed by its annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kapp.cluster.prepare import PART_OF_LABEL, RESOURCE_ANNOTATION
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    annotations_of,
    display_name,
    gvk_of,
    key_of,
    labels_of,
    metadata_of,
    uid_of,
)
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import ChangeType, Reflector

# They are ready as soon as they exist, so nothing about them needs to be watched.
_ALWAYS_READY = frozenset(
    {
        "ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ClusterRole",
        "ClusterRoleBinding", "LimitRange", "PriorityClass", "StorageClass", "RuntimeClass",
        "NetworkPolicy", "IngressClass", "EndpointSlice", "Endpoints",
    }
)  # fmt: skip

_Place = tuple[str, Resource, str, str]


class _Followed(NamedTuple):
    """An object as the apply returned it, and where it is watched (None if it is not)."""

    returned: Object
    place: _Place | None


def without_managed_fields(obj: Object) -> Object:
    """What is cached of a cluster's object: managedFields are half of it and never read."""
    meta = {key: value for key, value in metadata_of(obj).items() if key != "managedFields"}
    return {**obj, "metadata": meta}


class AppliedObjects:
    """Follows what the KubernetesApplys applied.

    Args:
        manager: runs the reflectors.
        connections: the clusters.
        wake: called with the KubernetesApply whose object changed.
    """

    def __init__(
        self, manager: Manager, connections: Connections, wake: Callable[[ObjectKey], None]
    ) -> None:
        self._manager = manager
        self._connections = connections
        self._wake = wake
        self._followed: dict[str, list[_Followed]] = {}
        self._reflectors: dict[_Place, Reflector] = {}
        self._handles: dict[str, ClusterHandle | None] = {}
        self._deleted: set[str] = set()

    def follow(self, name: str, cluster: str, returned: Sequence[Object]) -> None:
        """Follow what the KubernetesApply `name` applied, and nothing that it applied before."""
        for obj in returned:
            self._deleted.discard(uid_of(obj))
        self._followed[name] = [_Followed(obj, self._place(cluster, obj)) for obj in returned]

    async def renew(self, cluster: str) -> None:
        """Watch nothing through a connection that was replaced."""
        handle = self._connections.get(cluster)
        if self._handles.get(cluster) is handle:
            return
        self._handles[cluster] = handle
        old = [place for place in self._reflectors if place[0] == cluster]
        for reflector in [self._reflectors.pop(place) for place in old]:
            await self._manager.release(reflector)

    def drop(self, name: str) -> None:
        """Follow nothing of `name`."""
        self._followed.pop(name, None)

    def of(self, name: str) -> list[Object]:
        """The objects of a KubernetesApply, as new as they are known, in the order of apply."""
        return [self._newest(one) for one in self._followed.get(name) or ()]

    def deleted(self, name: str) -> list[str]:
        """Display names of its objects that somebody else deleted."""
        followed = self._followed.get(name) or ()
        gone = [one.returned for one in followed if uid_of(one.returned) in self._deleted]
        return [display_name(obj) for obj in gone]

    def _place(self, cluster: str, obj: Object) -> _Place | None:
        handle, part_of = self._connections.get(cluster), labels_of(obj).get(PART_OF_LABEL, "")
        if handle is None or obj.get("kind") in _ALWAYS_READY or not part_of:
            return None
        resource = handle.mapping.find(gvk_of(obj))
        if resource is None:
            return None
        place = (cluster, resource, key_of(obj).namespace, part_of)
        if place not in self._reflectors:
            reflector = self._manager.reflector(
                handle.connection.client,
                resource,
                key_of(obj).namespace,
                f"{PART_OF_LABEL}={part_of}",
                transform=without_managed_fields,
            )
            self._reflectors[place] = reflector
            reflector.subscribe(self._on_change)
        return place

    def _on_change(self, change: ChangeType, obj: Object, _old: Object | None) -> None:
        if change == "DELETED":
            self._deleted.add(uid_of(obj))
        if name := annotations_of(obj).get(RESOURCE_ANNOTATION):
            self._wake(ObjectKey("", name))

    def _newest(self, one: _Followed) -> Object:
        reflector = self._reflectors.get(one.place) if one.place is not None else None
        if reflector is None:
            return one.returned
        cached = reflector.get(key_of(one.returned))
        if cached is None or uid_of(cached) != uid_of(one.returned):
            return one.returned
        if _generation(cached) < _generation(one.returned):
            return one.returned  # the watch has not caught up with the apply
        return cached


def _generation(obj: Object) -> int:
    return int(metadata_of(obj).get("generation") or 0)
