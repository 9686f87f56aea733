"""Session: every resource's state in one list, and whether the run is done.

Woken by its own object and by UIResources; a burst of them is one reconcile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from kapp.api.durations import parse_duration
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.meta import Condition
from kapp.api.v1alpha1.session import MAIN as SESSION
from kapp.api.v1alpha1.session import (
    Session,
    Target,
    TargetActive,
    TargetDisabled,
    TargetState,
    TargetTerminated,
    TargetWaiting,
)
from kapp.api.v1alpha1.uiresource import READY, UIResource
from kapp.machinery.objects import Object, ObjectKey, format_micro_time, parse_time

# Two hundred resources change within a moment at the start: one list is enough for all of them.
COALESCE_S = 0.25
# What a CI run tolerates where the Session does not say; Tilt's defaults.
CI_TIMEOUT_S = 30 * 60.0
CI_READINESS_TIMEOUT_S = 5 * 60.0


class SessionReconciler:
    """Reconciles the Session.

    Args:
        objects: kapp's API.
        pid: the engine's process ID.
        started_at: when the engine started.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        pid: int,
        started_at: datetime,
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._pid = pid
        self._started_at = started_at
        self._now = now

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Write down every target, and whether all of them are done."""
        await asyncio.sleep(COALESCE_S)
        session = await self._objects.get(Session, key.name)
        if session is None:
            return None
        before = encode(session)
        resources = sorted(await self._objects.list(UIResource), key=lambda ui: ui.spec.order)
        status = session.status
        status.pid = self._pid
        status.start_time = format_micro_time(self._started_at)
        status.targets = [target for ui in resources for target in targets_of(ui)]
        if session.spec.exit_condition == "ci" and not status.done:
            status.done, status.error = self._verdict(session, resources)
        await self._objects.write_status(session, before)
        return 1.0 if session.spec.exit_condition == "ci" and not status.done else None

    def _verdict(self, session: Session, resources: list[UIResource]) -> tuple[bool, str]:
        ci, now = session.spec.ci, self._now()
        grace_s = parse_duration(ci.k8s_grace_period) if ci and ci.k8s_grace_period else 0.0
        timeout_s = parse_duration(ci.timeout) if ci and ci.timeout else CI_TIMEOUT_S
        for ui in resources:
            if (error := _error(ui, grace_s, now)) is not None:
                return True, error
        if len(resources) > 1 and all(_is_done(ui) for ui in resources):
            return True, ""
        for ui in resources:
            if (error := _late(ui, ci.readiness_timeout if ci else "", now)) is not None:
                return True, error
        if (now - self._started_at).total_seconds() > timeout_s:
            late = ", ".join(ui.name for ui in resources if not _is_done(ui)) or "nothing to do"
            return True, f"not done within {timeout_s:.0f} s: {late}"
        return False, ""


def targets_of(ui: UIResource) -> list[Target]:
    """The targets of one resource: its update, and what it runs."""
    status = ui.status
    update = Target(name=f"{ui.name}:update", type="job", resources=[ui.name])
    runtime = Target(name=f"{ui.name}:runtime", type="server", resources=[ui.name])
    if status.disable_status is not None and status.disable_status.disabled:
        update.state = runtime.state = TargetState(disabled=TargetDisabled())
        return [update, runtime]
    newest = status.build_history[0] if status.build_history else None
    if status.update_status in ("ok", "error") and newest is not None:
        update.state = TargetState(
            terminated=TargetTerminated(
                start_time=newest.start_time, finish_time=newest.finish_time, error=newest.error
            )
        )
    elif status.current_build is not None:
        update.state = TargetState(active=TargetActive(start_time=status.current_build.start_time))
    else:
        reason = status.waiting.reason if status.waiting is not None else "pending"
        update.state = TargetState(waiting=TargetWaiting(wait_reason=reason))
    if status.runtime_status == "not_applicable":
        return [update]
    if status.update_status == "not_applicable":
        update.state = TargetState(terminated=TargetTerminated())
    ready = _ready(ui)
    if status.runtime_status == "error":
        message = ready.message if ready is not None else ""
        runtime.state = TargetState(terminated=TargetTerminated(error=message))
    elif status.last_deploy_time:
        is_ready = ready is not None and ready.status == "True"
        runtime.state = TargetState(
            active=TargetActive(
                start_time=status.last_deploy_time,
                ready=is_ready,
                last_ready_time=ready.last_transition_time
                if ready is not None and is_ready
                else "",
            )
        )
    else:
        runtime.state = TargetState(waiting=TargetWaiting(wait_reason="not applied"))
    return [update, runtime]


def session_key(_obj: Object) -> Iterable[ObjectKey]:
    """For the source of UIResources."""
    return (ObjectKey("", SESSION),)


def concerns_session(new: Object, old: Object | None) -> bool:
    """For the source of UIResources: whether a change shows in the list of targets."""
    return old is None or _shown(new) != _shown(old)


def _shown(obj: Object) -> list[object]:
    status = obj.get("status") or {}
    names = ("updateStatus", "runtimeStatus", "conditions", "disableStatus", "waiting")
    return [*(status.get(name) for name in names), status.get("lastDeployTime")]


def _ready(ui: UIResource) -> Condition | None:
    return next((one for one in ui.status.conditions if one.type == READY), None)


def _is_done(ui: UIResource) -> bool:
    status = ui.status
    if status.disable_status is not None and status.disable_status.disabled:
        return True
    if status.waiting is not None and status.waiting.reason == "waiting-for-trigger":
        return True  # started by hand, so no part of an unattended run
    ready = _ready(ui)
    return ready is not None and ready.status == "True"


def _error(ui: UIResource, grace_s: float, now: datetime) -> str | None:
    status, ready = ui.status, _ready(ui)
    message = ready.message if ready is not None else ""
    if status.update_status == "error":
        return f"{ui.name}: {message}"
    if status.runtime_status == "error" and _age_s(status.last_deploy_time, now) >= grace_s:
        return f"{ui.name}: {message}"
    return None


def _late(ui: UIResource, timeout: str, now: datetime) -> str | None:
    timeout_s = parse_duration(timeout) if timeout else CI_READINESS_TIMEOUT_S
    if _is_done(ui) or _age_s(ui.status.last_deploy_time, now) <= timeout_s:
        return None
    ready = _ready(ui)
    why = ready.message if ready is not None else ""
    return f"{ui.name} is not ready {timeout_s:.0f} s after its apply: {why}"


def _age_s(moment: str, now: datetime) -> float:
    return (now - parse_time(moment)).total_seconds() if moment else 0.0
