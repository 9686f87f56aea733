"""What controllers ask of pods: active, ready, available. Pure.

Source: pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from kapp.machinery.objects import Object, find_condition, is_deleting, parse_time

PODS_PHASE_ENDED = ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether the pod counts: it has not ended, and nobody deletes it."""
    return (pod.get("status") or {}).get("phase") not in PODS_PHASE_ENDED and not is_deleting(pod)


def ready_since(pod: Object) -> datetime | None:
    """Since when the pod is ready; None if it is not."""
    condition = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    if condition is None or condition.get("status") != "True":
        return None
    text = condition.get("lastTransitionTime")
    return parse_time(text) if text else None


def is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    condition = find_condition((pod.get("status") or {}).get("conditions"), "Ready")
    return condition is not None and condition.get("status") == "True"


def seconds_until_available(pod: Object, min_ready_s: int, now: datetime) -> float | None:
    """0 if the pod has been ready for `min_ready_s`, else what is left; None if it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_s <= 0 or since is None:
        return 0.0
    return max(0.0, (since + timedelta(seconds=min_ready_s) - now).total_seconds())


def restarts_of(pod: Object) -> int:
    """The largest restart count of its containers."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((status.get("restartCount") or 0 for status in statuses), default=0)
