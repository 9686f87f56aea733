"""Validation of Jobs and CronJobs. Source: pkg/apis/batch/validation/validation.go."""

from __future__ import annotations

import zoneinfo
from typing import Any

from kapp.machinery.objects import Object, name_of, uid_of
from kapp.machinery.selectors import from_label_selector
from kapp.machinery.status import Cause
from kapp.minicluster.controllers.cronjob.schedule import ScheduleError, parse_schedule
from kapp.minicluster.defaults.batch import NAME_LABELS, UID_LABELS
from kapp.minicluster.validation.fields import Errors
from kapp.minicluster.validation.pods import pod_spec
from kapp.minicluster.validation.workloads import MISMATCH

_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ("NonIndexed", "Indexed")
_POLICIES = ("Allow", "Forbid", "Replace")
_MAX_CRON_NAME_CHARS = 52


def job(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a Job."""
    errors = Errors()
    spec = new.get("spec") or {}
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector")
    if not spec.get("manualSelector"):
        _generated(errors, new, labels)
    _job_spec(errors, "spec", spec)
    if not isinstance(selector, dict):
        errors.required("spec.selector")
    elif (parsed := from_label_selector(selector)) is not None and not parsed.matches(labels):
        errors.invalid("spec.template.metadata.labels", labels, MISMATCH)
    if old is not None:
        _job_update(errors, spec, old)
    return errors.causes


def _generated(errors: Errors, new: Object, labels: dict[str, str]) -> None:
    wanted = {name: uid_of(new) for name in UID_LABELS}
    wanted |= {name: name_of(new) for name in NAME_LABELS}
    for label, value in wanted.items():
        path = f"spec.template.metadata.labels[{label}]"
        if label not in labels:
            errors.required("spec.template.metadata.labels", f"must be '{value}'")
        elif labels[label] != value:
            errors.invalid(path, labels, f"must be '{value}'")


def _job_spec(errors: Errors, path: str, spec: dict[str, Any]) -> None:
    for field in _NUMBERS:
        errors.not_negative(f"{path}.{field}", spec.get(field))
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        errors.unsupported(f"{path}.completionMode", mode, _MODES)
    if mode == "Indexed" and spec.get("completions") is None:
        errors.required(f"{path}.completions", "when completion mode is Indexed")
    for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if mode != "Indexed" and spec.get(field) is not None:
            errors.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    pods = (spec.get("template") or {}).get("spec") or {}
    pod_spec(errors, f"{path}.template.spec", pods)
    policy = pods.get("restartPolicy")
    where = f"{path}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        errors.required(where, 'valid values: "OnFailure", "Never"')


def _job_update(errors: Errors, spec: dict[str, Any], old: Object) -> None:
    before = old.get("spec") or {}
    if spec.get("completionMode") != "Indexed":
        errors.immutable("spec.completions", spec.get("completions"), before.get("completions"))
    elif spec.get("completions") not in (before.get("completions"), spec.get("parallelism")):
        text = "can only be modified in tandem with spec.parallelism"
        errors.invalid("spec.completions", spec.get("completions"), text)
    errors.immutable("spec.selector", spec.get("selector"), before.get("selector"))
    if not _may_change_template(old):
        errors.immutable("spec.template", spec.get("template"), before.get("template"))
    for field in (
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        errors.immutable(f"spec.{field}", spec.get(field), before.get(field))


def _may_change_template(old: Object) -> bool:
    """A Job that waits to be resumed has no pods that would differ from it."""
    status = old.get("status") or {}
    suspended = bool((old.get("spec") or {}).get("suspend"))
    return suspended and not status.get("startTime") and not status.get("active")


def cron_job(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a CronJob."""
    errors = Errors()
    spec = new.get("spec") or {}
    schedule, zone = spec.get("schedule"), spec.get("timeZone")
    if old is None and len(name_of(new)) > _MAX_CRON_NAME_CHARS:
        text = f"must be no more than {_MAX_CRON_NAME_CHARS} characters"
        errors.invalid("metadata.name", name_of(new), text)
    if not schedule:
        errors.required("spec.schedule")
    else:
        _schedule(errors, schedule)
    errors.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None:
        _zone(errors, zone)
    errors.choice("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _POLICIES)
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    _job_spec(errors, "spec.jobTemplate.spec", template)
    if template.get("selector") is not None:
        errors.invalid(
            "spec.jobTemplate.spec.selector",
            template["selector"],
            "`selector` will be auto-generated",
        )
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors.not_negative(f"spec.{field}", spec.get(field))
    return errors.causes


def _schedule(errors: Errors, schedule: str) -> None:
    if "TZ" in schedule:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.invalid("spec.schedule", schedule, text)
        return
    try:
        parse_schedule(schedule)
    except ScheduleError as e:
        errors.invalid("spec.schedule", schedule, e.message)


def _zone(errors: Errors, zone: str) -> None:
    if not zone:
        errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
        return
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in "
        errors.invalid("spec.timeZone", zone, text + "https://www.iana.org/time-zones")
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        errors.invalid("spec.timeZone", zone, f"unknown time zone {zone}")
