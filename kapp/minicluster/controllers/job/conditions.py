"""When a Job has succeeded or failed, and how its status says so. Pure.

Source: pkg/controller/job/job_controller.go (syncJob, enactJobFinished) and backoff_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from kapp.machinery.objects import (
    Object,
    find_condition,
    format_time,
    is_deleting,
    metadata_of,
    parse_time,
)

FIRST_BACKOFF_S = 10.0
MAX_BACKOFF_S = 600.0

_FINAL = {"SuccessCriteriaMet": "Complete", "FailureTarget": "Failed"}


class Verdict(NamedTuple):
    """Why a Job ends; `type` is SuccessCriteriaMet or FailureTarget."""

    type: str
    reason: str
    message: str

    @property
    def final(self) -> str:
        """The condition that follows when no pod is left: Complete or Failed."""
        return _FINAL[self.type]


REACHED = Verdict(
    "SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"
)
_BACKOFF = Verdict(
    "FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
)
_DEADLINE = Verdict(
    "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"
)


def new_condition(kind: str, status: str, reason: str, message: str, now: datetime) -> Object:
    """One entry of a Job's conditions."""
    time = format_time(now)
    return {
        "type": kind,
        "status": status,
        "lastProbeTime": time,
        "lastTransitionTime": time,
        "reason": reason,
        "message": message,
    }


def is_finished(job: Object) -> bool:
    """Whether the Job is Complete or Failed."""
    return any(_true(job, kind) for kind in ("Complete", "Failed"))


def finished_at(job: Object) -> datetime | None:
    """When it became Complete or Failed."""
    for kind in ("Complete", "Failed"):
        condition = find_condition((job.get("status") or {}).get("conditions"), kind)
        if condition is not None and condition.get("status") == "True":
            return parse_time(condition["lastTransitionTime"])
    return None


def is_suspended(job: Object) -> bool:
    """Whether the Job is to run no pods."""
    return bool(job["spec"].get("suspend"))


def _true(job: Object, kind: str) -> bool:
    condition = find_condition((job.get("status") or {}).get("conditions"), kind)
    return condition is not None and condition.get("status") == "True"


def known_verdict(job: Object) -> Verdict | None:
    """What an earlier pass decided."""
    for kind in _FINAL:
        if _true(job, kind):
            found = find_condition(job["status"]["conditions"], kind) or {}
            return Verdict(kind, found.get("reason", ""), found.get("message", ""))
    return None


def failure(job: Object, pods: Iterable[Object], failed: int, now: datetime) -> Verdict | None:
    """Whether the Job has failed by its limits."""
    limit = int(job["spec"].get("backoffLimit", 6))
    if failed > limit or _restarted_too_often(job, pods, limit):
        return _BACKOFF
    left_s = deadline_left_s(job, now)
    return _DEADLINE if left_s is not None and left_s <= 0 else None


def _restarted_too_often(job: Object, pods: Iterable[Object], limit: int) -> bool:
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        status = pod.get("status") or {}
        if status.get("phase") in ("Running", "Pending"):
            for field in ("initContainerStatuses", "containerStatuses"):
                restarts += sum(c.get("restartCount") or 0 for c in status.get(field) or ())
    return restarts > 0 if limit == 0 else restarts >= limit


def deadline_left_s(job: Object, now: datetime) -> float | None:
    """Seconds until activeDeadlineSeconds is over; None for a Job that has no such moment."""
    limit_s = job["spec"].get("activeDeadlineSeconds")
    start = (job.get("status") or {}).get("startTime")
    if limit_s is None or not start or is_suspended(job):
        return None
    return (parse_time(start) + timedelta(seconds=limit_s) - now).total_seconds()


def is_pod_failed(job: Object, pod: Object) -> bool:
    """Whether the pod counts as failed.

    One that is being deleted does, unless the Job replaces pods only when they have ended.
    """
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Failed" or job["spec"].get("podReplacementPolicy") == "Failed":
        return bool(phase == "Failed")
    return is_deleting(pod) and phase != "Succeeded"


def finish_time(pod: Object) -> datetime:
    """When a pod ended, as well as its object tells."""
    ends = []
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        ends.append(ended.get("finishedAt") or "")
    if ends and all(ends):
        return max(map(parse_time, ends))
    ready = find_condition((pod.get("status") or {}).get("conditions"), "Ready") or {}
    if ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_time(ready["lastTransitionTime"])
    meta = metadata_of(pod)
    return parse_time(meta.get("deletionTimestamp") or meta["creationTimestamp"])


class Backoff(NamedTuple):
    """Failures since the last success, and when the newest was."""

    failures: int = 0
    since: datetime | None = None

    def after(self, succeeded: Iterable[Object], failed: Iterable[Object]) -> Backoff:
        """With pods that ended since."""
        successes = sorted(map(finish_time, succeeded))
        failures = sorted(map(finish_time, failed))
        if successes:
            failures = [time for time in failures if time > successes[-1]]
            return Backoff(len(failures), failures[-1] if failures else None)
        if failures:
            return Backoff(self.failures + len(failures), failures[-1])
        return self

    def left_s(self, now: datetime) -> float:
        """Seconds until a new pod may be made."""
        if not self.failures or self.since is None:
            return 0.0
        delay_s = min(FIRST_BACKOFF_S * 2.0 ** (min(self.failures, 32) - 1), MAX_BACKOFF_S)
        return max(0.0, delay_s - (now - self.since).total_seconds())
