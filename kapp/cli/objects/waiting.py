"""Waiting for an object of kapp's API to be as it should: by its watch, within a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

from kapp.api.durations import parse_duration
from kapp.cli.objects.api import Api
from kapp.errors import KappError, UsageError
from kapp.machinery.objects import Object, uid_of
from kapp.machinery.scheme import Kind


class TimedOut(KappError):
    """It was not so in time."""


class Deadline:
    """A moment that a Go duration from now ends at; `0s` is never.

    Raises UsageError for what is no duration.
    """

    def __init__(self, text: str) -> None:
        negative = text.startswith("-")
        try:
            seconds = parse_duration(text.removeprefix("-")) if text != "0" else 0.0
        except ValueError as error:
            raise UsageError(str(error), hint="such as --timeout=30s") from error
        # kubectl: a negative time is a week.
        seconds = 7 * 86400.0 if negative else seconds
        self._end = time.monotonic() + seconds if seconds else None

    @property
    def left_s(self) -> float | None:
        """Seconds that are left, at least a little; None for ever. Raises TimeoutError."""
        if self._end is None:
            return None
        left_s = self._end - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def until(
    api: Api, kind: Kind, name: str, met: Callable[[Object | None], bool], deadline: Deadline
) -> None:
    """Wait until `met` is true of the object; None is its absence.

    Raises TimedOut, and what `met` raises.
    """
    try:
        while not _once(api, kind, name, met, deadline):
            pass
    except TimeoutError as error:
        raise TimedOut(
            f"timed out waiting for the condition on {kind.plural}/{name}",
            hint=f"look at `kapp describe {kind.singular_name} {name}`",
        ) from error


def _once(
    api: Api, kind: Kind, name: str, met: Callable[[Object | None], bool], deadline: Deadline
) -> bool:
    """List, then watch until the watch ends; whether it was met."""
    listed = api.list(kind, fields=f"metadata.name={name}")
    found: Object | None = next(iter(listed["items"]), None)
    if met(found):
        return True
    version = listed["metadata"]["resourceVersion"]
    for event, obj in api.watch(kind, name, version, lambda: deadline.left_s):
        if event == "ERROR":
            # Too much happened meanwhile: list again.
            return False
        if event != "BOOKMARK" and met(None if event == "DELETED" else obj):
            return True
    return False


def until_gone(api: Api, kind: Kind, name: str, uid: str, deadline: Deadline) -> None:
    """Wait until the object with that uid is gone; another of its name may be there."""

    def gone(obj: Object | None) -> bool:
        return obj is None or bool(uid and uid_of(obj) != uid)

    until(api, kind, name, gone, deadline)
