"""The pods of each resource, found by their owners or by selectors. A cache of watches, no state.

One pod reflector per namespace, shared by all KubernetesDiscoveries of a cluster. A pod's owners
beyond its own references must be asked for; the answer is kept as long as the pod is known. Used by
`kapp.controllers.kubernetesdiscovery` and `podlogstream`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kapp.aio.supervise import TaskGroup
from kapp.cluster.owners import Owner, Owners
from kapp.cluster.pods import matches_any
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.errors import KappError
from kapp.machinery.objects import Object, ObjectKey, Resource, key_of, metadata_of, uid_of
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import ChangeType, Reflector

PODS = Resource("", "v1", "pods", "Pod", True)

_log = logging.getLogger(__name__)

# Jobs with a time to live take their pods with them; so many that ran to their end are remembered.
_FINISHED_KEPT = 1000


def without_managed_fields(obj: Object) -> Object:
    """What is cached of a pod: managedFields are half of it and never read."""
    meta = {key: value for key, value in metadata_of(obj).items() if key != "managedFields"}
    return {**obj, "metadata": meta}


class Found(NamedTuple):
    """A pod, the applied UID it belongs to (or ""), and what owns it directly."""

    pod: Object
    ancestor_uid: str
    owner: Owner | None


class _Interest(NamedTuple):
    """What one KubernetesDiscovery looks for."""

    namespaces: frozenset[str]
    uids: frozenset[str]
    selectors: Sequence[Mapping[str, Any]]


class PodSource:
    """The pods of one cluster.

    Args:
        manager: runs the reflectors.
        handle: the cluster.
        wake: called with the name of each KubernetesDiscovery that a change concerns.
        on_health: called when a watch breaks or heals.
    """

    def __init__(
        self,
        manager: Manager,
        handle: ClusterHandle,
        wake: Callable[[str], None],
        on_health: Callable[[], None],
    ) -> None:
        self.handle = handle
        self._manager = manager
        self._wake = wake
        self._on_health = on_health
        self._owners = Owners(handle.connection.client, handle.mapping)
        self._tasks = TaskGroup("pod owners")
        self._reflectors: dict[str, Reflector] = {}
        self._interests: dict[str, _Interest] = {}
        self._by_uid: dict[str, set[str]] = {}
        self._selecting: set[str] = set()
        self._chains: dict[str, tuple[Owner, ...]] = {}
        self._pods_of_uid: dict[str, dict[str, Object]] = {}
        self._finished: dict[str, Object] = {}
        self._listeners: dict[ObjectKey, set[Callable[[], None]]] = {}

    def listen(self, pod: ObjectKey, changed: Callable[[], None]) -> Callable[[], None]:
        """Have `changed` called when a watched pod changes; returns how to stop that."""
        self._listeners.setdefault(pod, set()).add(changed)

        def stop() -> None:
            listeners = self._listeners.get(pod, set())
            listeners.discard(changed)
            if not listeners:
                self._listeners.pop(pod, None)

        return stop

    def follow(
        self,
        name: str,
        namespaces: Collection[str],
        uids: Collection[str],
        selectors: Sequence[Mapping[str, Any]],
    ) -> None:
        """Look for the pods of the KubernetesDiscovery `name`, instead of what it asked before."""
        interest = _Interest(frozenset(namespaces), frozenset(uids), selectors)
        if self._interests.get(name) == interest:
            return
        self.drop(name)
        self._interests[name] = interest
        for uid in interest.uids:
            self._by_uid.setdefault(uid, set()).add(name)
        if selectors:
            self._selecting.add(name)
        for namespace in interest.namespaces:
            self._watch(namespace)

    def drop(self, name: str) -> None:
        """Look for nothing on behalf of `name`."""
        interest = self._interests.pop(name, None)
        self._selecting.discard(name)
        for uid in interest.uids if interest is not None else ():
            names = self._by_uid.get(uid, set())
            names.discard(name)
            if not names:
                self._by_uid.pop(uid, None)

    def pods(self, name: str) -> list[Found]:
        """The pods found for `name`, oldest first."""
        interest = self._interests.get(name)
        if interest is None:
            return []
        found: dict[str, Found] = {}
        for uid in interest.uids:
            for pod in self._pods_of_uid.get(uid, {}).values():
                found[uid_of(pod)] = Found(pod, uid, self._owner(pod))
        if interest.selectors:
            for namespace in interest.namespaces:
                for pod in self._reflectors[namespace].list():
                    if uid_of(pod) not in found and matches_any(interest.selectors, pod):
                        found[uid_of(pod)] = Found(pod, "", self._owner(pod))
        return sorted(found.values(), key=_age)

    def pod(self, namespace: str, name: str) -> Object | None:
        """One pod, if its namespace is watched."""
        reflector = self._reflectors.get(namespace)
        return (
            None
            if reflector is None
            else next((one for one in reflector.list() if key_of(one).name == name), None)
        )

    def knows(self, namespace: str) -> bool:
        """Whether all pods of a namespace have been listed once, and are watched since."""
        reflector = self._reflectors.get(namespace)
        return reflector is not None and reflector.synced.is_set()

    def error(self, name: str) -> str:
        """Why the pods of `name` are not known now, or ""."""
        interest = self._interests.get(name)
        spaces = interest.namespaces if interest is not None else ()
        return next((e for space in spaces if (e := self._reflectors[space].error)), "")

    def synced(self, name: str) -> bool:
        """Whether all pods of `name` have been listed once."""
        interest = self._interests.get(name)
        spaces = interest.namespaces if interest is not None else ()
        return all(self._reflectors[space].synced.is_set() for space in spaces)

    async def close(self) -> None:
        """Stop watching."""
        await self._tasks.close()
        for reflector in self._reflectors.values():
            await self._manager.release(reflector)
        self._reflectors.clear()

    def _watch(self, namespace: str) -> None:
        if namespace in self._reflectors:
            return
        reflector = self._manager.reflector(
            self.handle.connection.client, PODS, namespace, transform=without_managed_fields
        )
        self._reflectors[namespace] = reflector
        reflector.subscribe(self._on_change)
        reflector.subscribe_health(lambda _: self._health_changed(namespace))
        self._tasks.spawn(self._when_synced(reflector, namespace), f"sync {namespace}")

    def _health_changed(self, namespace: str) -> None:
        self._wake_namespace(namespace)
        self._on_health()

    async def _when_synced(self, reflector: Reflector, namespace: str) -> None:
        await reflector.synced.wait()
        self._wake_namespace(namespace)

    def _wake_namespace(self, namespace: str) -> None:
        for name, interest in self._interests.items():
            if namespace in interest.namespaces:
                self._wake(name)

    def _on_change(self, change: ChangeType, pod: Object, _old: Object | None) -> None:
        for changed in list(self._listeners.get(key_of(pod), ())):
            changed()
        uid = uid_of(pod)
        if change == "DELETED" and _ran_to_its_end(pod):
            self._finished[uid] = pod
            while len(self._finished) > _FINISHED_KEPT:
                self._forget(self._finished.pop(next(iter(self._finished))))
        elif change == "DELETED":
            self._wake_for(pod)
            self._forget(pod)
            return
        if uid in self._chains or not metadata_of(pod).get("ownerReferences"):
            self._place(pod, self._chains.get(uid, ()))
        else:
            self._tasks.spawn(self._resolve(pod), f"owners of {key_of(pod)}")

    async def _resolve(self, pod: Object) -> None:
        try:
            chain = tuple(await self._owners.chain(pod))
        except KappError as error:
            # The next change of the pod asks again.
            _log.warning("owners unknown", extra={"pod": str(key_of(pod)), "error": str(error)})
            return
        reflector = self._reflectors.get(key_of(pod).namespace)
        newest = reflector.get(key_of(pod)) if reflector is not None else None
        if newest is None or uid_of(newest) != uid_of(pod):
            return
        self._chains[uid_of(pod)] = chain
        self._place(newest, chain)

    def _place(self, pod: Object, chain: Iterable[Owner]) -> None:
        uid = uid_of(pod)
        for owner_uid in self._ancestors(uid, chain):
            self._pods_of_uid.setdefault(owner_uid, {})[uid] = pod
        self._wake_for(pod)

    def _forget(self, pod: Object) -> None:
        uid = uid_of(pod)
        for owner_uid in self._ancestors(uid, self._chains.pop(uid, ())):
            pods = self._pods_of_uid.get(owner_uid, {})
            pods.pop(uid, None)
            if not pods:
                self._pods_of_uid.pop(owner_uid, None)

    def _wake_for(self, pod: Object) -> None:
        uid = uid_of(pod)
        names = set(self._selecting)
        for owner_uid in self._ancestors(uid, self._chains.get(uid, ())):
            names |= self._by_uid.get(owner_uid, set())
        for name in names:
            self._wake(name)

    def _ancestors(self, uid: str, chain: Iterable[Owner]) -> list[str]:
        return [uid, *(owner.uid for owner in chain)]

    def _owner(self, pod: Object) -> Owner | None:
        return next(iter(self._chains.get(uid_of(pod), ())), None)


def _ran_to_its_end(pod: Object) -> bool:
    """Whether a pod did its work; a server that was told to stop may end with code 0 as well."""
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    return policy != "Always" and (pod.get("status") or {}).get("phase") == "Succeeded"


class PodSources:
    """The pod source of each cluster, made at first use.

    `wake` is called with the key of a KubernetesDiscovery, `on_health` with that of a Cluster.
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
        self._sources: dict[str, PodSource] = {}

    async def of(self, cluster: str) -> PodSource | None:
        """The source of a cluster, or None while it has no connection."""
        handle = self._connections.get(cluster)
        source = self._sources.get(cluster)
        if source is not None and source.handle is not handle:
            await self._sources.pop(cluster).close()
            # Somebody else may have made the new one meanwhile.
            handle, source = self._connections.get(cluster), self._sources.get(cluster)
        if source is None and handle is not None:
            source = self._sources[cluster] = PodSource(
                self._manager,
                handle,
                lambda name: self._wake(ObjectKey("", name)),
                lambda: self._on_health(ObjectKey("", cluster)),
            )
        return source

    def known(self, cluster: str) -> PodSource | None:
        """The source of a cluster, if it was asked for before."""
        return self._sources.get(cluster)

    def drop(self, name: str) -> None:
        """Look for nothing on behalf of a KubernetesDiscovery that is gone."""
        for source in self._sources.values():
            source.drop(name)

    async def close(self) -> None:
        """Stop watching."""
        for source in self._sources.values():
            await source.close()
        self._sources.clear()


def _age(found: Found) -> tuple[str, str]:
    return metadata_of(found.pod).get("creationTimestamp") or "", key_of(found.pod).name
