"""PortForward: keeps local ports open, and connected to the best pod.

Woken by its own objects, by the KubernetesDiscovery it follows, and by its `Forwarder`, which does
the work. The listener opens as soon as the object exists, before there is a pod.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import aiohttp
import msgspec

from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.kubernetesdiscovery import (
    REASON_NOT_APPLIED,
    REASON_NOT_CONNECTED,
    KubernetesDiscovery,
    Pod,
)
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION
from kapp.api.v1alpha1.portforward import ForwardStatus, PortForward
from kapp.cluster.forwarder import Backend, Forward, Forwarder
from kapp.cluster.pods import summarize
from kapp.cluster.portforward import PodDialer
from kapp.controllers.connections import Connections
from kapp.controllers.logsink import LogSink
from kapp.controllers.podsource import PODS
from kapp.errors import ClusterError, KappError, Unreachable
from kapp.machinery.objects import ObjectKey
from kapp.machinery.status import ApiError

# A PortForward to one named pod, which nobody watches, looks at it this often.
POD_INTERVAL_S = 2.0


class _Running(msgspec.Struct):
    """A forwarder, and the object it was made for."""

    uid: str
    cluster: str
    forwarder: Forwarder


class PortForwardReconciler:
    """Reconciles PortForwards.

    Args:
        objects: kapp's API.
        connections: the clusters.
        log: where users read what does not work.
        enqueue: wakes a key.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        connections: Connections,
        log: LogSink,
        enqueue: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._connections = connections
        self._log = log
        self._enqueue = enqueue
        self._now = now
        self._running: dict[str, _Running] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Forward what the spec says to the pods there are, and write down how it goes."""
        forward = await self._objects.get(PortForward, key.name)
        running = self._running.get(key.name)
        if running is not None and (
            forward is None
            or forward.metadata.uid != running.uid
            or forward.spec.cluster != running.cluster
        ):
            del self._running[key.name]
            await running.forwarder.close()
            running = None
        if forward is None:
            return None
        before = encode(forward)
        forwarder = (running or self._start(key, forward)).forwarder
        backends, lack = await self._backends(forward)
        forwarder.set_backends(backends, lack)
        await forwarder.set_forwards(
            Forward(one.local_port, one.container_port, one.host, one.name, one.path)
            for one in forward.spec.forwards
        )
        forward.status.forward_statuses = [
            msgspec.convert(one, ForwardStatus) for one in forwarder.status()
        ]
        await self._objects.write_status(forward, before)
        return POD_INTERVAL_S if forward.spec.pod_name else None

    async def close(self) -> None:
        """Close every listener and connection."""
        running, self._running = self._running, {}
        for one in running.values():
            await one.forwarder.close()

    def _start(self, key: ObjectKey, forward: PortForward) -> _Running:
        cluster = forward.spec.cluster

        async def connect(path: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
            # Looked up each time: a pod may outlive the connection that it was found by.
            handle = self._connections.get(cluster)
            if handle is None:
                raise Unreachable(f"cluster {cluster} is not connected")
            return await handle.connection.transport.ws_connect(path, **options)

        def dialer(namespace: str, pod: str) -> PodDialer:
            return PodDialer(connect, namespace, pod)

        resource = forward.metadata.annotations.get(RESOURCE_ANNOTATION, key.name)

        def say(port: int, error: KappError) -> None:
            self._log.write(resource, f"port {port}: {error.one_line()}\n", level="warn")

        forwarder = Forwarder(
            dialer, now=self._now, on_change=lambda: self._enqueue(key), name=key.name, say=say
        )
        running = _Running(forward.metadata.uid, cluster, forwarder)
        self._running[key.name] = running
        return running

    async def _backends(self, forward: PortForward) -> tuple[list[Backend], KappError]:
        """The pods that connections may go to, and why there are none if so it is."""
        if forward.spec.discovery:
            discovery = await self._objects.get(KubernetesDiscovery, forward.spec.discovery)
            if discovery is None:
                return [], ClusterError(f"{forward.spec.discovery} is not looked for yet")
            return list(_backends(discovery.status.pods)), _lack(discovery)
        lack = ClusterError(f"there is no pod {forward.spec.pod_name}")
        handle = self._connections.get(forward.spec.cluster)
        if handle is None:
            return [], ClusterError(f"the cluster {forward.spec.cluster} is not connected")
        try:
            pod = await handle.connection.client.get(
                PODS, forward.spec.pod_name, forward.spec.namespace
            )
        except (ApiError, KappError):
            return [], lack
        entry = summarize(pod)
        return [
            Backend(
                entry["name"],
                entry["namespace"],
                entry["uid"],
                entry["ready"],
                True,
                entry["deleting"],
                entry["createdAt"] or "",
                tuple(port for one in entry["containers"] for port in one["ports"]),
            )
        ], lack


def _lack(discovery: KubernetesDiscovery) -> KappError:
    """Why nothing of a resource takes connections, in a sentence."""
    name, status = discovery.name, discovery.status
    if status.waiting is not None and status.waiting.reason == REASON_NOT_CONNECTED:
        return ClusterError(f"the cluster {discovery.spec.cluster} is not connected")
    if status.waiting is not None and status.waiting.reason != REASON_NOT_APPLIED:
        return ClusterError(f"the pods of {name} cannot be watched: {status.waiting.reason}")
    if not status.pods:
        return ClusterError(f"{name} has no pod")
    pod = status.pods[-1]
    why = pod.errors[0] if pod.errors else pod.status or pod.phase
    return ClusterError(f"pod {pod.name} of {name} does not run: {why}")


def _backends(pods: Iterable[Pod]) -> Iterable[Backend]:
    for pod in pods:
        if pod.phase == "Running":
            yield Backend(
                pod.name,
                pod.namespace,
                pod.uid,
                pod.ready,
                pod.current,
                pod.deleting,
                pod.created_at,
                tuple(port for one in pod.containers for port in one.ports),
            )
