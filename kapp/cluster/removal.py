"""Deletes objects in order, by UID, and tells what is left and why.

Where there is a deadline, a cluster that is not well for a moment is asked again until then, and
nothing is waited for after it. Called by `kapp.cluster.inventory`, which decides what is to go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from kapp.cluster.failures import Retry, judge
from kapp.cluster.order import batches, delete_class
from kapp.cluster.pauses import Pauses
from kapp.cluster.progress import OnProgress, Progress, silent
from kapp.cluster.targets import Target, delete, find
from kapp.errors import KappError, Unreachable
from kapp.machinery.objects import Object, display_name, metadata_of, uid_of
from kapp.machinery.options import Propagation
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

# A removal of much must not open a connection for each object.
_CONCURRENCY = 16
_NO_ANSWER = "the cluster does not answer"
T = TypeVar("T")


class Left(NamedTuple):
    """An object that was not deleted, and why."""

    object: str
    why: str


class Removal(NamedTuple):
    """Display names of what was deleted, what could not be, and what was not meant to be."""

    deleted: list[str]
    left: list[Left]
    kept: Sequence[Left] = ()


async def delete_in_order(
    client: Client,
    targets: Sequence[Target],
    *,
    deadline: float | None = None,
    on_progress: OnProgress = silent,
) -> Removal:
    """Delete `targets`, dependents before what they depend on.

    With a `deadline` (loop time), each class is waited for until it is gone, what it owns
    included, before the next is begun; what is not gone then is left, and so are later classes.
    Without, deletion is only asked for, and an object that is refused holds up no other.
    """
    run = _Removal(client, deadline, on_progress)
    deleted: list[str] = []
    left: list[Left] = []
    classes = batches((delete_class(t.resource.group, t.resource.kind), t) for t in targets)
    for number, batch in enumerate(classes):
        outcomes = await asyncio.gather(*(run.remove(target) for target in batch))
        for target, why in zip(batch, outcomes, strict=True):
            name = display_name(target.obj)
            if why is None:
                deleted.append(name)
            else:
                left.append(Left(name, why))
        if left and deadline is not None:
            rest = [t for later in classes[number + 1 :] for t in later]
            left += [
                Left(display_name(t.obj), "what may depend on it is still there") for t in rest
            ]
            break
    return Removal(deleted, left)


async def until_answered(
    call: Callable[[], Awaitable[T]],
    deadline: float | None,
    on_trouble: Callable[[str], None],
) -> T:
    """What `call()` gives; while the cluster is not well, tried again until `deadline` (loop time).

    Without a deadline, it is called once. `on_trouble` is told why it is called again. Raises
    KappError: what the cluster refuses, or the last trouble at the deadline.
    """
    if deadline is None:
        return await call()
    trouble: KappError = Unreachable(_NO_ANSWER)
    pauses = Pauses()
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                try:
                    return await call()
                except (ApiError, Unreachable) as error:
                    verdict = judge(error, {}, exists=False)
                    if not isinstance(verdict, Retry):
                        raise
                    trouble = error
                    on_trouble(verdict.why)
                    await pauses.pause(verdict.after_s)
    except TimeoutError:
        raise trouble from None


class _Removal:
    """One run of `delete_in_order`."""

    def __init__(self, client: Client, deadline: float | None, on_progress: OnProgress) -> None:
        self._client = client
        self._deadline = deadline
        self._on_progress = on_progress
        self._limit = asyncio.Semaphore(_CONCURRENCY)

    async def remove(self, target: Target) -> str | None:
        """Delete one object; why it is still there, or None."""
        name = display_name(target.obj)
        self._on_progress(Progress(name, "deleting"))
        async with self._limit:
            try:
                await until_answered(
                    lambda: self._ask(target),
                    self._deadline,
                    lambda why: self._on_progress(Progress(name, "retrying", why)),
                )
            except KappError as e:
                return e.message
        why = None
        if self._deadline is not None:
            why = await self._until_gone(target, self._deadline)
        if why is None:
            self._on_progress(Progress(name, "deleted"))
        return why

    async def _ask(self, target: Target) -> None:
        # Foreground, so that a workload is gone only when its pods are.
        propagation: Propagation = "Background" if self._deadline is None else "Foreground"
        await delete(self._client, target, target.obj, propagation)

    async def _until_gone(self, target: Target, deadline: float) -> str | None:
        why, pauses = _NO_ANSWER, Pauses()
        name = display_name(target.obj)
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    async with self._limit:
                        live = await self._live(target)
                    if live is None:
                        return None
                    if live and (holder := _holder(live)) != why:
                        why = holder
                        self._on_progress(Progress(name, "waiting", why))
                    await pauses.pause()
        except TimeoutError:
            return why

    async def _live(self, target: Target) -> Object | None:
        """The object as it is; None when it is gone, {} when that cannot be found out now."""
        try:
            live = await find(self._client, target)
        except KappError:
            return {}
        return live if live is not None and uid_of(live) == uid_of(target.obj) else None


def _holder(live: Object) -> str:
    """What keeps a deleted object from going."""
    finalizers = [str(f) for f in metadata_of(live).get("finalizers") or ()]
    names = [f for f in finalizers if f != "foregroundDeletion"]
    if names:
        return f"waiting for finalizer {', '.join(names)}"
    return "waiting for what it owns to end" if finalizers else "still terminating"
