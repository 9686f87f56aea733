"""One pass over one CronJob: start what is due, note what ended, remove what is old.

Source: syncCronJob and cleanupFinishedJobs in pkg/controller/cronjob/cronjob_controllerv2.go and
mostRecentScheduleTime in utils.go.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    controller_of,
    controller_reference,
    find_condition,
    format_time,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
    parse_time,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.cronjob.schedule import (
    Schedule,
    ScheduleError,
    parse_schedule,
)
from kapp.minicluster.controllers.job.conditions import finished_at, is_finished
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.writes import write_status
from kapp.minicluster.resources import CRON_JOBS, JOBS
from kapp.runtime.client import Client

_SLACK_S = 0.1
"""Wake a little after the time, never before it."""
_MANY_MISSED = 100
_SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"


class CronJobReconciler:
    """Runs one CronJob.

    Args:
        client: the cluster.
        cron_jobs: mirror of CronJobs.
        jobs: mirror of Jobs, indexed by their controller's uid.
        now: wall time.
    """

    def __init__(
        self, client: Client, cron_jobs: Mirror, jobs: Mirror, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._cron_jobs = cron_jobs
        self._jobs = jobs
        self._now = now
        self._recorder = Recorder(client, "cronjob-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass; wants to be called again at the next time of its schedule."""
        cron_job = self._cron_jobs.get(key)
        if cron_job is None:
            return None
        status: dict[str, Any] = deepcopy(cron_job.get("status") or {})
        jobs = [job for job in self._jobs.by(uid_of(cron_job)) if not is_deleting(job)]
        await self._note_ended(cron_job, status, jobs)
        again_s = None
        if not is_deleting(cron_job):
            again_s = await self._schedule(cron_job, status)
            await self._clean_up(cron_job, status, jobs)
        await self._write(cron_job, status)
        return again_s

    async def _note_ended(
        self, cron_job: Object, status: dict[str, Any], jobs: list[Object]
    ) -> None:
        """Take Jobs that ended or went away off the list of active ones."""
        known = {uid_of(job): job for job in jobs}
        for reference in list(status.get("active") or ()):
            job = known.get(reference.get("uid") or "")
            if job is not None and not is_finished(job):
                continue
            _forget(status, reference.get("uid") or "")
            if job is None:
                text = f"Active job went missing: {reference.get('name')}"
                await self._recorder.normal(cron_job, "MissingJob", text)
            else:
                text = f"Saw completed job: {name_of(job)}, condition: {_end_of(job)}"
                await self._recorder.normal(cron_job, "SawCompletedJob", text)
        done = [job["status"]["completionTime"] for job in jobs if _end_of(job) == "Complete"]
        if done:
            status["lastSuccessfulTime"] = max([*done, status.get("lastSuccessfulTime") or ""])

    async def _schedule(self, cron_job: Object, status: dict[str, Any]) -> float | None:
        spec = cron_job["spec"]
        if spec.get("suspend"):
            return None
        try:
            schedule = parse_schedule(spec["schedule"])
            zone: tzinfo = zoneinfo.ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
        except (ScheduleError, zoneinfo.ZoneInfoNotFoundError) as e:
            text = f'unparseable schedule: "{spec["schedule"]}" : {e}'
            await self._recorder.warning(cron_job, "UnparseableSchedule", text)
            return None
        now = self._now().astimezone(zone)
        due, missed = most_recent(cron_job, status, schedule, now)
        if missed > _MANY_MISSED:
            text = (
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or "
                "check clock skew"
            )
            await self._recorder.warning(cron_job, "TooManyMissedTimes", text)
        if due is not None and format_time(due) != status.get("lastScheduleTime"):
            await self._start(cron_job, status, due)
        following = schedule.after(now)
        return None if following is None else (following - now).total_seconds() + _SLACK_S

    async def _start(self, cron_job: Object, status: dict[str, Any], due: datetime) -> None:
        """Make the Job of that time, as the concurrency policy says."""
        policy = cron_job["spec"].get("concurrencyPolicy")
        active = status.get("active") or []
        job = job_from(cron_job, due)
        if any(reference.get("name") == name_of(job) for reference in active):
            return
        if policy == "Forbid" and active:
            await self._recorder.normal(
                cron_job,
                "JobAlreadyActive",
                "Not starting job because prior execution is running and concurrency policy is "
                "Forbid",
            )
            return
        if policy == "Replace":
            for reference in list(active):
                await self._delete(cron_job, status, reference["name"], reference["uid"])
        try:
            made = await self._client.create(JOBS, job)
            text = f"Created job {name_of(made)}"
            await self._recorder.normal(cron_job, "SuccessfulCreate", text)
        except ApiError as e:
            if e.reason != "AlreadyExists":
                text = f"Error creating job: {e.message}"
                await self._recorder.warning(cron_job, "FailedCreate", text)
                raise
            made = await self._client.get(JOBS, name_of(job), key_of(job).namespace)
            if (controller_of(made) or {}).get("uid") != uid_of(cron_job):
                return
        self._jobs.wrote(made)
        status["lastScheduleTime"] = format_time(due)
        if not is_finished(made):
            status["active"] = [*(status.get("active") or ()), _reference(made)]

    async def _delete(self, cron_job: Object, status: dict[str, Any], name: str, uid: str) -> None:
        namespace = key_of(cron_job).namespace
        try:
            await self._client.delete(JOBS, name, namespace, propagation="Background", uid=uid)
        except ApiError as e:
            if e.code not in (404, 409):
                raise
        _forget(status, uid)
        await self._recorder.normal(cron_job, "SuccessfulDelete", f"Deleted job {name}")

    async def _clean_up(self, cron_job: Object, status: dict[str, Any], jobs: list[Object]) -> None:
        """Delete the oldest of the ended Jobs, down to the limits."""
        spec = cron_job["spec"]
        for end, field in (
            ("Complete", "successfulJobsHistoryLimit"),
            ("Failed", "failedJobsHistoryLimit"),
        ):
            limit = spec.get(field)
            ended = sorted((job for job in jobs if _end_of(job) == end), key=_started)
            for job in ended[: max(0, len(ended) - limit)] if limit is not None else ():
                await self._delete(cron_job, status, name_of(job), uid_of(job))
                self._jobs.removed(job)

    async def _write(self, cron_job: Object, status: dict[str, Any]) -> None:
        if not status.get("active"):
            status.pop("active", None)
        await write_status(self._client, CRON_JOBS, self._cron_jobs, cron_job, status)


def most_recent(
    cron_job: Object, status: dict[str, Any], schedule: Schedule, now: datetime
) -> tuple[datetime | None, int]:
    """The newest time that has come and was not served, and how many times have come."""
    since = status.get("lastScheduleTime") or metadata_of(cron_job)["creationTimestamp"]
    earliest = parse_time(since).astimezone(now.tzinfo)
    deadline_s = cron_job["spec"].get("startingDeadlineSeconds")
    if deadline_s is not None:
        earliest = max(earliest, now - timedelta(seconds=deadline_s))
    due, missed = None, 0
    following = schedule.after(earliest)
    while following is not None and following <= now:
        due, missed = following, missed + 1
        if missed > _MANY_MISSED:
            # From here the newest one is found by going back from now, an interval at a time.
            return _last_before(schedule, due, now), missed
        following = schedule.after(following)
    return due, missed


def _last_before(schedule: Schedule, known: datetime, now: datetime) -> datetime:
    step = timedelta(minutes=1)
    while True:
        start = max(known, now - step)
        following = schedule.after(start)
        found = None
        while following is not None and following <= now:
            found, following = following, schedule.after(following)
        if found is not None:
            return found
        if start == known:
            return known
        step *= 4


def job_from(cron_job: Object, due: datetime) -> Object:
    """The Job of one time; its name is the time's, so that it is made once."""
    template = deepcopy(cron_job["spec"]["jobTemplate"])
    meta = template.get("metadata") or {}
    stamp = due.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": f"{name_of(cron_job)}-{int(due.timestamp()) // 60}",
            "namespace": key_of(cron_job).namespace,
            "labels": meta.get("labels") or {},
            "annotations": {**(meta.get("annotations") or {}), _SCHEDULED_AT: stamp},
            "ownerReferences": [controller_reference(cron_job)],
        },
        "spec": template["spec"],
    }


def _forget(status: dict[str, Any], uid: str) -> None:
    status["active"] = [r for r in status.get("active") or () if r.get("uid") != uid]


def _end_of(job: Object) -> str:
    if finished_at(job) is None:
        return ""
    complete = find_condition(job["status"].get("conditions"), "Complete") or {}
    return "Complete" if complete.get("status") == "True" else "Failed"


def _started(job: Object) -> tuple[str, str]:
    return str((job.get("status") or {}).get("startTime") or "~"), name_of(job)


def _reference(job: Object) -> dict[str, str]:
    meta = metadata_of(job)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": name_of(job),
        "namespace": meta.get("namespace") or "",
        "resourceVersion": meta.get("resourceVersion") or "",
        "uid": uid_of(job),
    }
