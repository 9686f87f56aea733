"""Which pod gets the next connection, and on which port: pure functions.

Used by `forwarder.py` for every connection, by the forward's status, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple


class Forward(NamedTuple):
    """One forward of a resource. `container_port` 0 lets the pod's declared ports decide."""

    local_port: int
    container_port: int = 0
    host: str = "localhost"
    name: str = ""
    path: str = ""


class Backend(NamedTuple):
    """A pod that connections may go to.

    `current`: made by the newest apply. `created_at`: RFC 3339, all of one precision. `ports`: the
    containerPorts that its containers declare, in order.
    """

    pod: str
    namespace: str
    uid: str
    ready: bool = False
    current: bool = True
    deleting: bool = False
    created_at: str = ""
    ports: tuple[int, ...] = ()


def container_port(forward: Forward, declared: Sequence[int]) -> int:
    """The port in the container: as given, else the same if declared, else the first declared."""
    if forward.container_port:
        return forward.container_port
    if not declared or forward.local_port in declared:
        return forward.local_port
    return declared[0]


def rank(backends: Iterable[Backend]) -> list[Backend]:
    """The best first.

    Ready pods before pods that are going but still Ready, before those not Ready (as a Service
    does while all its endpoints terminate, KEP-1669); a pod neither Ready nor staying is last.
    Among equals those of the current apply, then the newest.
    """
    newest_first = sorted(backends, key=lambda b: (b.created_at, b.pod), reverse=True)
    return sorted(newest_first, key=_badness)


def _badness(backend: Backend) -> tuple[int, bool]:
    if backend.ready:
        order = 1 if backend.deleting else 0
    else:
        order = 3 if backend.deleting else 2
    return order, not backend.current


def choose(ranked: Sequence[Backend], failed: Collection[str]) -> Backend | None:
    """The best whose uid is not among `failed`."""
    return next((b for b in ranked if b.uid not in failed), None)
