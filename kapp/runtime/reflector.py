"""A local copy of a collection that is kept in line with the server: LIST, then WATCH.

Invariants:
- Handlers see changes only: a relist is compared with the cache, and what is equal (same
  resourceVersion) is not reported. An object that was deleted while nobody watched is DELETED.
- Handlers are called in the order of the server's history, synchronously, in the event loop.
- `error` is "" exactly while the copy is being kept up to date; it heals by itself, for ever.
- Objects in the cache are shared by all readers: **read-only by convention**. Copy before changing.

Works over any `Client`. Source of the protocol: k8s.io/client-go/tools/cache/reflector.go.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Literal, TypeAlias

from kapp.errors import KappError
from kapp.machinery.objects import Object, ObjectKey, Resource, key_of, metadata_of
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client, WatchEvent

_log = logging.getLogger(__name__)

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
Handler: TypeAlias = Callable[[ChangeType, Object, Object | None], None]
"""Called with the type, the object (the last known one for DELETED) and the one before."""

# client-go watches for 5 to 10 minutes, spread so that clients do not come back at once.
WATCH_TIMEOUT_S = 300
# The server ends a watch at its timeout; one that says nothing for this much longer is dead.
SILENCE_SLACK_S = 15.0
BASE_DELAY_S = 0.2
# A cluster that comes back is noticed within this.
MAX_DELAY_S = 10.0
_REFUSALS = (403, 404, 405)
# A watch that held this long, or ended on its own, shows that the server is well.
_HEALTHY_WATCH_S = 1.0


class Index:
    """Cached objects by values computed from each (`by("uid-1")`); made by `Reflector.index`."""

    def __init__(self, values: Callable[[Object], Iterable[str]]) -> None:
        self._values = values
        self._keys: dict[str, dict[ObjectKey, Object]] = {}

    def by(self, value: str) -> list[Object]:
        """The objects that have `value`, in the order in which they got it."""
        return list(self._keys.get(value, {}).values())

    def _move(self, key: ObjectKey, old: Object | None, new: Object | None) -> None:
        before = set(self._values(old)) if old is not None else set()
        after = set(self._values(new)) if new is not None else set()
        for value in before - after:
            entries = self._keys.get(value, {})
            entries.pop(key, None)
            if not entries:
                self._keys.pop(value, None)
        if new is not None:
            for value in after:
                self._keys.setdefault(value, {})[key] = new


class Reflector:
    """Keeps `cache` equal to a collection; `run()` it in a task (the Manager does).

    Args:
        client: where to list and watch.
        resource: what to list and watch.
        namespace: "" for all namespaces, and for cluster-scoped resources.
        label_selector: passed to the server.
        field_selector: passed to the server.
        transform: makes the object that is cached from the one received, for instance a smaller
            one; must keep metadata.name, namespace and resourceVersion.

    Attributes:
        cache: the objects by key; read-only for everyone else.
        synced: set once the first LIST is in the cache; never cleared.
        error: why the copy is not being kept up to date, else "".
        refused: whether the server does not let the collection be read, or has none of it.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        *,
        transform: Callable[[Object], Object] | None = None,
    ) -> None:
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.label_selector = label_selector
        self.field_selector = field_selector
        self.cache: dict[ObjectKey, Object] = {}
        self.synced = asyncio.Event()
        self.error = ""
        self.refused = False
        self._transform = transform
        self._handlers: list[Handler] = []
        self._health_handlers: list[Callable[[str], None]] = []
        self._indexes: list[Index] = []
        self._resource_version = ""
        self._failures = 0
        self._watch_failed = False

    def get(self, key: ObjectKey) -> Object | None:
        """The cached object, or None."""
        return self.cache.get(key)

    def list(self) -> list[Object]:
        """All cached objects."""
        return [*self.cache.values()]

    def index(self, values: Callable[[Object], Iterable[str]]) -> Index:
        """A lookup by what `values` gives for each object, kept up to date from now on."""
        index = Index(values)
        for key, obj in self.cache.items():
            index._move(key, None, obj)
        self._indexes.append(index)
        return index

    def subscribe(self, handler: Handler) -> Callable[[], None]:
        """Tell `handler` of every change; what is cached already is ADDED at once.

        Returns a function that ends the subscription.
        """
        for obj in self.list():
            self._call(handler, "ADDED", obj, None)
        self._handlers.append(handler)
        return lambda: self._handlers.remove(handler) if handler in self._handlers else None

    def subscribe_health(self, handler: Callable[[str], None]) -> Callable[[], None]:
        """Call `handler(error)` whenever `error` changes; returns a function that ends it."""
        self._health_handlers.append(handler)
        return lambda: (
            self._health_handlers.remove(handler) if handler in self._health_handlers else None
        )

    async def run(self) -> None:
        """List and watch for ever; ends only by cancellation."""
        while True:
            try:
                await self._list()
                while True:
                    await self._watch()
            except ApiError as e:
                if e.code == 410 and self._failures == 0:
                    # Expired: history is gone, which is no fault. Twice in a row is treated as one.
                    self._failures += 1
                    continue
                self._fail(e)
            except KappError as e:
                self._fail(e)
            except TimeoutError:
                self._fail(KappError("the watch went silent; the server no longer answers"))
            except Exception as e:
                _log.exception("reflector failed", extra={"resource": self._name()})
                self._fail(e)
            await asyncio.sleep(self._next_delay_s())

    def _next_delay_s(self) -> float:
        grown = BASE_DELAY_S * 2.0 ** min(self._failures, 16)
        self._failures += 1
        return min(grown, MAX_DELAY_S) * (0.5 + random.random() / 2)

    def _fail(self, error: Exception) -> None:
        self.refused = isinstance(error, ApiError) and error.code in _REFUSALS
        self._set_error(str(error) or type(error).__name__)

    def _healthy(self) -> None:
        self._watch_failed = False
        self._failures = 0
        self._set_error("")

    def _set_error(self, error: str) -> None:
        self.refused = self.refused and bool(error)
        if error == self.error:
            return
        self.error = error
        if error:
            _log.warning("watch failing", extra={"resource": self._name(), "error": error})
        else:
            _log.info("watch healed", extra={"resource": self._name()})
        for handler in list(self._health_handlers):
            try:
                handler(error)
            except Exception:
                _log.exception("health handler failed", extra={"resource": self._name()})

    def _name(self) -> str:
        return self.resource.group_resource

    async def _list(self) -> None:
        listed = await self.client.list(
            self.resource,
            self.namespace,
            label_selector=self.label_selector,
            field_selector=self.field_selector,
        )
        fresh = {key_of(obj): obj for obj in listed.items}
        for key in [key for key in self.cache if key not in fresh]:
            self._remove(key, self.cache[key])
        for key, obj in fresh.items():
            self._put(key, obj)
        self._resource_version = listed.resource_version
        self.synced.set()
        if not self._watch_failed:
            # After a watch's failure only a watch that works shows that all is well again.
            self._set_error("")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        timeout_s = int(WATCH_TIMEOUT_S * (1 + random.random()))
        started = loop.time()
        heal = loop.call_later(_HEALTHY_WATCH_S, self._healthy)
        self._watch_failed, events = True, 0
        try:
            async with (
                asyncio.timeout(timeout_s + SILENCE_SLACK_S),
                aclosing(
                    self.client.watch(
                        self.resource,
                        self.namespace,
                        resource_version=self._resource_version,
                        label_selector=self.label_selector,
                        field_selector=self.field_selector,
                        timeout_s=timeout_s,
                    )
                ) as stream,
            ):
                async for event in stream:
                    self._receive(event)
                    events += 1
                    if events == 1:
                        self._healthy()
        finally:
            heal.cancel()
        if events == 0 and loop.time() - started < _HEALTHY_WATCH_S:
            # Ended at once and said nothing: not to be repeated without a pause.
            await asyncio.sleep(self._next_delay_s())
        else:
            self._healthy()

    def _receive(self, event: WatchEvent) -> None:
        version = metadata_of(event.object).get("resourceVersion")
        if version:
            self._resource_version = version
        if event.type == "BOOKMARK":
            return
        key = key_of(event.object)
        if event.type == "DELETED":
            if (old := self.cache.get(key)) is not None:
                obj = self._transform(event.object) if self._transform else event.object
                self._remove(key, obj, old)
            return
        self._put(key, event.object)

    def _put(self, key: ObjectKey, obj: Object) -> None:
        old = self.cache.get(key)
        if old is not None:
            before, after = metadata_of(old), metadata_of(obj)
            if before.get("uid") != after.get("uid"):
                # Deleted and made again while nobody watched: two objects, two changes.
                self._remove(key, old)
                old = None
            elif before.get("resourceVersion") == after.get("resourceVersion"):
                return
        if self._transform:
            obj = self._transform(obj)
        self.cache[key] = obj
        for index in self._indexes:
            index._move(key, old, obj)
        self._notify("ADDED" if old is None else "MODIFIED", obj, old)

    def _remove(self, key: ObjectKey, obj: Object, old: Object | None = None) -> None:
        cached = self.cache.pop(key)
        for index in self._indexes:
            index._move(key, cached, None)
        self._notify("DELETED", obj, old or cached)

    def _notify(self, change: ChangeType, obj: Object, old: Object | None) -> None:
        for handler in list(self._handlers):
            self._call(handler, change, obj, old)

    def _call(self, handler: Handler, change: ChangeType, obj: Object, old: Object | None) -> None:
        try:
            handler(change, obj, old)
        except Exception:
            # One subscriber's bug must not stop what the others see.
            _log.exception("watch handler failed", extra={"resource": self._name()})
