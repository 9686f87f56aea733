"""Why a KubernetesApply's new input is not applied yet. Reads kapp's API; writes nothing.

The reasons are Tilt's (`UIResource.status.waiting.reason`): waiting-for-cluster,
waiting-for-uncategorized, waiting-for-dep, waiting-for-trigger; and kapp's own forbidden-context.

    auto_init  trigger_mode   the first input is applied      later ones
    True       auto           at once                         at once
    True       manual         at once                         by `kapp trigger`
    False      auto           once it is changed, or by       at once
                              `kapp trigger`
    False      manual         by `kapp trigger`               by `kapp trigger`

Dependencies and `uncategorized` hold up the first apply only; the first after a disable and an
enable is one, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.kubernetesapply import (
    APPLIED,
    REASON_APPLYING,
    REASON_PENDING,
    KubernetesApply,
)
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.controllers.applyinput import ApplyInput
from kapp.controllers.connections import ClusterHandle
from kapp.controllers.guard import Guard
from kapp.kappfile.model import UNCATEGORIZED

WAITING_FOR_TRIGGER = "waiting-for-trigger"
WAITING_FOR_CLUSTER = "waiting-for-cluster"
WAITING_FOR_UNCATEGORIZED = "waiting-for-uncategorized"
WAITING_FOR_DEP = "waiting-for-dep"
WAITING_FOR_OTHERS = (WAITING_FOR_CLUSTER, WAITING_FOR_UNCATEGORIZED, WAITING_FOR_DEP)


class Hold(NamedTuple):
    """One of the reasons, a sentence, and the names of what is waited for."""

    reason: str
    message: str
    on: Sequence[str] = ()


class Holds:
    """Decides what holds up an apply, by the objects of kapp's API."""

    def __init__(self, objects: TypedClient, guard: Guard) -> None:
        self._objects = objects
        self._guard = guard

    async def of(
        self, apply: KubernetesApply, given: ApplyInput, handle: ClusterHandle
    ) -> Hold | None:
        """What holds up `given`, a new input; None if nothing does.

        Notes in `apply.status.held_input_hash` what is held back because of auto_init.
        """
        if (hold := await self._refused(handle)) is not None:
            return hold
        status = apply.status
        first = not status.applied_input_hash
        if (hold := _by_mode(apply, given, first=first)) is not None:
            return hold
        if not first:
            return None
        by_dependencies = await hold_by_dependencies(self._objects, apply.spec.resource_deps)
        return by_dependencies or await self._by_uncategorized(apply)

    async def _refused(self, handle: ClusterHandle) -> Hold | None:
        refusal = await self._guard.refusal(handle.connection.context)
        if refusal is None:
            return None
        return Hold("forbidden-context", f"{refusal.message} ({refusal.hint})")

    async def _by_uncategorized(self, apply: KubernetesApply) -> Hold | None:
        """Namespaces, accounts, settings: what all others may need is tried first."""
        if apply.name == UNCATEGORIZED or not apply.metadata.owner_references:
            return None
        other = await self._objects.get(KubernetesApply, UNCATEGORIZED)
        if other is None or other.status.applied_input_hash or not _is_under_way(other):
            return None
        return Hold(
            WAITING_FOR_UNCATEGORIZED, f"waits until {UNCATEGORIZED} is applied", [UNCATEGORIZED]
        )


def _by_mode(apply: KubernetesApply, given: ApplyInput, *, first: bool) -> Hold | None:
    spec, status = apply.spec, apply.status
    triggered = bool(given.trigger) and given.trigger != status.handled_trigger
    if triggered or status.attempted_input_hash == given.digest:
        return None
    if first and not spec.auto_init:
        status.held_input_hash = status.held_input_hash or given.digest
    changed = status.held_input_hash != given.digest
    if not waits_for_trigger(spec.trigger_mode, spec.auto_init, first=first, changed=changed):
        return None
    return Hold(WAITING_FOR_TRIGGER, f"run `kapp trigger {apply.name}` to apply it")


def waits_for_trigger(trigger_mode: str, auto_init: bool, *, first: bool, changed: bool) -> bool:
    """Whether an input is held up by its modes: the table above, for applies and commands.

    `changed`: it is another one than the first that was held up.
    """
    if not first:
        return trigger_mode == "manual"
    return not auto_init and (trigger_mode == "manual" or not changed)


async def hold_by_dependencies(objects: TypedClient, names: Sequence[str]) -> Hold | None:
    """What holds up a first run until each of these resources has been ready once."""
    waiting, disabled = [], []
    for name in names:
        # The Kappfile has warned of a name that is no resource.
        dependency = await objects.get(UIResource, name)
        if dependency is not None and not dependency.status.ever_ready:
            waiting.append(name)
            state = dependency.status.disable_status
            disabled += [name] if state is not None and state.disabled else []
    if not waiting:
        return None
    message = f"waits until {', '.join(waiting)} has been ready"
    if disabled:
        message += f"; disabled: `kapp enable {' '.join(disabled)}`"
    return Hold(WAITING_FOR_DEP, message, waiting)


def _is_under_way(apply: KubernetesApply) -> bool:
    """Whether it will be applied soon: nothing holds it up, and no attempt has met trouble."""
    status = apply.status
    if status.waiting_reason or status.attempts:
        return False
    if status.disable_status is not None and status.disable_status.disabled:
        return False
    reasons = [one.reason for one in status.conditions if one.type == APPLIED]
    return not reasons or reasons[0] in (REASON_APPLYING, REASON_PENDING)
