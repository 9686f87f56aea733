"""The reconcile loop: sources wake keys, workers reconcile them, failures are tried again.

A reconciler is given a key and nothing else. It reads the world, makes it so, and returns None,
or the seconds after which to look again. What it raises is retried with backoff, except
`TerminalError`, which waits for a change. One key is never reconciled twice at once.

Started and stopped by `kapp.runtime.manager.Manager`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from kapp.aio.supervise import TaskGroup
from kapp.errors import KappError
from kapp.machinery.objects import Object, ObjectKey, Resource, key_of
from kapp.runtime.client import Client
from kapp.runtime.reflector import ChangeType, Reflector
from kapp.runtime.workqueue import ShutDown, WorkQueue

_log = logging.getLogger(__name__)

# A reconciler that swallows cancellation is left behind (and logged) after this.
STOP_TIMEOUT_S = 0.5


class TerminalError(KappError):
    """Trying again is of no use until the object, or something it depends on, changes."""


class Reconciler(Protocol):
    """Makes the world agree with one object."""

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Reconcile; returns the seconds until it wants to be called again, or None."""
        ...


def own_key(obj: Object) -> Iterable[ObjectKey]:
    """The object's own key: for the controller of that very kind."""
    return (key_of(obj),)


def _always(_new: Object, _old: Object | None) -> bool:
    return True


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Objects whose changes wake a controller.

    Attributes:
        client: where the objects are.
        resource: what they are.
        map: the keys to reconcile when an object changes; on a change it is asked about the new
            and the old object, so that what is no longer referred to is woken too.
        namespace: "" for all.
        label_selector: restricts what is watched.
        field_selector: restricts what is watched.
        matters: given the new and the old object (None for one that is new), whether such a
            change wakes anything; additions and deletions that it is asked about have old None.
        wait: workers start only when this source has been listed. False for a source that may be
            away for long, such as another cluster.
        transform: see `Reflector`.
    """

    client: Client
    resource: Resource
    map: Callable[[Object], Iterable[ObjectKey]] = own_key
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    matters: Callable[[Object, Object | None], bool] = _always
    wait: bool = True
    transform: Callable[[Object], Object] | None = None


ErrorHook = Callable[[ObjectKey, Exception | None, float | None], None]
"""Called with the key, what it raised, and the seconds until the retry (None: until a change).

Called with `(key, None, None)` when a key that failed before succeeds.
"""


class Controller:
    """Runs one reconciler over the keys its sources give.

    Args:
        name: for logs and task names.
        reconciler: what to run.
        sources: what wakes it.
        workers: how many keys are reconciled at once.
        on_error: see `ErrorHook`. An error is logged once, and again when its text changes.
    """

    def __init__(
        self,
        name: str,
        reconciler: Reconciler,
        sources: Sequence[Source] = (),
        *,
        workers: int = 4,
        on_error: ErrorHook | None = None,
    ) -> None:
        self.name = name
        self.sources = tuple(sources)
        self.queue: WorkQueue[ObjectKey] = WorkQueue()
        self._reconciler = reconciler
        self._workers = workers
        self._on_error = on_error
        self._tasks = TaskGroup(name)
        self._unsubscribe: list[Callable[[], None]] = []
        self._last_errors: dict[ObjectKey, str] = {}

    def enqueue(self, key: ObjectKey) -> None:
        """Wake `key`: for events that no source sees, such as a process that ended."""
        self.queue.add(key)

    def start(self, reflectors: Sequence[Reflector]) -> None:
        """Begin; `reflectors` are those of `sources`, in the same order."""
        for source, reflector in zip(self.sources, reflectors, strict=True):
            self._unsubscribe.append(reflector.subscribe(self._handler(source)))
        waits = [r.synced for s, r in zip(self.sources, reflectors, strict=True) if s.wait]
        for number in range(self._workers):
            self._tasks.spawn(self._work(waits), f"worker-{number}")

    async def close(self) -> None:
        """Stop at once: work in progress is cancelled. Takes at most half a second."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        self.queue.shut_down()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._tasks.close()
        except TimeoutError:
            _log.error("controller did not stop", extra={"controller": self.name})

    def _handler(self, source: Source) -> Callable[[ChangeType, Object, Object | None], None]:
        def handle(change: ChangeType, obj: Object, old: Object | None) -> None:
            previous = old if change == "MODIFIED" else None
            if not source.matters(obj, previous):
                return
            for key in source.map(obj):
                self.queue.add(key)
            if previous is not None:
                for key in source.map(previous):
                    self.queue.add(key)

        return handle

    async def _work(self, waits: Sequence[asyncio.Event]) -> None:
        for synced in waits:
            await synced.wait()
        while True:
            try:
                key = await self.queue.get()
            except ShutDown:
                return
            try:
                await self._reconcile(key)
            finally:
                self.queue.done(key)

    async def _reconcile(self, key: ObjectKey) -> None:
        try:
            again_s = await self._reconciler.reconcile(key)
        except TerminalError as e:
            self.queue.forget(key)
            self._report(key, e, None)
        except asyncio.CancelledError as e:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Something it awaited was cancelled, not this worker: an error like any other.
            lost = RuntimeError("something that was waited for was cancelled")
            lost.__cause__ = e
            self._report(key, lost, self.queue.add_rate_limited(key))
        except Exception as e:
            self._report(key, e, self.queue.add_rate_limited(key))
        else:
            self.queue.forget(key)
            if self._last_errors.pop(key, None) is not None:
                self._hook(key, None, None)
            if again_s is not None:
                self.queue.add_after(key, again_s)

    def _report(self, key: ObjectKey, error: Exception, retry_s: float | None) -> None:
        text = f"{type(error).__name__}: {error}"
        if self._last_errors.get(key) != text:
            self._last_errors[key] = text
            _log.warning(
                "reconcile failed",
                extra={"controller": self.name, "object": str(key), "error": text},
                # What kapp raises explains itself; anything else is a bug, and its place matters.
                exc_info=None if isinstance(error, KappError) else error,
            )
        self._hook(key, error, retry_s)

    def _hook(self, key: ObjectKey, error: Exception | None, retry_s: float | None) -> None:
        if self._on_error is None:
            return
        try:
            self._on_error(key, error, retry_s)
        except Exception:
            _log.exception("error hook failed", extra={"controller": self.name})
