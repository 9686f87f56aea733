"""Session: every resource's state in one list, and whether the run is done.

Woken by its own object and by UIResources; a burst of them is one reconcile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from kapp.api.durations import parse_duration
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
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
from kapp.api.v1alpha1.uiresource import READY, UIBuildTerminated, UIResource
from kapp.controllers.civerdict import Limits, is_failing, is_ready, verdict
from kapp.machinery.objects import Object, ObjectKey, format_micro_time

# Two hundred resources change again and again while they start, and a list of all takes as long as
# applying some of them: it is written when for so long nothing has changed.
_QUIET_S = 0.25
# But not later than this, however much happens.
_LONGEST_WAIT_S = 2.0
# What waits for a moment to pass (a grace period, a timeout) is looked at this often.
_CI_INTERVAL_S = 1.0
_DEFAULTS = Limits(grace_s=0.0, timeout_s=30 * 60.0, readiness_timeout_s=5 * 60.0)


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
        # Since when resources have been failing without a pause; a new engine begins to count anew.
        self._failing_since: dict[str, datetime] = {}
        self._looks: dict[str, int] = {}
        self._changes = 0

    def keys_of_resource(self, _obj: Object) -> Iterable[ObjectKey]:
        """For the source of UIResources."""
        self._changes += 1
        return (ObjectKey("", SESSION),)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Write down every target, and whether all of them are done."""
        session = await self._objects.get(Session, key.name)
        if session is not None and session.status.pid == self._pid:  # whose it is, is said at once
            await self._until_quiet()
            session = await self._objects.get(Session, key.name)
        if session is None:
            return None
        before = encode(session)
        resources = sorted(await self._objects.list(UIResource), key=lambda ui: ui.spec.order)
        status = session.status
        status.pid = self._pid
        status.start_time = format_micro_time(self._started_at)
        status.targets = [target for ui in resources for target in targets_of(ui)]
        waits = session.spec.exit_condition == "ci" and not status.done
        if waits:
            await self._judge(session, resources)
        await self._objects.write_status(session, before)
        return _CI_INTERVAL_S if waits and not status.done else None

    async def _until_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        latest, seen = loop.time() + _LONGEST_WAIT_S, -1
        while seen != self._changes and loop.time() < latest:
            seen = self._changes
            await asyncio.sleep(_QUIET_S)

    async def _judge(self, session: Session, resources: list[UIResource]) -> None:
        now, status = self._now(), session.status
        failing = {ui.name for ui in resources if is_failing(ui)}
        self._failing_since = {name: self._failing_since.get(name, now) for name in failing}
        ready = {ui.name for ui in resources if is_ready(ui)}
        self._looks = {name: self._looks.get(name, 0) + 1 for name in ready}
        found = verdict(
            resources,
            jobs=await self._jobs(),
            failing_since=self._failing_since,
            looks=self._looks,
            limits=await self._limits(session),
            started_at=self._started_at,
            now=now,
        )
        status.done, status.failures = found.done, list(found.failures)
        status.error = "; ".join(f"{one.resource}: {one.message}" for one in found.failures)

    async def _jobs(self) -> set[str]:
        applies = await self._objects.list(KubernetesApply)
        return {one.name for one in applies if one.spec.pod_readiness == "succeeded"}

    async def _limits(self, session: Session) -> Limits:
        """The Session's own, else what the Kappfile says."""
        kappfile = await self._objects.get(Kappfile, MAIN)
        said = [session.spec.ci, kappfile.status.ci if kappfile is not None else None]

        def of(field: str, default_s: float) -> float:
            texts = (getattr(ci, field) for ci in said if ci is not None)
            return next((parse_duration(text) for text in texts if text), default_s)

        return Limits(
            of("k8s_grace_period", _DEFAULTS.grace_s),
            of("timeout", _DEFAULTS.timeout_s),
            of("readiness_timeout", _DEFAULTS.readiness_timeout_s),
        )


def targets_of(ui: UIResource) -> list[Target]:
    """The targets of one resource: its update, and what it runs."""
    status = ui.status
    update = Target(name=f"{ui.name}:update", type="job", resources=[ui.name])
    runtime = Target(name=f"{ui.name}:runtime", type="server", resources=[ui.name])
    if status.disable_status is not None and status.disable_status.disabled:
        update.state = runtime.state = TargetState(disabled=TargetDisabled())
        return [update, runtime]
    if status.update_status in ("ok", "error"):
        update.state = TargetState(terminated=_ended(ui))
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


def _ended(ui: UIResource) -> TargetTerminated:
    """The update that ended; one that could not begin, for an error in its input, was no build."""
    status = ui.status
    newest = status.build_history[0] if status.build_history else UIBuildTerminated()
    ready = _ready(ui)
    failed = status.update_status == "error"
    message = newest.error or (ready.message if ready is not None else "")
    return TargetTerminated(
        start_time=newest.start_time,
        finish_time=newest.finish_time,
        error=message if failed else "",
    )


def concerns_session(new: Object, old: Object | None) -> bool:
    """For the source of UIResources: whether a change shows in the list of targets."""
    return old is None or _shown(new) != _shown(old)


def _shown(obj: Object) -> list[object]:
    status = obj.get("status") or {}
    names = ("updateStatus", "runtimeStatus", "conditions", "disableStatus", "waiting")
    return [*(status.get(name) for name in names), status.get("lastDeployTime")]


def _ready(ui: UIResource) -> Condition | None:
    return next((one for one in ui.status.conditions if one.type == READY), None)
