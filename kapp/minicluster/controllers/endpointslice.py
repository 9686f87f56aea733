"""EndpointSlices: which pods stand behind a Service, and on which ports.

Source: pkg/controller/endpointslice and k8s.io/endpointslice/reconciler.go. Services without a
selector are left alone: their slices are somebody else's. There is one slice for each set of port
numbers, since a named port may mean different numbers in different pods.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    controller_reference,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import PODS_PHASE_ENDED, is_ready
from kapp.minicluster.controllers.writes import delete
from kapp.minicluster.resources import ENDPOINT_SLICES
from kapp.runtime.client import Client
from kapp.runtime.reflector import Reflector

SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"


def slice_index(endpoint_slice: Object) -> Iterable[str]:
    """Index value of a slice: namespace and name of its Service, if it is this controller's."""
    labels = labels_of(endpoint_slice)
    if labels.get(_MANAGED_BY) != _MANAGER:
        return ()
    return (str(ObjectKey(key_of(endpoint_slice).namespace, labels.get(SERVICE_LABEL, ""))),)


def namespace_index(obj: Object) -> Iterable[str]:
    """Index value of an object: its namespace."""
    return (key_of(obj).namespace,)


class EndpointSliceReconciler:
    """Keeps the slices of one Service.

    Args:
        client: the cluster.
        services: the Services.
        slices: mirror of EndpointSlices, indexed by `slice_index`.
        pods: mirror of Pods, indexed by namespace.
    """

    def __init__(self, client: Client, services: Reflector, slices: Mirror, pods: Mirror) -> None:
        self._client = client
        self._services = services
        self._slices = slices
        self._pods = pods

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring the slices in line. A deleted Service's are collected with their owner."""
        service = self._services.get(key)
        if service is None or is_deleting(service) or not selects(service):
            return None
        selector: dict[str, str] = service["spec"]["selector"]
        pods = [
            pod
            for pod in self._pods.by(key.namespace)
            if selector.items() <= labels_of(pod).items() and _counts(pod)
        ]
        wanted = wanted_slices(service, pods)
        existing = self._slices.by(str(key))
        for endpoint_slice in existing:
            match = next((w for w in wanted if w["ports"] == endpoint_slice.get("ports")), None)
            if match is None:
                await self._delete(endpoint_slice)
                continue
            wanted.remove(match)
            await self._update(endpoint_slice, match)
        for new in wanted:
            self._slices.wrote(await self._client.create(ENDPOINT_SLICES, new))
        return None

    async def _update(self, old: Object, wanted: Object) -> None:
        meta = {**metadata_of(old), "labels": {**labels_of(old), **labels_of(wanted)}}
        changed = {**old, **wanted, "metadata": meta}
        if changed != old:
            self._slices.wrote(await self._client.update(ENDPOINT_SLICES, changed))

    async def _delete(self, endpoint_slice: Object) -> None:
        await delete(self._client, ENDPOINT_SLICES, endpoint_slice)
        self._slices.removed(endpoint_slice)


def selects(service: Object) -> bool:
    """Whether the Service picks its pods by labels."""
    spec = service.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("type") != "ExternalName"


def _counts(pod: Object) -> bool:
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in PODS_PHASE_ENDED


def wanted_slices(service: Object, pods: list[Object]) -> list[Object]:
    """The slices that a Service should have; one without endpoints if no pod matches."""
    by_ports: dict[tuple[tuple[str, str, int], ...], list[Object]] = {}
    for pod in sorted(pods, key=name_of):
        by_ports.setdefault(_ports_of(service, pod), []).append(pod)
    return [_slice(service, ports, group) for ports, group in by_ports.items()] or [
        _slice(service, (), [])
    ]


def _ports_of(service: Object, pod: Object) -> tuple[tuple[str, str, int], ...]:
    """(name, protocol, number) of each Service port in this pod; unknown names are left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port.get("port"))
        protocol = port.get("protocol", "TCP")
        if isinstance(target, str):
            target = _named_port(pod, target, protocol)
        if target:
            found.append((port.get("name", ""), protocol, int(target)))
    return tuple(found)


def _named_port(pod: Object, name: str, protocol: str) -> int:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return 0


def _slice(service: Object, ports: tuple[tuple[str, str, int], ...], pods: list[Object]) -> Object:
    headless = service["spec"].get("clusterIP") == "None"
    labels = {**labels_of(service), SERVICE_LABEL: name_of(service), _MANAGED_BY: _MANAGER}
    if headless:
        labels["service.kubernetes.io/headless"] = ""
    publish = bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(service)}-",
            "namespace": key_of(service).namespace,
            "labels": labels,
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod, publish=publish) for pod in pods],
        "ports": [{"name": n, "protocol": p, "port": number} for n, p, number in ports],
    }


def _endpoint(pod: Object, *, publish: bool) -> dict[str, Any]:
    ready, ending = is_ready(pod), is_deleting(pod)
    key = key_of(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": publish or (ready and not ending),
            "serving": publish or ready,
            "terminating": ending,
        },
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": {
            "kind": "Pod",
            "name": key.name,
            "namespace": key.namespace,
            "uid": uid_of(pod),
        },
    }
