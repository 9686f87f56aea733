"""The applied objects as they are in the cluster now, and what others did to them.

A cache of watches, no state. One reflector for each kind and namespace, restricted to the project's
own objects by the label that every applied object has, and one for each object that is only
attached to; what may not be watched is believed to be as the apply returned it. Tells whose object
changed by its UID.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from kapp.aio.supervise import TaskGroup
from kapp.cluster.drift import Drift, changes, is_newer, owned_paths, without_own_fields
from kapp.cluster.prepare import PART_OF_LABEL
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.errors import KappError
from kapp.machinery.fieldpath import Path
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    display_name,
    gvk_of,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    uid_of,
)
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import ChangeType, Reflector

_Place = tuple[str, Resource, str, str, str]
"""Cluster, resource, namespace, label selector, field selector."""


class _Followed(msgspec.Struct, eq=False):
    """An object as the apply returned it, and where it is watched (None if it is not).

    `owned` are the paths whose change is drift, once they were needed.
    """

    returned: Object
    place: _Place | None
    owned: list[Path] | None = None


class AppliedObjects:
    """Follows what the KubernetesApplys applied.

    Args:
        manager: runs the reflectors.
        connections: the clusters.
        wake: called with the KubernetesApply whose object changed.
        on_health: called with the Cluster when a watch breaks or heals.
    """

    def __init__(
        self,
        manager: Manager,
        connections: Connections,
        wake: Callable[[ObjectKey], None],
        on_health: Callable[[ObjectKey], None],
    ) -> None:
        self._manager = manager
        self._connections = connections
        self._wake = wake
        self._on_health = on_health
        self._tasks = TaskGroup("applied objects")
        self._followed: dict[str, list[_Followed]] = {}
        self._names: dict[str, set[str]] = {}
        self._reflectors: dict[_Place, Reflector] = {}
        self._handles: dict[str, ClusterHandle | None] = {}
        self._deleted: set[str] = set()
        # Those that are there, but have lost the label by which they are watched.
        self._unlabelled: dict[str, Object] = {}

    def follow(
        self, name: str, cluster: str, returned: Sequence[Object], *, attached: bool = False
    ) -> None:
        """Follow what the KubernetesApply `name` applied, and nothing that it applied before.

        `attached`: it is not the project's own, so no label leads to it.
        """
        self.drop(name)
        for obj in returned:
            self._names.setdefault(uid_of(obj), set()).add(name)
        self._followed[name] = [
            _Followed(obj, self._place(cluster, obj, attached=attached)) for obj in returned
        ]

    async def renew(self, cluster: str) -> None:
        """Watch nothing through a connection that was replaced."""
        handle = self._connections.get(cluster)
        if self._handles.get(cluster) is handle:
            return
        self._handles[cluster] = handle
        old = [place for place in self._reflectors if place[0] == cluster]
        for reflector in [self._reflectors.pop(place) for place in old]:
            await self._manager.release(reflector)

    async def close(self) -> None:
        """End what is being looked up; the manager ends the watches."""
        await self._tasks.close()

    def drop(self, name: str) -> None:
        """Follow nothing of `name`."""
        for one in self._followed.pop(name, ()):
            if one.place is not None and one.place[-1]:
                self._unwatch(one.place)
            uid = uid_of(one.returned)
            names = self._names.get(uid, set())
            names.discard(name)
            if names:
                continue
            self._names.pop(uid, None)
            self._deleted.discard(uid)
            self._unlabelled.pop(uid, None)

    def of(self, name: str) -> list[Object]:
        """The objects of a KubernetesApply, as new as they are known, in the order of apply."""
        return [self._newest(one) for one in self._followed.get(name) or ()]

    def deleted(self, name: str) -> list[str]:
        """Display names of its objects that somebody else deleted."""
        followed = self._followed.get(name) or ()
        gone = [one.returned for one in followed if uid_of(one.returned) in self._deleted]
        return [display_name(obj) for obj in gone]

    def drift(self, name: str) -> list[Drift]:
        """What somebody else deleted, or changed of what the apply said."""
        found = []
        for one in self._followed.get(name) or ():
            if uid_of(one.returned) in self._deleted:
                found.append(Drift(one.returned, None))
                continue
            live = self._newest(one)
            if live is one.returned or is_deleting(live):
                continue
            if one.owned is None:
                one.owned = owned_paths(one.returned)
            if changed := changes(one.returned, live, one.owned):
                found.append(Drift(one.returned, changed))
        return found

    def error(self, name: str) -> str:
        """Why its objects are not known as they are now, or ""."""
        for one in self._followed.get(name) or ():
            reflector = self._reflectors.get(one.place) if one.place is not None else None
            if reflector is not None and reflector.error and not reflector.refused:
                return reflector.error
        return ""

    def _place(self, cluster: str, obj: Object, *, attached: bool) -> _Place | None:
        handle, part_of = self._connections.get(cluster), labels_of(obj).get(PART_OF_LABEL, "")
        if handle is None or not (part_of or attached):
            return None
        by_label, by_field = f"{PART_OF_LABEL}={part_of}", ""
        if attached:
            by_label, by_field = "", f"metadata.name={key_of(obj).name}"
        resource = handle.mapping.find(gvk_of(obj))
        if resource is None:
            return None
        place = (cluster, resource, key_of(obj).namespace, by_label, by_field)
        if place not in self._reflectors:
            reflector = self._manager.reflector(
                handle.connection.client,
                resource,
                key_of(obj).namespace,
                by_label,
                by_field,
                transform=without_own_fields,
            )
            self._reflectors[place] = reflector
            reflector.subscribe(lambda *change: self._on_change(place, *change))
            reflector.subscribe_health(lambda _: self._health_changed(place))
        return place

    def _unwatch(self, place: _Place) -> None:
        """End the watch of one object, unless others are attached to it."""
        if all(one.place != place for others in self._followed.values() for one in others):
            if (reflector := self._reflectors.pop(place, None)) is not None:
                self._tasks.spawn(self._manager.release(reflector), "end a watch")

    def _on_change(
        self, place: _Place, change: ChangeType, obj: Object, _old: Object | None
    ) -> None:
        uid = uid_of(obj)
        if uid not in self._names:
            return
        if change == "DELETED":
            self._tasks.spawn(self._look(place, obj), f"look at {display_name(obj)}")
            return
        self._unlabelled.pop(uid, None)
        self._wake_all(uid)

    async def _look(self, place: _Place, obj: Object) -> None:
        """Whether an object that left its watch is gone, or has lost its label only."""
        handle, uid = self._connections.get(place[0]), uid_of(obj)
        namespace, name = key_of(obj)
        live: Object | None = None
        try:
            if handle is not None:
                live = await handle.connection.client.get(place[1], name, namespace)
        except KappError:
            live = None  # not found; or not to be asked, and the watch has said that it is gone
        if uid not in self._names:
            return
        if live is not None and uid_of(live) == uid:
            self._unlabelled[uid] = without_own_fields(live)
        else:
            self._deleted.add(uid)
        self._wake_all(uid)

    def _wake_all(self, uid: str) -> None:
        for name in list(self._names[uid]):
            self._wake(ObjectKey("", name))

    def _health_changed(self, place: _Place) -> None:
        reflector = self._reflectors.get(place)
        if reflector is not None and reflector.refused:
            # Asking again and again would not help; the next apply does once.
            del self._reflectors[place]
            self._tasks.spawn(self._manager.release(reflector), "give up a watch")
        self._on_health(ObjectKey("", place[0]))
        for name, followed in self._followed.items():
            if any(one.place == place for one in followed):
                self._wake(ObjectKey("", name))

    def _newest(self, one: _Followed) -> Object:
        if (unlabelled := self._unlabelled.get(uid_of(one.returned))) is not None:
            return unlabelled
        reflector = self._reflectors.get(one.place) if one.place is not None else None
        if reflector is None:
            return one.returned
        cached = reflector.get(key_of(one.returned))
        if cached is None or uid_of(cached) != uid_of(one.returned):
            return one.returned
        if not is_newer(cached, one.returned) or _generation(cached) < _generation(one.returned):
            return one.returned  # the watch has not caught up with the apply
        return cached


def _generation(obj: Object) -> int:
    return int(metadata_of(obj).get("generation") or 0)
