"""Cron schedules: when is the next time. Pure.

    parse_schedule("*/5 * * * 1-5").after(moment)

Five fields (minute, hour, day of month, month, day of week), names of months and days, lists,
ranges and steps; `@hourly` and its like; `@every 1h30m`. Source of the dialect:
github.com/robfig/cron v3 (parser.go, spec.go).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple, Protocol

from kapp.errors import KappError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FIELDS = 5
# Beyond that there is no such date: 30 February.
_MOST_YEARS = 5


class ScheduleError(KappError):
    """A schedule that cannot be read; the message is cron's."""


class Schedule(Protocol):
    """Knows when to run next."""

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in its zone; None if there is none within years."""
        ...


class _Bounds(NamedTuple):
    low: int
    high: int
    names: tuple[str, ...] = ()


_BOUNDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class _Every:
    """At a fixed distance, of at least a second."""

    delay: timedelta

    def after(self, moment: datetime) -> datetime | None:
        return moment.replace(microsecond=0) + self.delay


@dataclass(frozen=True, slots=True)
class _Fields:
    """At the minutes that five fields allow.

    A day matches if either of its two fields does; if one of them is a star, if both do.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool

    def after(self, moment: datetime) -> datetime | None:
        zone: tzinfo = moment.tzinfo or UTC
        # Walked in wall time; a wall time that a change of clocks skips is passed over.
        wall = moment.replace(second=0, microsecond=0, tzinfo=None, fold=0) + timedelta(minutes=1)
        last_year = wall.year + _MOST_YEARS
        while wall.year <= last_year:
            if wall.month not in self.months:
                wall = _next_month(wall)
            elif not self._day(wall):
                wall = wall.replace(hour=0, minute=0) + timedelta(days=1)
            elif wall.hour not in self.hours:
                wall = wall.replace(minute=0) + timedelta(hours=1)
            elif wall.minute not in self.minutes:
                wall += timedelta(minutes=1)
            else:
                found = wall.replace(tzinfo=zone)
                exists = found.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
                if exists and found.astimezone(UTC) > moment.astimezone(UTC):
                    return found
                wall += timedelta(minutes=1)
        return None

    def _day(self, wall: datetime) -> bool:
        of_month = wall.day in self.days
        of_week = wall.isoweekday() % 7 in self.weekdays
        return (of_month and of_week) if self.any_day else (of_month or of_week)


def _next_month(wall: datetime) -> datetime:
    first = wall.replace(day=1, hour=0, minute=0)
    return (first + timedelta(days=32)).replace(day=1)


def parse_schedule(text: str) -> Schedule:
    """Read a schedule. Raises ScheduleError."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith("@every "):
        return _Every(timedelta(seconds=max(1, int(_duration_s(text.removeprefix("@every "))))))
    if text.startswith("@"):
        if text not in _DESCRIPTORS:
            raise ScheduleError(f"unrecognized descriptor: {text}")
        text = _DESCRIPTORS[text]
    fields = text.split()
    if len(fields) != _FIELDS:
        raise ScheduleError(
            f"expected exactly {_FIELDS} fields, found {len(fields)}: [{' '.join(fields)}]"
        )
    parsed = [_field(field, bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)]
    minutes, hours, days, months, weekdays = (frozenset(numbers) for numbers, _ in parsed)
    return _Fields(minutes, hours, days, months, weekdays, parsed[2][1] or parsed[4][1])


def _duration_s(text: str) -> float:
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ScheduleError(
            f'failed to parse duration @every {text}: time: invalid duration "{text}"'
        )
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _field(text: str, bounds: _Bounds) -> tuple[set[int], bool]:
    """The numbers that a field allows, and whether it is a star."""
    numbers: set[int] = set()
    is_star = False
    for part in filter(None, text.split(",")):
        found, star = _range(part, bounds)
        numbers |= found
        is_star = is_star or star
    return numbers, is_star


def _range(text: str, bounds: _Bounds) -> tuple[set[int], bool]:
    ends, *steps = text.split("/")
    low, *highs = ends.split("-")
    star = low in ("*", "?")
    if len(highs) > 1:
        raise ScheduleError(f"too many hyphens: {text}")
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    if star:
        start, end = bounds.low, bounds.high
    else:
        start = _number(low, bounds.names, bounds.low)
        end = _number(highs[0], bounds.names, bounds.low) if highs else start
    step = _number(steps[0]) if steps else 1
    if steps and not star and not highs:
        end = bounds.high
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")
    return set(range(start, end + 1, step)), star and step == 1


def _number(text: str, names: tuple[str, ...] = (), first: int = 0) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + first
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        problem = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ScheduleError(f"failed to parse int from {text}: {problem}")
    if int(text) < 0:
        raise ScheduleError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
