"""A work queue with the promises of client-go's `util/workqueue`.

- Fair: keys come out in the order in which they were added.
- Stingy: a key that is added several times before it is taken comes out once.
- One at a time: a key that is being processed is never handed out again until `done(key)`; if it
  was added meanwhile, it is queued again then. So nothing that happens during work is lost.
- Shutting down drains: what is queued still comes out, then `get` raises `ShutDown`.

Idle cost is zero: delays are event-loop timers, one for each delayed key, and nothing polls.
Used from one event loop; `kapp.runtime.controller` is the caller.
"""

from __future__ import annotations

import asyncio
import random as _random
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

# A first retry soon enough that a lost race is not felt by someone who is waiting for a save.
BASE_DELAY_S = 0.05
# Long enough not to hammer a broken cluster, short enough that a healed one is noticed soon.
MAX_DELAY_S = 30.0
# 2**n overflows nothing and exceeds any sensible ratio of the two delays.
_MAX_EXPONENT = 30


class ShutDown(Exception):
    """The queue was shut down and has nothing left to hand out."""


class WorkQueue(Generic[K]):
    """See the module's docstring for its promises.

    Args:
        base_delay_s: delay of a key's first `add_rate_limited`, doubled for each further one.
        max_delay_s: bound of that delay, before jitter.
        random: gives [0, 1); the delay is spread over [delay/2, delay) with it.
    """

    def __init__(
        self,
        *,
        base_delay_s: float = BASE_DELAY_S,
        max_delay_s: float = MAX_DELAY_S,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._base_delay_s = base_delay_s
        self._max_delay_s = max_delay_s
        self._random = random
        self._queue: deque[K] = deque()
        self._dirty: set[K] = set()
        self._processing: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._shutting_down = False

    def __len__(self) -> int:
        """How many keys can be taken now."""
        return len(self._queue)

    def add(self, key: K) -> None:
        """Queue `key` unless it is queued; nothing happens once the queue is shut down."""
        if self._shutting_down or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Queue `key` in `delay_s` seconds; of several delays the earliest counts."""
        if self._shutting_down:
            return
        if delay_s <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= loop.time() + delay_s:
                return
            pending.cancel()
        self._timers[key] = loop.call_later(delay_s, self._due, key)

    def add_rate_limited(self, key: K) -> float:
        """Queue `key` after its backoff, which grows until `forget(key)`; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        grown = self._base_delay_s * 2.0 ** min(failures, _MAX_EXPONENT)
        delay_s = min(grown, self._max_delay_s) * (0.5 + self._random() / 2)
        self.add_after(key, delay_s)
        return delay_s

    def failures(self, key: K) -> int:
        """How often `key` was rate limited since it was forgotten."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Reset the backoff of `key`; what is queued or delayed stays so."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, which is the caller's until `done(key)`. Raises ShutDown."""
        while not self._queue:
            if self._shutting_down and not (self._dirty & self._processing):
                raise ShutDown
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._pass_on(waiter)
                raise
        key = self._queue.popleft()
        self._processing.add(key)
        self._dirty.discard(key)
        return key

    def done(self, key: K) -> None:
        """Give back a key from `get`; it is queued again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._push(key)
        if self._shutting_down:
            self._wake_all()

    def shut_down(self) -> None:
        """Take no more keys and forget delayed ones; what is queued can still be taken."""
        self._shutting_down = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._wake_all()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _push(self, key: K) -> None:
        self._queue.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _wake_all(self) -> None:
        while self._waiters:
            self._wake_one()

    def _pass_on(self, waiter: asyncio.Future[None]) -> None:
        """A cancelled `get` that had been woken hands its turn to another."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and self._queue:
            self._wake_one()
