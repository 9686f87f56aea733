"""Who owns whom: an index from an owner's uid to the objects that name it in ownerReferences.

Kept by the store with every write, read by `kapp.machinery.garbage`.
"""

from __future__ import annotations

from typing import NamedTuple

from kapp.machinery.objects import Object, ObjectKey


class Address(NamedTuple):
    """Where an object is: its resource (`plural.group`) and its key."""

    resource: str
    key: ObjectKey


class OwnerIndex:
    """Addresses by uid, and dependents by the uid of an owner."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Address] = {}
        self._owners: dict[Address, tuple[str, ...]] = {}
        self._uids: dict[Address, str] = {}
        self._dependents: dict[str, dict[Address, None]] = {}

    def find(self, uid: str) -> Address | None:
        """Where the object with this uid is, if it exists."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> list[Address]:
        """The objects that name this uid as an owner, oldest reference first."""
        return list(self._dependents.get(uid, ()))

    def put(self, resource: str, key: ObjectKey, obj: Object) -> None:
        """Take note of what was written at an address."""
        meta = obj["metadata"]
        uid = meta.get("uid") or ""
        references = meta.get("ownerReferences")
        owners = tuple(r.get("uid") or "" for r in references) if references else ()
        address = Address(resource, key)
        if self._uids.get(address) != uid:
            self._by_uid.pop(self._uids.get(address, ""), None)
            self._uids[address] = uid
            self._by_uid[uid] = address
        if owners != self._owners.get(address, ()):
            self._set_owners(address, owners)

    def drop(self, resource: str, key: ObjectKey) -> None:
        """Forget what was at an address; its dependents keep naming its uid."""
        address = Address(resource, key)
        self._by_uid.pop(self._uids.pop(address, ""), None)
        self._set_owners(address, ())

    def _set_owners(self, address: Address, owners: tuple[str, ...]) -> None:
        for owner in self._owners.pop(address, ()):
            dependents = self._dependents.get(owner, {})
            dependents.pop(address, None)
            if not dependents:
                self._dependents.pop(owner, None)
        if owners:
            self._owners[address] = owners
            for owner in owners:
                self._dependents.setdefault(owner, {})[address] = None
