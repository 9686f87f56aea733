"""`localhost:PORT` belongs to a resource: the forwards of one resource, over whatever pods it has.

    Listener ──accept──▶ Splice ──choose──▶ PodDialer ──▶ pod
    (listener.py)        (splice.py)        (portforward.py)

The owner (the PortForward controller) says what to forward (`set_forwards`) and which pods there
are (`set_backends`), both idempotent; it reads `status()` when `on_change` calls.

Invariants:
- A listener opens once and stays until its forward is gone: pods come and go behind it.
- Each accepted connection is given to the best pod at that moment (`forwardchoice.rank`). One that
  no pod takes waits; one that a pod has lives as long as that pod lets it, listed or not.
- A pod that left the list keeps its tunnel until its last connection ended, and gets no new ones.
- With nothing connected there is no timer but the pings of the best pod's warm tunnel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from kapp.aio.supervise import TaskGroup
from kapp.cluster.forwardchoice import Backend, Forward, choose, container_port, rank
from kapp.cluster.listener import Listener
from kapp.cluster.podstream import PodStream, StreamReceiver
from kapp.cluster.portforward import PodDialer
from kapp.cluster.splice import Splice
from kapp.errors import KappError
from kapp.machinery.objects import format_micro_time

__all__ = ["Backend", "Forward", "Forwarder"]

_log = logging.getLogger(__name__)

MakeDialer = Callable[[str, str], PodDialer]
"""Makes the dialer of a pod, from its namespace and name."""

_COUNTS_DELAY_S = 0.5
"""Counts of connections change with every request; a status write each half second shows them."""

_ERROR_AFTER_S = 1.0
"""When connections find no pod for this long, the reason becomes the forward's error. Sooner, it is
a rollout or a program that is starting."""

_SAID_AFTER_S = 5.0
"""After so long it is also logged: most programs that are only slow to start have started by then.
"""

_LOGGED_ERRORS = 256
"""Remembered, so that each is logged once; then forgotten, so that they do not pile up."""


class ForwardState:
    """One forward: its listener, its connections, its error. Made and owned by `Forwarder`."""

    def __init__(self, owner: Forwarder, forward: Forward) -> None:
        self.forward = forward
        self.tasks = owner.tasks
        self.listener = Listener(
            forward.host,
            forward.local_port,
            lambda: Splice(self),
            owner.tasks,
            self._listener_changed,
        )
        self.splices: set[Splice] = set()
        self.parked: set[Splice] = set()  # those of them that found no pod and pause
        self._owner = owner
        self._error: KappError | None = None
        self._failing_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._last_error = ""
        self._started_at = ""

    # -- for Splice

    @property
    def waiting_count(self) -> int:
        """Connections that no pod has yet."""
        return sum(splice.waiting for splice in self.splices)

    def accepted(self, splice: Splice) -> None:
        """A client connected."""
        self.splices.add(splice)
        self.counts_changed()

    def ended(self, splice: Splice) -> None:
        """A connection is over."""
        self.splices.discard(splice)
        self.counts_changed()

    def counts_changed(self) -> None:
        """A connection was parked, given to a pod, or ended."""
        self._owner.changed(_COUNTS_DELAY_S)

    def choose(self, failed: set[str]) -> Backend | None:
        """The best pod now that is not among `failed` (uids)."""
        return choose(self._owner.ranked, failed)

    async def open(self, backend: Backend, receiver: StreamReceiver) -> PodStream:
        """A connection to the forward's port in `backend`. Raises KappError."""
        port = container_port(self.forward, backend.ports)
        return await self._owner.dialer(backend).open(port, receiver)

    def is_staying(self, backend: Backend) -> bool:
        """Whether a pod is still there and not being deleted."""
        return any(b.uid == backend.uid and not b.deleting for b in self._owner.ranked)

    def is_replaced(self, backend: Backend) -> bool:
        """Whether a pod is gone, and another is Ready in its place."""
        ranked = self._owner.ranked
        return bool(ranked) and ranked[0].ready and all(b.uid != backend.uid for b in ranked)

    def failed(self, backend: Backend, error: KappError, waiting_s: float) -> None:
        """A connection found no pod at `backend`, and has waited for one for `waiting_s`."""
        self._fail(error, waiting_s)

    def lacking(self, waiting_s: float) -> None:
        """There is no pod to try, and a connection has waited for one for `waiting_s`."""
        if self._owner.lack is not None:
            self._fail(self._owner.lack, waiting_s)

    def _fail(self, error: KappError, waiting_s: float) -> None:
        self._last_error = error.one_line()
        now = self._loop.time()
        if self._failing_since is None:
            self._failing_since = now - waiting_s
        failing_s = now - self._failing_since
        if failing_s >= _ERROR_AFTER_S and str(error) != str(self._error):
            self._error = error
            self._owner.changed(0)
        if failing_s >= _SAID_AFTER_S:
            self._owner.log_once(self.forward, error)

    def answered(self, backend: Backend) -> None:
        """A pod answered: what was wrong is not any more, and who waits need not wait longer."""
        for splice in list(self.parked):
            splice.wake()
        self._failing_since = None
        if self._error is not None:
            self._error = None
            self._owner.changed(0)

    # -- for Forwarder

    def backends_changed(self, best_changed: bool) -> None:
        """Wake those who wait; another pod has no share in the last one's failures."""
        if best_changed:
            self._error = self._failing_since = None
        for splice in list(self.splices):
            splice.wake()

    def status(self) -> dict[str, Any]:
        """As in PortForward.status.forwardStatuses."""
        best = self._owner.ranked[0] if self._owner.ranked else None
        error = self.listener.error or self._error or (None if best else self._owner.lack)
        waiting = self.waiting_count
        return {
            "localPort": self.forward.local_port,
            "containerPort": container_port(self.forward, best.ports if best else ()),
            "addresses": list(self.listener.addresses),
            "podName": best.pod if best else "",
            "startedAt": self._started_at,
            "connections": len(self.splices) - waiting,
            "parked": waiting,
            "error": error.one_line() if error else "",
            "lastError": self._last_error,
        }

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self.listener.close()
        for splice in list(self.splices):
            splice.close()

    def _listener_changed(self) -> None:
        if self.listener.addresses and not self._started_at:
            self._started_at = format_micro_time(self._owner.now())
        if self.listener.error is not None:
            self._last_error = self.listener.error.one_line()
            self._owner.log_once(self.forward, self.listener.error)
        self._owner.changed(0)


class Forwarder:
    """All forwards of one resource; see the module's text.

    Args:
        make_dialer: makes a pod's `PodDialer`; the forwarder closes it.
        now: wall time, for `startedAt`.
        on_change: called, not more often than twice a second for mere counts, when `status()` has
            changed.
        name: of the resource, for logs.
        say: told once of each error that a user should see, with the port it concerns.
    """

    def __init__(
        self,
        make_dialer: MakeDialer,
        *,
        now: Callable[[], datetime],
        on_change: Callable[[], None] = lambda: None,
        name: str = "",
        say: Callable[[int, KappError], None] = lambda _port, _error: None,
    ) -> None:
        self.now = now
        self.name = name
        self.tasks = TaskGroup(f"forward {name}")
        self.ranked: list[Backend] = []
        self.lack: KappError | None = None  # why there are none
        self._say = say
        self._make_dialer = make_dialer
        self._on_change = on_change
        self._states: dict[tuple[str, int], ForwardState] = {}
        self._dialers: dict[str, PodDialer] = {}
        self._warmed = ""
        self._logged: set[str] = set()
        self._last_status: list[dict[str, Any]] = []
        self._notice: asyncio.TimerHandle | None = None
        self._closed = False

    async def set_forwards(self, forwards: Iterable[Forward]) -> None:
        """Open what is new, close what is gone, leave the rest. Raises nothing: see `status`."""
        wanted = {(f.host or "localhost", f.local_port): f for f in forwards}
        for key in [key for key in self._states if key not in wanted]:
            self._states.pop(key).close()
            self.changed(0)
        for key, forward in wanted.items():
            state = self._states.get(key)
            if state is None:
                state = self._states[key] = ForwardState(self, forward)
                await state.listener.start()
            elif state.forward != forward:
                state.forward = forward
                state.backends_changed(best_changed=True)
                self.changed(0)
        self._warm_best()

    def set_backends(self, backends: Iterable[Backend], lack: KappError | None = None) -> None:
        """The pods there are now. New connections follow at once, those under way stay.

        `lack` says why there are none, if so it is.
        """
        ranked = rank(backends)
        lack_changed, self.lack = str(lack) != str(self.lack), lack
        if ranked == self.ranked:
            if lack_changed and not ranked:
                for state in self._states.values():
                    state.backends_changed(best_changed=True)
                self.changed(0)
            return
        before = {b.uid: b for b in self.ranked}
        best_changed = [b.uid for b in ranked[:1]] != [b.uid for b in self.ranked[:1]]
        self.ranked = ranked
        present = {b.uid for b in ranked}
        for backend in ranked:
            old = before.get(backend.uid)
            dialer = self._dialers.get(backend.uid)
            if dialer is not None and backend.ready and not (old and old.ready):
                dialer.forgive()
        for uid in [uid for uid in self._dialers if uid not in present]:
            self._retire_if_idle(uid)
        self._warm_best()
        for state in self._states.values():
            state.backends_changed(best_changed)
        self.changed(0)

    def status(self) -> list[dict[str, Any]]:
        """One dict for each forward, in the order of their first `set_forwards`.

        Keys: localPort, containerPort, addresses (bound), podName (the next connection's),
        startedAt (RFC 3339, microseconds), connections, parked, error (now), lastError.
        """
        return [state.status() for state in self._states.values()]

    async def close(self) -> None:
        """Close everything, connections included."""
        self._closed = True
        if self._notice is not None:
            self._notice.cancel()
        for state in self._states.values():
            state.close()
        self._states.clear()
        await self.tasks.close()
        for dialer in list(self._dialers.values()):
            await dialer.close()
        self._dialers.clear()

    # -- for ForwardState

    def dialer(self, backend: Backend) -> PodDialer:
        """The dialer of a pod, made at first use."""
        dialer = self._dialers.get(backend.uid)
        if dialer is None:
            dialer = self._dialers[backend.uid] = self._make_dialer(backend.namespace, backend.pod)
            uid = backend.uid
            dialer.on_idle = lambda _: self._retire_if_idle(uid)
        return dialer

    def changed(self, delay_s: float) -> None:
        """Tell `on_change` after `delay_s`, or with a call that is due sooner."""
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        if self._notice is not None:
            if self._notice.when() <= due:
                return
            self._notice.cancel()
        self._notice = loop.call_at(due, self._tell)

    def log_once(self, forward: Forward, error: KappError) -> None:
        """Log and say `error`, unless that was done before."""
        key = f"{forward.local_port} {error}"
        if key in self._logged:
            return
        if len(self._logged) >= _LOGGED_ERRORS:
            self._logged.clear()
        self._logged.add(key)
        self._say(forward.local_port, error)
        _log.warning(
            "forward does not work",
            extra={
                "resource": self.name,
                "local_port": forward.local_port,
                "error": error.one_line(),
            },
        )

    def _tell(self) -> None:
        self._notice = None
        status = self.status()
        if status != self._last_status:
            self._last_status = status
            self._on_change()

    # -- dialers

    def _warm_best(self) -> None:
        """Have the tunnel open before the first connection asks for it."""
        if not (self._states and self.ranked and self.ranked[0].ready) or self._closed:
            return
        best = self.ranked[0]
        if best.uid != self._warmed:
            self._warmed = best.uid
            self.tasks.spawn(self._warm(best), f"warm {best.pod}")

    async def _warm(self, backend: Backend) -> None:
        try:
            await self.dialer(backend).warm()
        except KappError as error:
            # a connection that needs it will say so, and retry
            _log.debug("no warm tunnel", extra={"pod": backend.pod, "error": str(error)})

    def _retire_if_idle(self, uid: str) -> None:
        dialer = self._dialers.get(uid)
        if dialer is None or self._closed or any(b.uid == uid for b in self.ranked):
            return
        if dialer.stream_count == 0:
            del self._dialers[uid]
            self.tasks.spawn(dialer.close(), f"retire {dialer.pod}")
