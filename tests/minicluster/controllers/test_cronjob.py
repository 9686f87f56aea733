"""Cron schedules, and which of a CronJob's times have come."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapp.minicluster.controllers.cronjob.reconciler import job_from, most_recent
from kapp.minicluster.controllers.cronjob.schedule import ScheduleError, parse_schedule

START = datetime(2026, 2, 27, 23, 58, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", "2026-02-27T23:59:00+00:00"),
        ("*/15 * * * *", "2026-02-28T00:00:00+00:00"),
        ("30 4 1,15 * *", "2026-03-01T04:30:00+00:00"),
        ("0 0 * * MON", "2026-03-02T00:00:00+00:00"),
        # a day matches by either of its fields, unless one is a star
        ("0 0 13 * 1-5/2", "2026-03-02T00:00:00+00:00"),
        ("0 12 29 feb *", "2028-02-29T12:00:00+00:00"),
        ("5/20 1 * * ?", "2026-02-28T01:05:00+00:00"),
        ("@monthly", "2026-03-01T00:00:00+00:00"),
        ("@hourly", "2026-02-28T00:00:00+00:00"),
        ("@every 90s", "2026-02-28T00:00:00+00:00"),
        ("@every 1h30m", "2026-02-28T01:28:30+00:00"),
    ],
)
def test_the_next_time(schedule, expected):
    assert parse_schedule(schedule).after(START).isoformat() == expected


def test_a_time_that_never_comes():
    assert parse_schedule("0 0 30 2 *").after(START) is None


def test_changes_of_clocks():
    berlin = ZoneInfo("Europe/Berlin")
    daily = parse_schedule("30 2 * * *")
    before = datetime(2026, 3, 28, 12, tzinfo=berlin)
    # on 29 March the clock goes from 2:00 to 3:00
    assert daily.after(before).isoformat() == "2026-03-30T02:30:00+02:00"


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("", "empty spec string"),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("a * * * *", "failed to parse int from a"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("* 24 * * *", "end of range (24) above maximum (23): 24"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", "failed to parse duration @every soon"),
    ],
)
def test_schedules_that_cannot_be_read(schedule, problem):
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(schedule)
    assert problem in caught.value.message


# The first draw loads hypothesis' tables, which takes a second on a loaded machine.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    step=st.integers(1, 12),
)
def test_times_are_later_and_fit(moment, minute, hour, step):
    moment = moment.replace(tzinfo=UTC)
    schedule = parse_schedule(f"{minute} {hour}/{step} * * *")
    found = schedule.after(moment)
    assert moment < found <= moment + timedelta(days=1, minutes=1)
    assert (found.minute, found.second) == (minute, 0)
    assert found.hour >= hour
    assert (found.hour - hour) % step == 0
    # nothing lies between
    assert schedule.after(found - timedelta(seconds=1)) == found


def cron_job(**spec):
    meta = {"name": "c", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta,
        "spec": {"jobTemplate": template, **spec},
    }


@pytest.mark.parametrize(
    ("spec", "status", "expected", "missed"),
    [
        ({}, {}, "2026-01-01T09:00:00+00:00", 9),
        ({}, {"lastScheduleTime": "2026-01-01T09:00:00Z"}, None, 0),
        ({}, {"lastScheduleTime": "2026-01-01T07:00:00Z"}, "2026-01-01T09:00:00+00:00", 2),
        ({"startingDeadlineSeconds": 60}, {}, None, 0),
    ],
)
def test_what_is_due(spec, status, expected, missed):
    now = datetime(2026, 1, 1, 9, 5, tzinfo=UTC)
    due, count = most_recent(cron_job(**spec), status, parse_schedule("0 * * * *"), now)
    assert (due.isoformat() if due else None, count) == (expected, missed)


def test_after_a_long_pause_only_the_newest_time_counts():
    now = datetime(2027, 1, 1, 9, 5, 30, tzinfo=UTC)
    due, missed = most_recent(cron_job(), {}, parse_schedule("*/10 * * * *"), now)
    assert due.isoformat() == "2027-01-01T09:00:00+00:00"
    assert missed > 100


def test_the_job_of_a_time():
    due = datetime(2026, 1, 1, 9, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    job = job_from(cron_job(), due)
    assert job["metadata"]["name"] == f"c-{int(due.timestamp()) // 60}"
    assert job["metadata"]["labels"] == {"a": "b"}
    stamp = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp == "2026-01-01T09:00:00+01:00"
    assert job["metadata"]["ownerReferences"][0]["controller"] is True
