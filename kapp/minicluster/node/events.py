"""Events that the node reports about its pods; repeats raise a count, as kubectl shows them.

Source: k8s.io/client-go/tools/record. Reporting never fails or delays what is reported.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from kapp.aio.supervise import TaskGroup
from kapp.errors import KappError
from kapp.machinery.objects import Object, format_time, key_of, uid_of
from kapp.minicluster.resources import EVENTS
from kapp.runtime.client import Client, PatchType

_log = logging.getLogger(__name__)
_COMPONENT = "kubelet"
_MAX_REMEMBERED = 2000  # events whose count can still be raised; the oldest are forgotten first


class Recorder:
    """Writes events in the background, in the order in which they happened."""

    def __init__(
        self, client: Client, tasks: TaskGroup, now: Callable[[], datetime], node_name: str
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._now = now
        self._source = {"component": _COMPONENT, "host": node_name}
        self._known: OrderedDict[tuple[str, str, str, str], tuple[str, int]] = OrderedDict()

    def pod(
        self, pod: Object, reason: str, message: str, *, warning: bool = False, container: str = ""
    ) -> None:
        """Report something about a pod, or about one of its containers."""
        path = f"spec.containers{{{container}}}" if container else ""
        known = (uid_of(pod), path, reason, message)
        name, count = self._known.pop(known, ("", 0))
        if not name:
            name = f"{key_of(pod).name}.{secrets.token_hex(8)}"
        self._known[known] = (name, count + 1)
        if len(self._known) > _MAX_REMEMBERED:
            self._known.popitem(last=False)
        try:
            self._tasks.spawn(
                self._write(pod, path, reason, message, warning, name, count + 1), "event"
            )
        except RuntimeError:
            return  # the node is stopping

    async def _write(
        self,
        pod: Object,
        path: str,
        reason: str,
        message: str,
        warning: bool,
        name: str,
        count: int,
    ) -> None:
        key, moment = key_of(pod), format_time(self._now())
        try:
            if count > 1:
                await self._client.patch(
                    EVENTS, name, {"count": count, "lastTimestamp": moment}, PatchType.MERGE,
                    key.namespace,
                )  # fmt: skip
                return
            await self._client.create(EVENTS, {
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": name, "namespace": key.namespace},
                "involvedObject": {
                    "apiVersion": "v1", "kind": "Pod", "name": key.name,
                    "namespace": key.namespace, "uid": uid_of(pod),
                    **({"fieldPath": path} if path else {}),
                },
                "reason": reason, "message": message,
                "type": "Warning" if warning else "Normal",
                "source": self._source, "reportingComponent": _COMPONENT,
                "reportingInstance": self._source["host"], "count": 1,
                "firstTimestamp": moment, "lastTimestamp": moment,
            })  # fmt: skip
        except KappError as error:
            _log.debug("event not written", extra={"reason": reason, "error": str(error)})
