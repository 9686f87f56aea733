"""Whether an unattended run (`kapp ci`) is over, and how. Pure.

- Over and good: nothing waits, every server is ready, every Job is done.
- Over and failed: an apply that was refused, the Kappfile's error, a server in a crash loop, a Job
  that failed, an image, a node or a volume that cannot be had, and what takes too long.

Some troubles pass: an image registry answers the second time, a claim is bound a moment after its
pod was made. They count only when they last (as kstatus gives pods a window to be scheduled). A
server has to hold for a moment, and longer after a restart: before a crash it looks ready.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from kapp.api.v1alpha1.kappfile import MAIN
from kapp.api.v1alpha1.meta import Condition
from kapp.api.v1alpha1.session import SessionFailure
from kapp.api.v1alpha1.uiresource import READY, UIResource, UIResourceKubernetes
from kapp.controllers.holds import WAITING_FOR_TRIGGER
from kapp.machinery.objects import parse_time

# kstatus's ScheduleWindow.
PASSING_S = 15.0
# Without a readiness probe, a program is ready from its first instruction to the one that ends it.
FIRST_HOLD_S = 5.0
HOLD_S = 10.0
LOOKS = 5
_SERVERS = (":deployment", ":statefulset", ":daemonset", ":replicaset", ":pod")
_PASSING = frozenset(
    {
        "Unschedulable",
        "ErrImagePull",
        "ImagePullBackOff",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "Error",
    }
)


class Limits(NamedTuple):
    """What `ci_settings` and the command line say, in seconds."""

    grace_s: float
    timeout_s: float
    readiness_timeout_s: float


class Verdict(NamedTuple):
    """Whether the run is over; the failures that ended it, none if all is well."""

    done: bool
    failures: Sequence[SessionFailure] = ()


def verdict(
    resources: Sequence[UIResource],
    *,
    jobs: Collection[str],
    failing_since: Mapping[str, datetime],
    looks: Mapping[str, int],
    limits: Limits,
    started_at: datetime,
    now: datetime,
) -> Verdict:
    """The verdict at a moment.

    Args:
        resources: all of them, the Kappfile's own included.
        jobs: names of those that run to an end; no readiness timeout applies to them.
        failing_since: since when the runtime of a resource has been in error.
        looks: how often in a row a resource was seen ready: of an engine that had no time to look,
            the clock alone says nothing.
        limits: what is tolerated.
        started_at: when the run began.
        now: the moment.
    """
    failures = [
        found
        for ui in resources
        if (found := _failure(ui, failing_since.get(ui.name, now), limits, now)) is not None
    ]
    if failures:
        return Verdict(True, failures)
    if all(ui.name != MAIN for ui in resources):
        return Verdict(False)  # the engine has only just begun
    waiting = [
        ui
        for ui in resources
        if not _is_done(ui, now, looks.get(ui.name, 0), is_job=ui.name in jobs)
    ]
    if not waiting:
        nothing = len(resources) == 1 and resources[0].name == MAIN
        return Verdict(True, [_nothing_to_do()] if nothing else ())
    late = [
        _late(ui, f"not ready {limits.readiness_timeout_s:g} s after its apply")
        for ui in waiting
        if ui.name not in jobs
        and _age_s(ui.status.last_deploy_time, now) > limits.readiness_timeout_s
    ]
    if late:
        return Verdict(True, late)
    if (now - started_at).total_seconds() > limits.timeout_s:
        return Verdict(
            True, [_late(ui, f"not done within {limits.timeout_s:g} s") for ui in waiting]
        )
    return Verdict(False)


def is_failing(ui: UIResource) -> bool:
    """Whether what the resource runs is in error."""
    return ui.status.runtime_status == "error" and not _is_disabled(ui)


def _failure(
    ui: UIResource, since: datetime, limits: Limits, now: datetime
) -> SessionFailure | None:
    status = ui.status
    if _is_disabled(ui):
        return None
    ready = _ready(ui)
    reason = ready.reason if ready is not None else "Error"
    message = ready.message if ready is not None else ""
    if status.update_status == "error":
        return SessionFailure(resource=ui.name, reason="UpdateFailed", message=message)
    if not is_failing(ui) or _age_s(status.last_deploy_time, now) < limits.grace_s:
        return None
    if reason in _PASSING and (now - since).total_seconds() < PASSING_S:
        return None
    return SessionFailure(resource=ui.name, reason=reason, message=message)


def _nothing_to_do() -> SessionFailure:
    return SessionFailure(
        resource=MAIN, reason="NothingToDo", message="the Kappfile declares no resources"
    )


def _late(ui: UIResource, what: str) -> SessionFailure:
    ready = _ready(ui)
    why = f": {ready.message}" if ready is not None and ready.message else ""
    return SessionFailure(resource=ui.name, reason="Timeout", message=f"{what}{why}")


def is_ready(ui: UIResource) -> bool:
    """Whether the resource is ready at this moment."""
    ready = _ready(ui)
    return ready is not None and ready.status == "True"


def _is_done(ui: UIResource, now: datetime, looks: int, *, is_job: bool) -> bool:
    status = ui.status
    if _is_disabled(ui):
        return True
    if status.waiting is not None and status.waiting.reason == WAITING_FOR_TRIGGER:
        return True  # started by hand, so no part of an unattended run
    ready = _ready(ui)
    if ready is None or ready.status != "True":
        return False
    found = status.k8s_resource_info
    if found is None or is_job or not _runs_pods(found):
        return True
    hold_s = HOLD_S if found.pod_restarts else FIRST_HOLD_S
    return looks >= LOOKS and _age_s(ready.last_transition_time, now) >= hold_s


def _runs_pods(found: UIResourceKubernetes) -> bool:
    """Whether there is a server; its first pod may not have been seen yet, and crash when it is."""
    return bool(found.pod_name) or any(name.endswith(_SERVERS) for name in found.display_names)


def _is_disabled(ui: UIResource) -> bool:
    return ui.status.disable_status is not None and ui.status.disable_status.disabled


def _ready(ui: UIResource) -> Condition | None:
    return next((one for one in ui.status.conditions if one.type == READY), None)


def _age_s(moment: str, now: datetime) -> float:
    return (now - parse_time(moment)).total_seconds() if moment else 0.0
