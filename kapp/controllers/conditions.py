"""Conditions of kapp's own objects. Pure."""

from __future__ import annotations

from datetime import datetime

from kapp.api.v1alpha1.meta import Condition
from kapp.machinery.objects import format_time


def set_condition(
    conditions: list[Condition], kind: str, status: str, reason: str, message: str, now: datetime
) -> list[Condition]:
    """`conditions` with one set; its lastTransitionTime moves only when its status changes."""
    old = next((one for one in conditions if one.type == kind), None)
    moved = old is None or old.status != status
    made = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=format_time(now) if old is None or moved else old.last_transition_time,
    )
    return [made if one.type == kind else one for one in conditions] + ([] if old else [made])
