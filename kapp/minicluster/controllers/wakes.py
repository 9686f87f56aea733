"""Who is woken by what: from an object that changed to the keys that must be looked at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kapp.machinery.objects import Object, ObjectKey, controller_of, key_of, labels_of
from kapp.machinery.selectors import from_label_selector
from kapp.minicluster.controllers.deployment.rollout import is_rolling
from kapp.minicluster.controllers.endpointslice import SERVICE_LABEL, selects
from kapp.minicluster.controllers.job.pods import NAME_LABEL, is_tracked
from kapp.minicluster.controllers.scheduler import needs_node
from kapp.runtime.reflector import Reflector


def node_changed(node: Object, old: Object | None) -> bool:
    """Whether a node may take or lose pods: its heartbeat is no reason to look."""
    return old is None or node.get("spec") != old.get("spec") or labels_of(node) != labels_of(old)


def job_of(pod: Object) -> Iterable[ObjectKey]:
    """The Job of a pod; of one that is yet to be counted, the Job that it names."""
    found = list(controller_called("Job")(pod))
    if not found and is_tracked(pod):
        found = [ObjectKey(key_of(pod).namespace, labels_of(pod).get(NAME_LABEL, ""))]
    return found


def controller_called(kind: str) -> Callable[[Object], Iterable[ObjectKey]]:
    """The key of an object's controller, if it is of that kind."""

    def keys(obj: Object) -> Iterable[ObjectKey]:
        controller = controller_of(obj)
        if controller is None or controller["kind"] != kind:
            return ()
        return (ObjectKey(key_of(obj).namespace, controller["name"]),)

    return keys


def selecting(services: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
    """The Services that a pod stands behind."""

    def keys(pod: Object) -> Iterable[ObjectKey]:
        labels, namespace = labels_of(pod), key_of(pod).namespace
        return [
            key_of(service)
            for service in services.list()
            if key_of(service).namespace == namespace
            and selects(service)
            and service["spec"]["selector"].items() <= labels.items()
        ]

    return keys


def service_of(endpoint_slice: Object) -> Iterable[ObjectKey]:
    """The Service that a slice belongs to."""
    name = labels_of(endpoint_slice).get(SERVICE_LABEL)
    return (ObjectKey(key_of(endpoint_slice).namespace, name),) if name else ()


def if_unscheduled(pod: Object) -> Iterable[ObjectKey]:
    """The pod itself, while it waits for a node."""
    return (key_of(pod),) if needs_node(pod) else ()


def unscheduled(pods: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
    """A change of any node may give any waiting pod a place."""

    def keys(_node: Object) -> Iterable[ObjectKey]:
        return [key_of(pod) for pod in pods.list() if needs_node(pod)]

    return keys


def owner(kind: str, owners: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
    """The controller of an object; for one that has none, those that might adopt it."""

    def keys(obj: Object) -> Iterable[ObjectKey]:
        namespace = key_of(obj).namespace
        controller = controller_of(obj)
        if controller is not None:
            return (ObjectKey(namespace, controller["name"]),) if controller["kind"] == kind else ()
        return [
            key_of(owner)
            for owner in owners.list()
            if key_of(owner).namespace == namespace and _selects(owner, obj)
        ]

    return keys


def _selects(owner: Object, obj: Object) -> bool:
    selector = from_label_selector(owner["spec"].get("selector"))
    return selector is not None and selector.matches(labels_of(obj))


def recreating(sets: Reflector, deployments: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
    """The Deployment of a pod, if it recreates: then it waits until the last old pod is gone."""

    def keys(pod: Object) -> Iterable[ObjectKey]:
        controller = controller_of(pod)
        if controller is None or controller["kind"] != "ReplicaSet":
            return ()
        owner = sets.get(ObjectKey(key_of(pod).namespace, controller["name"]))
        above = controller_of(owner) if owner is not None else None
        if above is None or above["kind"] != "Deployment":
            return ()
        key = ObjectKey(key_of(pod).namespace, above["name"])
        deployment = deployments.get(key)
        return (key,) if deployment is not None and not is_rolling(deployment) else ()

    return keys
