"""Server-side apply of prepared objects, in order, until they are in or cannot be.

Order classes one after the other, concurrently within one. What may pass (no connection,
overload, conflicts, an object that is being deleted) is tried again with jittered backoff and
reported as retrying; what cannot is a `Rejected` at once. `kapp.cluster.failures` decides which.
The ApplySet is told before anything is applied, so that nothing can be orphaned, and is asked
before each object, so that nothing of another set's is changed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from kapp.cluster.crds import until_served
from kapp.cluster.failures import Recreate, Rejected, Retry, judge
from kapp.cluster.mapping import RestMapping
from kapp.cluster.order import apply_class, batches
from kapp.cluster.pauses import Pauses
from kapp.cluster.prepare import (
    DOWN_POLICY_ANNOTATION,
    FIELD_MANAGER,
    RESOURCE_ANNOTATION,
    is_same_set,
)
from kapp.cluster.progress import OnProgress, Progress, silent
from kapp.cluster.targets import Target, delete, find
from kapp.errors import ClusterError, KappError, Unreachable
from kapp.machinery.objects import (
    Object,
    annotations_of,
    display_name,
    is_deleting,
    key_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client, PatchType

# Tilt's k8s_upsert_timeout_secs, and KubernetesApply.spec.timeout's default.
TIMEOUT_S = 30.0
# The first retry follows a lost race at once; the last is bearable for someone who waits.
_BASE_DELAY_S = 0.1
_MAX_DELAY_S = 3.0
# A request that takes longer than this is shown: someone is waiting for it.
_SLOW_S = 5.0
_INVENTORY = "the inventory"


Admit = Callable[[Target], Awaitable[Object]]
"""What to send for a target; raises Rejected for an object that must not be touched."""


async def admit_all(target: Target) -> Object:
    """An `Admit` for objects that are known to be free."""
    return target.obj


class ApplyError(ClusterError):
    """Some objects were not applied.

    `errors` says why, one for each; `applied` is what the server returned for the others.
    """

    def __init__(self, errors: Sequence[KappError], applied: Sequence[Object]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        super().__init__(first.message + more, hint=first.hint, location=first.location)
        self.errors = tuple(errors)
        self.applied = tuple(applied)


async def apply(
    client: Client,
    targets: Sequence[Target],
    *,
    record: Callable[[Sequence[Target]], Awaitable[None]],
    admit: Admit = admit_all,
    on_progress: OnProgress = silent,
    timeout_s: float = TIMEOUT_S,
    force: bool = False,
    mapping: RestMapping | None = None,
) -> list[Object]:
    """Apply all; returns what the server returned, in the order of `targets`.

    Args:
        client: the cluster.
        targets: from `resolve(prepare(…))`.
        record: `Inventory.record`; awaited before the first object is sent.
        admit: `Inventory.admit`; awaited before each object is sent.
        on_progress: told of every step.
        timeout_s: for all of it; then each unfinished object is an error with its last trouble.
        force: delete what cannot be changed in place, whatever its kind.
        mapping: forgets what it knows when the cluster no longer serves a target's resource (its
            CRD was deleted or changed), so that the next `resolve` asks again.

    Raises:
        ApplyError: when any object was refused or did not get in in time. Later classes are not
            begun then; the others of its class are finished.
        ClusterError: when the inventory cannot be written; nothing was applied then.
    """
    work = _Apply(client, mapping, admit, on_progress, force)
    deadline = asyncio.get_running_loop().time() + timeout_s
    await work.recorded(record, targets, deadline)
    results: dict[int, Object] = {}
    numbered = [(apply_class(t.resource.kind), (i, t)) for i, t in enumerate(targets)]
    for batch in batches(numbered):
        outcomes = await asyncio.gather(*(work.within(t, deadline) for _, t in batch))
        errors = []
        for (index, _), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, KappError):
                errors.append(outcome)
            else:
                results[index] = outcome
        if errors:
            raise ApplyError(errors, [results[index] for index in sorted(results)])
    return [results[index] for index in sorted(results)]


class _Apply:
    """One run of `apply`."""

    def __init__(
        self,
        client: Client,
        mapping: RestMapping | None,
        admit: Admit,
        on_progress: OnProgress,
        force: bool,
    ) -> None:
        self._client = client
        self._mapping = mapping
        self._admit = admit
        self._on_progress = on_progress
        self._force = force
        self._trouble: dict[str, str] = {}

    async def recorded(
        self,
        record: Callable[[Sequence[Target]], Awaitable[None]],
        targets: Sequence[Target],
        deadline: float,
    ) -> None:
        """Await `record` until it succeeds. Raises ClusterError."""
        failures = 0
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        await record(targets)
                    except (ApiError, Unreachable) as error:
                        verdict = judge(error, {}, exists=False)
                        if not isinstance(verdict, Retry):
                            raise _not_recorded(error) from error
                        await self._pause(_INVENTORY, verdict, failures)
                        failures += 1
                    else:
                        self._report(_INVENTORY, "applied")
                        return
        except TimeoutError:
            raise self._late(_INVENTORY) from None

    async def within(self, target: Target, deadline: float) -> Object | KappError:
        """The applied object, or why it is not. Never raises but for cancellation."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._until_applied(target)
        except TimeoutError:
            return self._late(display_name(target.obj))
        except KappError as e:
            return e

    async def _until_applied(self, target: Target) -> Object:
        name, failures = display_name(target.obj), 0
        doomed = recreated = False
        self._report(name, "applying")
        while True:
            try:
                if doomed:
                    await self._delete(target)
                    doomed, recreated = False, True
                result = await self._patch(target)
                if not is_deleting(result):
                    if target.resource.kind == "CustomResourceDefinition":
                        await until_served(
                            self._client, target, result, partial(self._report, name, "waiting")
                        )
                    self._report(name, "applied")
                    return result
                self._report(name, "waiting", "the old one is still being deleted")
                await self._gone(target, uid_of(result))
            except KappError as error:
                verdict = await self._judge(error, target, recreated)
                if isinstance(verdict, Retry):
                    await self._pause(name, verdict, failures)
                    failures += 1
                elif isinstance(verdict, Recreate):
                    self._report(name, "recreating", verdict.why)
                    doomed = True
                else:
                    # Chaining would carry a Secret's values into a traceback.
                    raise verdict from (None if target.resource.kind == "Secret" else error)

    async def _judge(
        self, error: KappError, target: Target, recreated: bool
    ) -> Retry | Recreate | KappError:
        needs_old = isinstance(error, ApiError) and error.code == 422 and not recreated
        unserved = isinstance(error, ApiError) and error.code == 404 and not error.details
        if unserved and self._mapping is not None:
            self._mapping.invalidate()
        try:
            live = await find(self._client, target) if needs_old else None
        except KappError as second:
            error, live = second, None
        exists = live is not None
        resource = annotations_of(target.obj).get(RESOURCE_ANNOTATION, "NAME")
        verdict = judge(error, target.obj, exists=exists, resource=resource)
        if live is not None and not is_same_set(live, target.obj):
            return _not_deleted(verdict, target, "kapp did not make the one that is there")
        if any(
            annotations_of(one).get(DOWN_POLICY_ANNOTATION) == "keep"
            for one in (live, target.obj)
            if one is not None
        ):
            return _not_deleted(verdict, target, f"{DOWN_POLICY_ANNOTATION} keeps the one there")
        if self._force and exists and isinstance(verdict, Rejected) and "--force" in verdict.hint:
            return Recreate(verdict.message)
        return verdict

    async def _patch(self, target: Target) -> Object:
        namespace, name = key_of(target.obj)
        slow = asyncio.get_running_loop().call_later(
            _SLOW_S,
            self._report,
            display_name(target.obj),
            "waiting",
            f"the cluster has not answered for {_SLOW_S:g} s",
        )
        try:
            return await self._client.patch(
                target.resource,
                name,
                await self._admit(target),
                PatchType.APPLY,
                namespace,
                field_manager=FIELD_MANAGER,
                force=True,
                field_validation="Strict",
            )
        finally:
            slow.cancel()

    async def _delete(self, target: Target) -> None:
        if (live := await find(self._client, target)) is not None:
            await delete(self._client, target, live, "Background")
            await self._gone(target, uid_of(live))

    async def _gone(self, target: Target, uid: str) -> None:
        pauses = Pauses()
        while (live := await find(self._client, target)) is not None and uid_of(live) == uid:
            await pauses.pause()

    async def _pause(self, name: str, retry: Retry, failures: int) -> None:
        """Wait before another attempt: as long as the server said, and a jittered while."""
        self._report(name, "retrying", retry.why)
        grown: float = _BASE_DELAY_S * 2.0 ** min(failures, 10)
        jittered_s = min(grown, _MAX_DELAY_S) * (0.5 + random.random() / 2)
        await asyncio.sleep(retry.after_s + jittered_s)

    def _late(self, name: str) -> ClusterError:
        why = self._trouble.get(name) or "the cluster did not answer"
        return ClusterError(f"not applied in time: {why}", location=name)

    def _report(self, name: str, state: str, message: str = "") -> None:
        if message:
            self._trouble[name] = message
        self._on_progress(Progress(name, state, message))


def _not_deleted(
    verdict: Retry | Recreate | KappError, target: Target, because: str
) -> Retry | KappError:
    """The verdict on what kapp may not delete to make it anew."""
    if isinstance(verdict, Recreate):
        why = verdict.why
    elif isinstance(verdict, Rejected) and "--force" in verdict.hint:
        why = verdict.message
    else:
        return verdict
    kind, (namespace, name) = target.resource.kind.lower(), key_of(target.obj)
    where = f" -n {namespace}" if namespace else ""
    return Rejected(
        f"{why}; {because}",
        location=display_name(target.obj),
        hint=f"rename it, or if that one may go: kubectl delete {kind} {name}{where}",
    )


def _not_recorded(error: ApiError | Unreachable) -> Rejected:
    return Rejected(
        f"what kapp applies cannot be recorded: {error.message}",
        hint="kapp keeps a ConfigMap in the namespace it deploys to, and must be allowed to:"
        " `kapp doctor` says which rights are missing",
    )
