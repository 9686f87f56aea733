"""Deletion: grace periods, finalizers, and what becomes of the objects that an object owns.

Done at once, within the request that causes it, where Kubernetes does it later in a controller;
the outcome is the same. Invariants:
- An object with finalizers, or with a grace period that runs, stays, marked as deleted.
- A dependent goes when its last owner has gone; one with other owners loses the reference only.
- In foreground deletion the owner goes after the dependents that block it.

Source: k8s.io/apiserver/pkg/registry/rest/delete.go, kubernetes/pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from kapp.machinery.objects import Object, format_time, gvk_of, key_of, metadata_of, uid_of
from kapp.machinery.options import DeleteOptions
from kapp.machinery.owners import Address
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.store import Store

FOREGROUND_FINALIZER = "foregroundDeletion"

_LONGEST_GRACE_S = 100 * 365 * 86400


class Garbage:
    """Deletes objects of a store, and what depends on them."""

    def __init__(self, scheme: Scheme, store: Store, now: Callable[[], datetime]) -> None:
        self._scheme = scheme
        self._store = store
        self._now = now
        self._pending: deque[Callable[[], None]] = deque()
        self._running = False

    def delete(self, kind: Kind, live: Object, options: DeleteOptions) -> tuple[Object, bool]:
        """Delete, or mark as deleted; returns the object's last state and whether it has gone.

        `live` is a fresh copy of the stored object; preconditions have been checked.
        """
        result = self._delete(kind, live, options)
        self._drain()
        return result

    def finished(self, obj: Object) -> bool:
        """Whether an object that is marked as deleted may go: nothing holds it any more."""
        meta = metadata_of(obj)
        return (
            bool(meta.get("deletionTimestamp"))
            and not meta.get("finalizers")
            and not meta.get("deletionGracePeriodSeconds")
        )

    def remove(self, kind: Kind, final: Object) -> Object:
        """Take an object out of the store, and deal with its dependents."""
        removed = self._remove(kind.collection, final)
        self._drain()
        return removed

    def created(self, kind: Kind, obj: Object) -> None:
        """Collect an object that was made for an owner which has gone already."""
        references = metadata_of(obj).get("ownerReferences") or ()
        if references and not any(self._lives(r) for r in references):
            self.delete(kind, obj, DeleteOptions())

    def _drain(self) -> None:
        # Work is queued, not recursive: a chain of owners may be longer than the stack is deep.
        if self._running:
            return
        self._running = True
        try:
            while self._pending:
                self._pending.popleft()()
        finally:
            self._running = False

    def _delete(self, kind: Kind, live: Object, options: DeleteOptions) -> tuple[Object, bool]:
        uid = uid_of(live)
        if options.propagation == "Orphan":
            for address in self._store.owners.dependents(uid):
                self._disown(address, uid)
        marked = self._marked(kind, live, options)
        if self.finished(marked):
            # What goes at once was never marked: nobody sees it being deleted.
            return self._remove(kind.collection, live), True
        if marked != live:
            marked = self._store.replace(kind.collection, key_of(live), marked)
        if options.propagation == "Foreground":
            for address in self._store.owners.dependents(uid):
                self._pending.append(partial(self._delete_dependent, address))
        return marked, False

    def _marked(self, kind: Kind, live: Object, options: DeleteOptions) -> Object:
        meta = dict(live["metadata"])
        if options.propagation == "Foreground" and self._store.owners.dependents(uid_of(live)):
            finalizers = meta.get("finalizers") or []
            if FOREGROUND_FINALIZER not in finalizers:
                meta["finalizers"] = [*finalizers, FOREGROUND_FINALIZER]
        grace_s = self._grace_s(kind, live, options)
        if not meta.get("deletionTimestamp"):
            if meta.get("generation"):
                meta["generation"] += 1
        elif grace_s >= int(meta.get("deletionGracePeriodSeconds") or 0):
            return {**live, "metadata": meta}
        meta["deletionTimestamp"] = format_time(self._now() + timedelta(seconds=grace_s))
        meta["deletionGracePeriodSeconds"] = grace_s
        return {**live, "metadata": meta}

    def _grace_s(self, kind: Kind, live: Object, options: DeleteOptions) -> int:
        usual_s = kind.grace_period_s(live) if kind.grace_period_s is not None else 0
        usual_s = min(usual_s, _LONGEST_GRACE_S)
        if options.grace_period_s is None or usual_s == 0:
            return usual_s
        # Negative is one second (rest.BeforeDelete); a date has no room for the largest numbers.
        asked_s = options.grace_period_s
        return 1 if asked_s < 0 else min(asked_s, _LONGEST_GRACE_S)

    def _remove(self, resource: str, final: Object) -> Object:
        removed = self._store.remove(resource, key_of(final), final)
        uid = uid_of(removed)
        for address in self._store.owners.dependents(uid):
            self._pending.append(partial(self._delete_dependent, address))
        for reference in metadata_of(removed).get("ownerReferences") or ():
            owner = reference.get("uid") or ""
            self._pending.append(partial(self._release_owner, owner))
        return removed

    def _load(self, address: Address) -> tuple[Kind, Object] | None:
        entry = self._store.get(*address)
        if entry is None:
            return None
        obj = entry.object()
        kind = self._scheme.by_gvk(gvk_of(obj)) or self._scheme.by_group_resource(address.resource)
        return None if kind is None else (kind, obj)

    def _delete_dependent(self, address: Address) -> None:
        """Deal with an object that may have lost an owner, or whose owner waits for it to go."""
        found = self._load(address)
        if found is None:
            return
        kind, obj = found
        references = metadata_of(obj).get("ownerReferences") or ()
        staying = [r for r in references if self._lives(r) and not self._going(r)]
        if staying:
            for uid in [r.get("uid") or "" for r in references if r not in staying]:
                self._disown(address, uid)
                self._pending.append(partial(self._release_owner, uid))
            return
        # Its owners wait for it, so it waits for what it owns, if anything.
        waited_for = any(self._going(r) for r in references)
        nested = waited_for and bool(self._store.owners.dependents(uid_of(obj)))
        self._delete(kind, obj, DeleteOptions(propagation="Foreground" if nested else "Background"))

    def _lives(self, reference: dict[str, str]) -> bool:
        """Whether an owner exists; one of a kind that is not served here cannot be judged."""
        if self._store.owners.find(reference.get("uid") or "") is not None:
            return True
        return self._scheme.by_gvk(gvk_of(reference)) is None

    def _going(self, reference: dict[str, str]) -> bool:
        address = self._store.owners.find(reference.get("uid") or "")
        entry = self._store.get(*address) if address is not None else None
        if entry is None:
            return False
        meta = entry.object()["metadata"]
        return bool(meta.get("deletionTimestamp")) and FOREGROUND_FINALIZER in (
            meta.get("finalizers") or ()
        )

    def _disown(self, address: Address, uid: str) -> None:
        found = self._load(address)
        if found is None:
            return
        _, obj = found
        references = [r for r in obj["metadata"].get("ownerReferences") or () if r["uid"] != uid]
        obj["metadata"]["ownerReferences"] = references
        if not references:
            del obj["metadata"]["ownerReferences"]
        self._store.replace(address.resource, address.key, obj)

    def _release_owner(self, uid: str) -> None:
        """Let an owner in foreground deletion go, once no dependent blocks it."""
        address = self._store.owners.find(uid)
        found = self._load(address) if address is not None else None
        if found is None or address is None:
            return
        _, owner = found
        meta = owner["metadata"]
        finalizers = meta.get("finalizers") or []
        if FOREGROUND_FINALIZER not in finalizers or self._blocked(uid):
            return
        meta["finalizers"] = [f for f in finalizers if f != FOREGROUND_FINALIZER]
        if not meta["finalizers"]:
            del meta["finalizers"]
        if self.finished(owner):
            self._remove(address.resource, owner)
        else:
            self._store.replace(address.resource, address.key, owner)

    def _blocked(self, uid: str) -> bool:
        for address in self._store.owners.dependents(uid):
            found = self._load(address)
            references = metadata_of(found[1]).get("ownerReferences") or () if found else ()
            if any(r.get("uid") == uid and r.get("blockOwnerDeletion") for r in references):
                return True
        return False
