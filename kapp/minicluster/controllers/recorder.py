"""Events: what a controller tells the user about an object.

Source: k8s.io/client-go/tools/record/event.go and events_cache.go: an event that happens again is
counted, not repeated.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from kapp.errors import KappError
from kapp.machinery.objects import Object, format_time, metadata_of, name_of, uid_of
from kapp.machinery.status import ApiError
from kapp.minicluster.resources import EVENTS
from kapp.runtime.client import Client, PatchType

_log = logging.getLogger(__name__)


_REMEMBERED = 4096
"""`maxLruCacheEntries`: how many events a recorder can count on."""


class Recorder:
    """Writes the events of one component. Never raises for what the server answers."""

    def __init__(self, client: Client, component: str, now: Callable[[], datetime]) -> None:
        self._client = client
        self._component = component
        self._now = now
        self._counts: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    async def normal(self, obj: Object, reason: str, message: str) -> None:
        """Record that something went as it should."""
        await self._record(obj, "Normal", reason, message)

    async def warning(self, obj: Object, reason: str, message: str) -> None:
        """Record that something did not."""
        await self._record(obj, "Warning", reason, message)

    async def _record(self, obj: Object, kind: str, reason: str, message: str) -> None:
        key = (uid_of(obj), kind, reason, message)
        namespace = metadata_of(obj).get("namespace") or "default"
        try:
            if (known := self._counts.get(key)) is not None and await self._count(
                namespace, key, *known
            ):
                return
            created = await self._client.create(
                EVENTS, self._event(obj, namespace, kind, reason, message)
            )
        except KappError as e:
            _log.warning("event lost", extra={"reason": reason, "error": str(e)})
            return
        self._counts[key] = (name_of(created), 1)
        while len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)

    async def _count(self, namespace: str, key: tuple[str, ...], name: str, count: int) -> bool:
        patch = {"count": count + 1, "lastTimestamp": format_time(self._now())}
        try:
            await self._client.patch(EVENTS, name, patch, PatchType.MERGE, namespace)
        except ApiError as e:
            if e.code != 404:
                raise
            return False
        self._counts[key] = (name, count + 1)
        self._counts.move_to_end(key)
        return True

    def _event(self, obj: Object, namespace: str, kind: str, reason: str, message: str) -> Object:
        now = self._now()
        meta = metadata_of(obj)
        about = {
            "kind": obj.get("kind"),
            "namespace": meta.get("namespace") or "",
            "name": name_of(obj),
            "uid": uid_of(obj),
            "apiVersion": obj.get("apiVersion"),
            "resourceVersion": meta.get("resourceVersion") or "",
        }
        stamp = int(now.timestamp() * 1e9)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name_of(obj)}.{stamp:x}", "namespace": namespace},
            "involvedObject": {field: value for field, value in about.items() if value},
            "type": kind,
            "reason": reason,
            "message": message,
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "eventTime": None,
            "count": 1,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
