"""Events live for an hour, so that nothing grows without bound.

Source: kube-apiserver's `--event-ttl`, whose default is 1h.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from kapp.machinery.objects import Object, ObjectKey, metadata_of, parse_time
from kapp.minicluster.controllers.writes import delete
from kapp.minicluster.resources import EVENTS
from kapp.runtime.client import Client

EVENT_TTL_S = 3600.0


class EventTtlReconciler:
    """Deletes an Event an hour after it last happened."""

    def __init__(
        self,
        client: Client,
        read: Callable[[ObjectKey], Object | None],
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._read = read
        self._now = now

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Delete the Event, or come back when its hour is over."""
        event = self._read(key)
        if event is None:
            return None
        series = event.get("series") or {}
        last = (
            series.get("lastObservedTime")
            or event.get("lastTimestamp")
            or metadata_of(event).get("creationTimestamp")
        )
        end = parse_time(str(last)) + timedelta(seconds=EVENT_TTL_S)
        left_s = (end - self._now()).total_seconds()
        if left_s > 0:
            return left_s
        await delete(self._client, EVENTS, event)
        return None
