"""The versioned, watchable store: every object of one server, in memory, as encoded JSON.

Invariants:
- One counter orders all writes; every object carries the number of its last write.
- Bytes are kept, dicts are not: what goes in is encoded at once, what comes out is decoded afresh,
  so no caller can change an object but by writing it.
- Each resource has a bounded log of its changes. A watch is a cursor into that log, so a slow
  watcher costs no memory: once the log has moved past its cursor it is closed with 410.

Synchronous and single-threaded. `kapp.machinery.registry` puts the REST rules on top of it and is
its only writer; `journal` lets the embedded cluster persist what is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from kapp.machinery.events import Event
from kapp.machinery.objects import Json, Object, ObjectKey
from kapp.machinery.owners import OwnerIndex
from kapp.machinery.status import ApiError, already_exists, bad_request, gone, not_found
from kapp.machinery.watchlog import HISTORY_BYTES, HISTORY_EVENTS, Watch, WatchLog

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Object).decode


MAX_DEPTH = 200
"""Levels of maps and lists. What is stored must be readable from every depth of Python's stack
(1000 frames, which decoding counts against too), or one object would break every list."""


class Entry(NamedTuple):
    """A stored object: its version and its JSON."""

    resource_version: int
    body: bytes

    def object(self) -> Object:
        """A fresh copy."""
        return decode(self.body)


class Change(NamedTuple):
    """One write, as the journal is told of it; `resource` is `plural.group`."""

    resource: str
    event: Event


class Store:
    """Objects by resource (`plural.group`) and key.

    Args:
        history_events: how many changes of each resource a watch may start behind.
        history_bytes: the same bound, in bytes of the changed objects.

    Attributes:
        resource_version: the number of the last write.
        owners: which objects name which as their owner.
        journal: told of every write, after it happened; must not write itself.
    """

    def __init__(
        self, *, history_events: int = HISTORY_EVENTS, history_bytes: int = HISTORY_BYTES
    ) -> None:
        self.resource_version = 0
        self.owners = OwnerIndex()
        self.journal: Callable[[Change], None] | None = None
        self._objects: dict[str, dict[ObjectKey, Entry]] = {}
        self._logs: dict[str, WatchLog] = {}
        self._history = (history_events, history_bytes)
        self._loaded_version = 0

    def load(self, entries: Iterable[tuple[str, ObjectKey, bytes]], resource_version: int) -> None:
        """Restore (resource, key, body) triples into an empty store, without events.

        Raises ValueError if the store has been written to.
        """
        if self.resource_version:
            raise ValueError("the store is not empty")
        for resource, key, body in entries:
            obj = decode(body)
            version = int(obj["metadata"]["resourceVersion"])
            self._objects.setdefault(resource, {})[key] = Entry(version, body)
            self.owners.put(resource, key, obj)
        self.resource_version = self._loaded_version = resource_version

    def get(self, resource: str, key: ObjectKey) -> Entry | None:
        """The object, or None."""
        return self._objects.get(resource, {}).get(key)

    def list(
        self, resource: str, namespace: str = "", *, at: int = 0
    ) -> list[tuple[ObjectKey, Entry]]:
        """The objects of a namespace ("" for all) in the order of their keys.

        `at` asks for the collection as it was at that version; raises ApiError (410) when the
        log no longer reaches back to it.
        """
        objects = self._objects.get(resource, {})
        if at and at < self.resource_version:
            objects = self._rewound(resource, objects, at)
        found = [
            item for item in objects.items() if not namespace or item[0].namespace == namespace
        ]
        found.sort(key=_by_key)
        return found

    def _rewound(
        self, resource: str, objects: dict[ObjectKey, Entry], version: int
    ) -> dict[ObjectKey, Entry]:
        objects = dict(objects)
        for event in reversed(self._log(resource).since(version)):
            if event.previous:
                objects[event.key] = Entry(event.previous_version, event.previous)
            else:
                objects.pop(event.key, None)
        return objects

    def create(self, resource: str, key: ObjectKey, obj: Object) -> Object:
        """Add `obj`; returns it with its resourceVersion.

        Raises ApiError: 409 AlreadyExists, 400 beyond MAX_DEPTH.
        """
        if key in self._objects.setdefault(resource, {}):
            raise already_exists(resource, key.name)
        return self._write(resource, key, obj, None)

    def replace(self, resource: str, key: ObjectKey, obj: Object) -> Object:
        """Overwrite; returns `obj` with its new resourceVersion.

        Raises ApiError: 404, 400 beyond MAX_DEPTH.
        """
        previous = self.get(resource, key)
        if previous is None:
            raise not_found(resource, key.name)
        return self._write(resource, key, obj, previous)

    def _write(self, resource: str, key: ObjectKey, obj: Object, previous: Entry | None) -> Object:
        version = self.resource_version + 1
        stamped = _stamped(obj, version)
        body = encode(stamped)
        # Most objects have fewer brackets than that, and need no second look.
        if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth_exceeds(stamped, MAX_DEPTH):
            raise bad_request(f"the object is nested too deeply: more than {MAX_DEPTH} levels")
        self.resource_version = version
        self._objects[resource][key] = Entry(version, body)
        self.owners.put(resource, key, stamped)
        if previous is None:
            event = Event("ADDED", version, key, body)
        else:
            event = Event("MODIFIED", version, key, body, previous.body, previous.resource_version)
        self._record(resource, event)
        return stamped

    def remove(self, resource: str, key: ObjectKey, final: Object | None = None) -> Object:
        """Delete; returns the last state (`final` if given) at the version of the deletion.

        Raises ApiError (404).
        """
        previous = self.get(resource, key)
        if previous is None:
            raise not_found(resource, key.name)
        self.resource_version = version = self.resource_version + 1
        last = _stamped(previous.object() if final is None else final, version)
        del self._objects[resource][key]
        self.owners.drop(resource, key)
        self._record(
            resource,
            Event("DELETED", version, key, encode(last), previous.body, previous.resource_version),
        )
        return last

    def _record(self, resource: str, event: Event) -> None:
        self._log(resource).append(event)
        if self.journal is not None:
            self.journal(Change(resource, event))

    def watch(self, resource: str, namespace: str = "", since: int | None = None) -> Watch:
        """Changes after version `since`, or after now.

        Raises ApiError: 410 when the log no longer reaches back to `since`, 504 when `since` is
        a version that is yet to come.
        """
        since = self.resource_version if since is None else since
        if since > self.resource_version:
            raise too_large_version(since, self.resource_version)
        return self._log(resource).watch(namespace, since)

    def close_watches(self, resource: str, error: ApiError | None = None) -> None:
        """End every watch of a resource that is no longer served."""
        self._log(resource).close_watches(error or gone("the resource is no longer served"))

    def _log(self, resource: str) -> WatchLog:
        log = self._logs.get(resource)
        if log is None:
            log = self._logs[resource] = WatchLog(*self._history, start=self._loaded_version)
        return log


def too_large_version(wanted: int, present: int) -> ApiError:
    """504, as `storage.NewTooLargeResourceVersionError` says it."""
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {wanted}, current: {present}",
        details={
            "retryAfterSeconds": 1,
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
        },
    )


def _by_key(item: tuple[ObjectKey, Entry]) -> ObjectKey:
    return item[0]


def _depth_exceeds(value: Json, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _stamped(obj: Object, version: int) -> Object:
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(version)}}
