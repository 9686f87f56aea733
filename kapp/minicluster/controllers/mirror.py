"""A reflector's cache that also knows what its owner just wrote.

A cache lags behind its owner's own writes. A controller that counts pods in a cache which has not
seen the pods it just made would make them twice; client-go keeps "expectations" against that. Here
the owner tells the mirror of what it wrote, and reads see the newer of the two at once.

Invariant: an overlaid object is dropped as soon as the cache has that version or a newer one, or
after `OVERLAY_S` in case its event never comes (it was made and deleted between two relists).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    controller_of,
    key_of,
    metadata_of,
    uid_of,
)
from kapp.runtime.reflector import ChangeType, Reflector

OVERLAY_S = 10.0
"""Longer than a relist takes, shorter than anyone's patience."""


def version_of(obj: Object) -> int:
    """The resourceVersion as a number: versions of one server can be compared."""
    return int(metadata_of(obj).get("resourceVersion") or 0)


class Mirror:
    """Reads of one collection, indexed by `values` (an owner's uid, a namespace)."""

    def __init__(self, reflector: Reflector, values: Callable[[Object], Iterable[str]]) -> None:
        self._reflector = reflector
        self._values = values
        self._index = reflector.index(values)
        self._written: dict[ObjectKey, tuple[Object | None, str, int, float]] = {}
        reflector.subscribe(self._seen)

    def get(self, key: ObjectKey) -> Object | None:
        """The object, or None."""
        if (written := self._current(key)) is not None:
            return written[0]
        return self._reflector.get(key)

    def by(self, value: str) -> list[Object]:
        """The objects that have `value`."""
        found = {key_of(obj): obj for obj in self._index.by(value)}
        for key in list(self._written):
            if (written := self._current(key)) is None:
                continue
            found.pop(key, None)
            obj = written[0]
            if obj is not None and value in self._values(obj):
                found[key] = obj
        return list(found.values())

    def wrote(self, obj: Object) -> Object:
        """The owner created or changed `obj`, and this is the server's answer."""
        self._overlay(obj, obj)
        return obj

    def removed(self, obj: Object) -> None:
        """The owner deleted `obj`; it is not seen again unless it is made anew."""
        self._overlay(obj, None)

    def _overlay(self, obj: Object, result: Object | None) -> None:
        key = key_of(obj)
        cached = self._reflector.get(key)
        if result is not None and cached is not None and version_of(cached) >= version_of(obj):
            return
        if result is None and (cached is None or uid_of(cached) != uid_of(obj)):
            # What was just written may not have been seen yet; then hide that.
            if key not in self._written:
                return
        deadline = asyncio.get_running_loop().time() + OVERLAY_S
        self._written[key] = (result, uid_of(obj), version_of(obj), deadline)

    def _current(self, key: ObjectKey) -> tuple[Object | None, str, int, float] | None:
        written = self._written.get(key)
        if written is not None and asyncio.get_running_loop().time() >= written[3]:
            del self._written[key]
            return None
        return written

    def _seen(self, change: ChangeType, obj: Object, _old: Object | None) -> None:
        key = key_of(obj)
        if (written := self._written.get(key)) is None:
            return
        result, uid, version, _deadline = written
        if uid != uid_of(obj):
            # Another object of that name: newer if the one written is known to be gone.
            if result is None and change == "ADDED" and version_of(obj) > version:
                del self._written[key]
            return
        deleting = bool(metadata_of(obj).get("deletionTimestamp"))
        if change == "DELETED" or (deleting if result is None else version_of(obj) >= version):
            del self._written[key]


def controlled_index(obj: Object) -> Iterable[str]:
    """Index value of an object: the uid of its controller."""
    controller = controller_of(obj)
    return (controller["uid"],) if controller is not None else ()


def no_index(_: Object) -> Iterable[str]:
    """For mirrors that are read by key only."""
    return ()
