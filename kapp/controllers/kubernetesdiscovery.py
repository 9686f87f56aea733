"""KubernetesDiscovery: the pods of what was applied, what is forwarded and logged of them.

Woken by its own objects, by what it owns, and by the pods of `kapp.controllers.podsource`. Owns one
PortForward (of its own name, which follows it) while forwards are wanted, and one PodLogStream for
each pod.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from kapp.api.typed import TypedClient, encode, owned_by
from kapp.api.v1alpha1.kubernetesdiscovery import (
    REASON_NOT_APPLIED,
    REASON_NOT_CONNECTED,
    DiscoveryRunning,
    DiscoveryWaiting,
    KubernetesDiscovery,
    Pod,
)
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION, ObjectMeta
from kapp.api.v1alpha1.podlogstream import (
    PodLogStream,
    PodLogStreamSpec,
    PodLogStreamTemplateSpec,
)
from kapp.api.v1alpha1.portforward import PortForward, PortForwardSpec
from kapp.cluster.podcontainers import SIDECARS
from kapp.cluster.pods import is_current, summarize
from kapp.controllers.podsource import Found, PodSources
from kapp.machinery.objects import ObjectKey, format_micro_time


class KubernetesDiscoveryReconciler:
    """Reconciles KubernetesDiscoveries.

    Args:
        objects: kapp's API.
        sources: the pods of the clusters.
        now: wall time.
    """

    def __init__(
        self, objects: TypedClient, sources: PodSources, now: Callable[[], datetime]
    ) -> None:
        self._objects = objects
        self._sources = sources
        self._now = now
        self._streams: dict[str, set[str]] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Write down the pods, and keep the forward and the log streams that they need."""
        discovery = await self._objects.get(KubernetesDiscovery, key.name)
        if discovery is None:
            self._sources.drop(key.name)
            self._streams.pop(key.name, None)
            return None
        before = encode(discovery)
        await self._ensure_forward(discovery)
        await self._look(discovery)
        await self._objects.write_status(discovery, before)
        await self._ensure_streams(discovery)
        return None

    async def _look(self, discovery: KubernetesDiscovery) -> None:
        spec, status = discovery.spec, discovery.status
        source = await self._sources.of(spec.cluster)
        waiting = ""
        if source is None:
            waiting = REASON_NOT_CONNECTED
        elif not spec.watches:
            waiting = REASON_NOT_APPLIED
        if source is None or waiting:
            self._sources.drop(discovery.name)
            status.pods, status.running = [], None
            status.waiting = DiscoveryWaiting(reason=waiting)
            return
        source.follow(
            discovery.name,
            {one.namespace for one in spec.watches},
            {one.uid for one in spec.watches if one.uid},
            msgspec.to_builtins(spec.extra_selectors),
        )
        status.pods = [_pod(found, spec.template_hashes) for found in source.pods(discovery.name)]
        if error := source.error(discovery.name):
            status.waiting, status.running = DiscoveryWaiting(reason=error), None
        elif source.synced(discovery.name) and status.running is None:
            started_at = format_micro_time(self._now())
            status.monitor_start_time = status.monitor_start_time or started_at
            status.waiting, status.running = None, DiscoveryRunning(start_time=started_at)

    async def _ensure_forward(self, discovery: KubernetesDiscovery) -> None:
        template = discovery.spec.port_forward_template_spec
        if template is None or not template.forwards:
            await self._objects.delete(PortForward, discovery.name)
            return
        await self._objects.ensure(
            PortForward(
                metadata=_owned(discovery, discovery.name),
                spec=PortForwardSpec(
                    forwards=template.forwards,
                    discovery=discovery.name,
                    cluster=discovery.spec.cluster,
                ),
            )
        )

    async def _ensure_streams(self, discovery: KubernetesDiscovery) -> None:
        """One stream per pod; those of pods that are gone are deleted."""
        template = discovery.spec.pod_log_stream_template_spec or PodLogStreamTemplateSpec(
            ignore_containers=list(SIDECARS)
        )
        wanted = {}
        for pod in discovery.status.pods:
            name = f"{discovery.name}-{pod.namespace}-{pod.name}"
            wanted[name] = PodLogStream(
                metadata=_owned(discovery, name),
                spec=PodLogStreamSpec(
                    pod=pod.name,
                    namespace=pod.namespace,
                    since_time=template.since_time,
                    only_containers=template.only_containers,
                    ignore_containers=template.ignore_containers,
                    cluster=discovery.spec.cluster,
                ),
            )
        for stream in wanted.values():
            await self._objects.ensure(stream)
        known = self._streams.get(discovery.name)
        if known is None:
            known = await self._owned_streams(discovery)
        for name in known - wanted.keys():
            await self._objects.delete(PodLogStream, name)
        self._streams[discovery.name] = set(wanted)

    async def _owned_streams(self, discovery: KubernetesDiscovery) -> set[str]:
        owner = discovery.metadata.uid
        return {
            stream.name
            for stream in await self._objects.list(PodLogStream)
            if any(reference.uid == owner for reference in stream.metadata.owner_references)
        }


def _owned(discovery: KubernetesDiscovery, name: str) -> ObjectMeta:
    resource = discovery.metadata.annotations.get(RESOURCE_ANNOTATION, discovery.name)
    return ObjectMeta(
        name=name,
        labels=discovery.metadata.labels,
        annotations={RESOURCE_ANNOTATION: resource},
        owner_references=owned_by(discovery),
    )


def _pod(found: Found, hashes: list[str]) -> Pod:
    owner = found.owner.summary() if found.owner is not None else None
    entry = summarize(found.pod, ancestor_uid=found.ancestor_uid, owner=owner)
    entry["current"] = is_current(entry, hashes)
    return msgspec.convert(_without_nulls(entry), Pod)


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [_without_nulls(child) for child in value]
    return value
