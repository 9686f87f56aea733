"""What the statuses of all UIResources have alike, whatever stands behind the resource. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from kapp.api.v1alpha1.meta import API_VERSION, GROUP, Condition
from kapp.api.v1alpha1.uiresource import (
    BUILDS_KEPT,
    READY,
    UP_TO_DATE,
    UIBuildTerminated,
    UIResourceStatus,
    UIResourceWaiting,
    UIWaitingOnRef,
)
from kapp.controllers.conditions import set_condition
from kapp.controllers.holds import WAITING_FOR_CLUSTER


class Verdict(NamedTuple):
    """A condition without its time."""

    status: str
    reason: str
    message: str = ""


def kappfile_verdict(error: str) -> Verdict:
    """UpToDate of everything while what was saved last cannot be evaluated."""
    first = error.partition("\n")[0]
    return Verdict("False", "KappfileError", f"the Kappfile has an error: {first}")


def conditions_of(
    old: UIResourceStatus, up_to_date: Verdict, ready: Verdict, now: datetime, *, otherwise: str
) -> list[Condition]:
    """UpToDate and Ready; what is not up to date is not ready, `otherwise` where that is silent."""
    conditions = set_condition(old.conditions, UP_TO_DATE, *up_to_date, now)
    if up_to_date.status != "True":
        ready = Verdict("False", "NotUpToDate", up_to_date.message or otherwise)
    return set_condition(conditions, READY, *ready, now)


def with_build(old: UIResourceStatus, build: UIBuildTerminated) -> list[UIBuildTerminated]:
    """The newest builds, `build` among them."""
    known = old.build_history
    if known and known[0].finish_time == build.finish_time:
        return known
    return [build, *known][:BUILDS_KEPT]


def waiting_for(reason: str, names: Sequence[str]) -> UIResourceWaiting:
    """Why it is not updated, and the objects that it waits for."""
    kind = "Cluster" if reason == WAITING_FOR_CLUSTER else "UIResource"
    return UIResourceWaiting(
        reason=reason,
        on=[
            UIWaitingOnRef(group=GROUP, api_version=API_VERSION, kind=kind, name=name)
            for name in names
        ],
    )
