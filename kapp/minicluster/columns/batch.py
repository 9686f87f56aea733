"""The columns of Jobs and CronJobs. Source: printJob, printCronJob."""

from __future__ import annotations

from datetime import datetime

from kapp.machinery.duration import human_age, human_duration
from kapp.machinery.objects import Object, find_condition, is_deleting, parse_time
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import (
    AGE,
    NAME,
    NONE,
    containers_text,
    field,
    selector_text,
)

_FINAL = ("Complete", "Failed")
_INTERIM = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def _status(job: Object, _now: datetime) -> str:
    conditions = field(job, "status", "conditions") or ()

    def first(kinds: tuple[str, ...]) -> str:
        found = (k for k in kinds if (find_condition(conditions, k) or {}).get("status") == "True")
        return next(found, "")

    return first(_FINAL) or ("Terminating" if is_deleting(job) else first(_INTERIM) or "Running")


def _completions(job: Object, _now: datetime) -> str:
    done = field(job, "status", "succeeded") or 0
    wanted, parallel = field(job, "spec", "completions"), field(job, "spec", "parallelism") or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    start, end = field(job, "status", "startTime"), field(job, "status", "completionTime")
    if not start:
        return ""
    until = parse_time(end) if end else now
    return human_duration((until - parse_time(start)).total_seconds())


def _template(*path: str) -> tuple[Column, Column]:
    def text(what: str) -> Column:
        title = {"name": "Containers", "image": "Images"}[what]
        return Column(
            title,
            lambda obj, _now: containers_text(field(obj, *path, "spec", "containers"), what),
            priority=1,
        )

    return text("name"), text("image")


JOBS = (
    NAME,
    Column("Status", _status, description="Status of the job."),
    Column("Completions", _completions),
    Column("Duration", _duration, description="Time required to complete the job."),
    AGE,
    *_template("spec", "template"),
    Column("Selector", lambda obj, _now: selector_text(field(obj, "spec", "selector")), priority=1),
)

CRON_JOBS = (
    NAME,
    Column("Schedule", lambda obj, _now: field(obj, "spec", "schedule")),
    Column("Timezone", lambda obj, _now: field(obj, "spec", "timeZone") or NONE),
    # A text, as the real server sends it.
    Column(
        "Suspend", lambda obj, _now: "True" if field(obj, "spec", "suspend") else "False", "boolean"
    ),
    Column("Active", lambda obj, _now: len(field(obj, "status", "active") or ()), "integer"),
    Column(
        "Last Schedule",
        lambda obj, now: (
            human_age(at, now) if (at := field(obj, "status", "lastScheduleTime")) else NONE
        ),
    ),
    AGE,
    *_template("spec", "jobTemplate", "spec", "template"),
    Column(
        "Selector",
        lambda obj, _now: selector_text(field(obj, "spec", "jobTemplate", "spec", "selector")),
        priority=1,
    ),
)
