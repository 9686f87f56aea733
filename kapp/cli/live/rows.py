"""UIResources as rows of the live view: one word for the state, one sentence for what is wrong.

Pure. The words are also what tells the states apart without colour.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from kapp.api.v1alpha1.uiresource import READY, UP_TO_DATE, UIResource
from kapp.machinery.objects import parse_time


class Urgency(IntEnum):
    """How much a row needs a person's eyes; the most urgent are shown first where room is short."""

    ERROR = 0
    BUSY = 1
    WAITING = 2
    CALM = 3
    OFF = 4


class Row(NamedTuple):
    """One resource.

    `since` is when it was applied last, None if it never was; `problem` is one line, "" if there is
    none.
    """

    name: str
    urgency: Urgency
    state: str
    since: datetime | None
    links: tuple[str, ...]
    problem: str


_WAITING_FOR = {
    "waiting-for-dep": "waiting for another resource",
    "waiting-for-cluster": "waiting for the cluster",
    "waiting-for-trigger": "changed, waiting for a trigger",
}


def rows_of(resources: list[UIResource]) -> list[Row]:
    """All rows, in the order of the Kappfile."""
    ordered = sorted(resources, key=lambda one: (one.status.order, one.metadata.name))
    return [row_of(resource) for resource in ordered]


def row_of(resource: UIResource) -> Row:
    """The row of one resource."""
    urgency, state = _state(resource)
    status = resource.status
    return Row(
        name=resource.metadata.name,
        urgency=urgency,
        state=state,
        since=parse_time(status.last_deploy_time) if status.last_deploy_time else None,
        links=tuple(link.url for link in status.endpoint_links),
        problem=_problem(resource) if urgency in (Urgency.ERROR, Urgency.WAITING) else "",
    )


def _state(resource: UIResource) -> tuple[Urgency, str]:
    status = resource.status
    if status.disable_status is not None and status.disable_status.disabled:
        return Urgency.OFF, "disabled"
    if status.current_build is not None:
        return Urgency.BUSY, "updating"
    if status.update_status == "error":
        return Urgency.ERROR, "failed"
    if status.waiting is not None:
        return Urgency.WAITING, "waiting"
    if status.update_status == "pending" or status.queued:
        return Urgency.BUSY, "pending"
    return {
        "error": (Urgency.ERROR, "error"),
        "pending": (Urgency.BUSY, "starting"),
        "unknown": (Urgency.WAITING, "unknown"),
        "ok": (Urgency.CALM, "ready"),
        "not_applicable": (Urgency.CALM, "applied"),
    }.get(status.runtime_status, (Urgency.WAITING, status.update_status or "new"))


def _problem(resource: UIResource) -> str:
    status = resource.status
    if status.waiting is not None and status.update_status != "error":
        text = _WAITING_FOR.get(status.waiting.reason, status.waiting.reason.replace("-", " "))
        on = ", ".join(one.name for one in status.waiting.on)
        return f"{text}: {on}" if on else text
    messages = {
        condition.type: condition.message or condition.reason
        for condition in status.conditions
        if condition.status != "True"
    }
    return " ".join((messages.get(UP_TO_DATE) or messages.get(READY) or "").split())
