"""Whose an object is: its chain of owners, looked up on demand and remembered by UID.

A pod says only that a ReplicaSet owns it; that a Deployment owns the ReplicaSet must be asked.
A UID never changes its owners' identity for another object, so answers are kept (bounded).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from kapp.cluster.mapping import NoSuchKind, RestMapping
from kapp.machinery.objects import Object, gvk_of, key_of, metadata_of, uid_of
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

# A cluster-sized number of ReplicaSets; an entry is a few hundred bytes.
_MEMORY_ENTRIES = 4096
# Owners of owners: Pod, ReplicaSet, Deployment, a custom resource or two.
_MAX_DEPTH = 8


class Owner(NamedTuple):
    """What is kept of an owner: enough to show it and to go on upwards."""

    uid: str
    name: str
    api_version: str
    kind: str
    creation_timestamp: str
    references: tuple[Mapping[str, Any], ...]

    def summary(self) -> dict[str, Any]:
        """As `kapp.cluster.pods.summarize` takes it."""
        return {
            "name": self.name,
            "apiVersion": self.api_version,
            "kind": self.kind,
            "creationTimestamp": self.creation_timestamp,
        }


class Owners:
    """Looks up owner chains of one cluster."""

    def __init__(self, client: Client, mapping: RestMapping) -> None:
        self._client = client
        self._mapping = mapping
        self._known: OrderedDict[str, Owner | None] = OrderedDict()
        self._asking: dict[str, asyncio.Lock] = {}

    async def chain(self, obj: Object) -> list[Owner]:
        """The owners of `obj`, the nearest first. Raises ApiError (not 404), Unreachable."""
        namespace = key_of(obj).namespace
        chain: list[Owner] = []
        references = list(metadata_of(obj).get("ownerReferences") or ())
        seen: set[str] = set()
        while references and len(seen) < _MAX_DEPTH:
            reference = references.pop(0)
            uid = str(reference.get("uid") or "")
            if uid in seen:
                continue
            seen.add(uid)
            owner = await self._owner(reference, namespace)
            if owner is not None:
                chain.append(owner)
                references += owner.references
        return chain

    async def ancestor(self, obj: Object, uids: Collection[str]) -> str:
        """The first of `uids` that is the object itself or one of its owners, or "".

        Asks for nothing where the object's own references tell. Raises as `chain`.
        """
        if uid_of(obj) in uids:
            return uid_of(obj)
        for reference in metadata_of(obj).get("ownerReferences") or ():
            if reference.get("uid") in uids:
                return str(reference["uid"])
        for owner in await self.chain(obj):
            if owner.uid in uids:
                return owner.uid
            for reference in owner.references:
                if reference.get("uid") in uids:
                    return str(reference["uid"])
        return ""

    async def _owner(self, reference: Mapping[str, Any], namespace: str) -> Owner | None:
        uid = str(reference.get("uid") or "")
        # Of the many pods of one ReplicaSet only the first asks.
        async with self._asking.setdefault(uid, asyncio.Lock()):
            try:
                if uid not in self._known:
                    self._remember(uid, await self._fetch(reference, namespace))
                self._known.move_to_end(uid)
                return self._known[uid]
            finally:
                self._asking.pop(uid, None)

    async def _fetch(self, reference: Mapping[str, Any], namespace: str) -> Owner | None:
        gvk = gvk_of(reference)
        try:
            resource = await self._mapping.resource_for(gvk)
            scope = namespace if resource.namespaced else ""
            live = await self._client.get(resource, str(reference.get("name")), scope)
        except NoSuchKind:
            return None
        except ApiError as e:
            # Gone, or not for this user to see: either way the chain ends here.
            if e.code in (403, 404):
                return None
            raise
        if uid_of(live) != reference.get("uid"):
            return None
        meta = metadata_of(live)
        return Owner(
            uid_of(live),
            str(meta.get("name") or ""),
            gvk.api_version,
            gvk.kind,
            str(meta.get("creationTimestamp") or ""),
            tuple(meta.get("ownerReferences") or ()),
        )

    def _remember(self, uid: str, owner: Owner | None) -> None:
        self._known[uid] = owner
        while len(self._known) > _MEMORY_ENTRIES:
            self._known.popitem(last=False)
