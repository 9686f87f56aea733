"""The bounded log of one resource's changes, and the cursors that read it.

The log is shared by all watches of a resource. A write wakes those that wait; each then takes
what came since its cursor. One that is overtaken by the bound is closed with 410, as a Kubernetes
API server ends a watcher that cannot keep up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from kapp.machinery.events import Event
from kapp.machinery.status import ApiError, gone

HISTORY_EVENTS = 1000
"""A reflector that lost its connection for a moment resumes; twice that is held at most."""

HISTORY_BYTES = 4 << 20
"""A thousand ordinary objects fit; a thousand of the largest must not."""

# The log is trimmed in bulk, so that a write costs no more than an append.
_TRIM_FACTOR = 2


class WatchLog:
    """Changes of one resource in the order of their versions.

    Args:
        max_events: at least so many are kept (if `max_bytes` allows), at most twice as many.
        max_bytes: the same for the sum of the objects' sizes.
        start: the version before the first change that the log can know.
    """

    def __init__(self, max_events: int, max_bytes: int, start: int = 0) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: list[Event] = []
        self._first = 0  # the number of events that were trimmed
        self._bytes = 0
        self._start = start
        self._watches: set[Watch] = set()
        self._waiting: set[Watch] = set()
        self._last_chunk: tuple[int, int, bytes] = (0, 0, b"")

    def append(self, event: Event) -> None:
        """Add the newest change and wake those who wait."""
        self._events.append(event)
        self._bytes += len(event.body)
        if (
            len(self._events) > _TRIM_FACTOR * self._max_events
            or self._bytes > _TRIM_FACTOR * self._max_bytes
        ):
            self._trim()
        if self._waiting:
            waiting, self._waiting = self._waiting, set()
            for watch in waiting:
                watch.on_wake()

    def _trim(self) -> None:
        kept, size = 0, 0
        for event in reversed(self._events):
            size += len(event.body)
            if kept and (kept >= self._max_events or size > self._max_bytes):
                break
            kept += 1
        dropped = len(self._events) - kept
        self._start = self._events[dropped - 1].resource_version if dropped else self._start
        del self._events[:dropped]
        self._first += dropped
        self._bytes = sum(len(event.body) for event in self._events)

    def since(self, version: int) -> list[Event]:
        """The changes after `version`. Raises ApiError (410) when some of them are gone."""
        return self._events[self._position(version) :]

    def _position(self, version: int) -> int:
        if version < self._start:
            raise gone(f"too old resource version: {version} ({self._start})")
        return bisect_right(self._events, version, key=_version_of)

    def watch(self, namespace: str, since: int) -> Watch:
        """A cursor after version `since`. Raises ApiError (410)."""
        watch = Watch(self, namespace, self._first + self._position(since))
        self._watches.add(watch)
        return watch

    def close_watches(self, error: ApiError) -> None:
        """Close every watch with `error`."""
        for watch in list(self._watches):
            watch.fail(error)

    def _read(self, watch: Watch, cursor: int) -> tuple[list[Event], int]:
        if cursor < self._first:
            watch.fail(gone("the watcher fell behind: too many changes since it last read"))
            return [], cursor
        return self._events[cursor - self._first :], self._first + len(self._events)

    def _chunk(self, start: int, end: int, events: list[Event]) -> bytes:
        # Watches woken by the same write read the same range: they share one joined chunk.
        if self._last_chunk[:2] != (start, end):
            self._last_chunk = (start, end, b"".join([event.line for event in events]))
        return self._last_chunk[2]


class Watch:
    """A cursor into a log. `take` until empty, then wait for `on_wake`, which is called once.

    Attributes:
        error: why it ended: None while it is open, and when `close` ended it.
        closed: whether it has ended.
        on_wake: called, from within a write, when there is something to take after `take` had
            returned nothing, and when it ends. Must not block nor write to the store.
    """

    def __init__(self, log: WatchLog, namespace: str, cursor: int) -> None:
        self.on_wake: Callable[[], None] = _nothing
        self.error: ApiError | None = None
        self.closed = False
        self._log = log
        self._namespace = namespace
        self._cursor = cursor

    def take(self) -> list[Event]:
        """The changes since the last call; nothing arms `on_wake`."""
        if self.closed:
            return []
        events, self._cursor = self._log._read(self, self._cursor)
        if not events:
            if not self.closed:
                self._log._waiting.add(self)
            return []
        if self._namespace:
            events = [event for event in events if event.key.namespace == self._namespace]
            return events or self.take()
        return events

    def take_lines(self) -> bytes:
        """What `take` would return, joined as lines of a watch response."""
        if self._namespace:
            return b"".join([event.line for event in self.take()])
        start = self._cursor
        events = self.take()
        return self._log._chunk(start, self._cursor, events) if events else b""

    def fail(self, error: ApiError) -> None:
        """End it with an error for its reader."""
        if not self.closed:
            self.error = error
            self.close()
            self.on_wake()

    def close(self) -> None:
        """End it. Safe to call twice."""
        self.closed = True
        self._log._watches.discard(self)
        self._log._waiting.discard(self)


def _nothing() -> None:
    return None


def _version_of(event: Event) -> int:
    return event.resource_version
