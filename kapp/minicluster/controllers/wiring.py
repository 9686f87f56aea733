"""Wires the controllers to a client: who watches what, and what wakes whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    controller_of,
    key_of,
    labels_of,
)
from kapp.machinery.selectors import from_label_selector
from kapp.minicluster.controllers.cronjob.reconciler import (
    CRON_JOBS,
    CronJobReconciler,
)
from kapp.minicluster.controllers.customresources import DEFINITIONS, DefinitionReconciler
from kapp.minicluster.controllers.daemonset import DAEMON_SETS, DaemonSetReconciler
from kapp.minicluster.controllers.deployment import DeploymentReconciler
from kapp.minicluster.controllers.deployment.reconciler import DEPLOYMENTS, set_index
from kapp.minicluster.controllers.deployment.rollout import is_rolling
from kapp.minicluster.controllers.endpointslice import (
    ENDPOINT_SLICES,
    SERVICE_LABEL,
    SERVICES,
    EndpointSliceReconciler,
    namespace_index,
    selects,
    slice_index,
)
from kapp.minicluster.controllers.event_ttl import EventTtlReconciler
from kapp.minicluster.controllers.history import (
    CONTROLLER_REVISIONS,
    HASH_LABEL,
    REVISION_LABEL,
    History,
)
from kapp.minicluster.controllers.job import JobReconciler
from kapp.minicluster.controllers.job.pods import (
    JOBS,
    NAME_LABEL,
    is_tracked,
    job_name_index,
)
from kapp.minicluster.controllers.mirror import Mirror, controlled_index
from kapp.minicluster.controllers.namespace import NAMESPACES, NamespaceReconciler
from kapp.minicluster.controllers.recorder import EVENTS
from kapp.minicluster.controllers.replicaset import (
    PODS,
    REPLICA_SETS,
    ReplicaSetReconciler,
    pod_index,
)
from kapp.minicluster.controllers.scheduler import (
    NODES,
    SchedulerReconciler,
    needs_node,
    node_index,
)
from kapp.minicluster.controllers.statefulset import StatefulSetReconciler
from kapp.minicluster.controllers.statefulset.reconciler import STATEFUL_SETS
from kapp.minicluster.controllers.volumes.claims import (
    CLAIMS,
    CLASSES,
    VOLUMES,
    ClaimReconciler,
)
from kapp.minicluster.controllers.volumes.matching import (
    claim_user_index,
    claims_used,
    is_bound,
)
from kapp.minicluster.controllers.volumes.volumes import VolumeReconciler
from kapp.minicluster.customresources.serving import CustomKinds
from kapp.runtime.client import Client
from kapp.runtime.controller import Controller, Source
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import Reflector


def add_controllers(
    manager: Manager,
    client: Client,
    *,
    namespaced: Callable[[], Iterable[Resource]],
    custom_kinds: CustomKinds,
    may_surge: Callable[[], bool],
    root_ca: str,
    volumes_root: Path,
    now: Callable[[], datetime],
) -> None:
    """Add every controller of the embedded cluster to `manager`.

    Args:
        manager: runs them.
        client: the cluster itself.
        namespaced: the namespaced resources that are served now.
        custom_kinds: the custom kinds that are served.
        may_surge: whether two pods can listen on one port.
        root_ca: the cluster's CA certificate, PEM.
        volumes_root: where the directories of claims are.
        now: wall time.
    """
    pods = manager.reflector(client, PODS)
    sets = manager.reflector(client, REPLICA_SETS)
    nodes = manager.reflector(client, NODES)
    services = manager.reflector(client, SERVICES)
    owned_pods = Mirror(pods, pod_index)
    claims = Mirror(manager.reflector(client, CLAIMS), _nothing)
    owned_sets = Mirror(sets, set_index)
    deployed = manager.reflector(client, DEPLOYMENTS)
    deployments = Mirror(deployed, _nothing)
    controllers = (
        Controller(
            "namespace",
            NamespaceReconciler(
                client, manager.reflector(client, NAMESPACES).get, namespaced, root_ca, now
            ),
            [Source(client=client, resource=NAMESPACES)],
        ),
        Controller(
            "scheduler",
            SchedulerReconciler(client, Mirror(pods, node_index), nodes, claims, now),
            [
                Source(client=client, resource=PODS, map=_if_unscheduled),
                Source(client=client, resource=NODES, map=_unscheduled(pods)),
                Source(client=client, resource=CLAIMS, map=_unscheduled(pods)),
            ],
            # One at a time: each decision counts what the one before took.
            workers=1,
        ),
        Controller(
            "replicaset",
            ReplicaSetReconciler(client, owned_sets, owned_pods, now),
            [
                Source(client=client, resource=REPLICA_SETS),
                Source(client=client, resource=PODS, map=_owner("ReplicaSet", sets)),
            ],
        ),
        Controller(
            "deployment",
            DeploymentReconciler(
                client, deployments, owned_sets, owned_pods, may_surge=may_surge, now=now
            ),
            [
                Source(client=client, resource=DEPLOYMENTS),
                Source(
                    client=client,
                    resource=REPLICA_SETS,
                    map=_owner("Deployment", deployed),
                ),
                Source(client=client, resource=PODS, map=_recreating(sets, deployed)),
            ],
        ),
        Controller(
            "endpointslice",
            EndpointSliceReconciler(
                client,
                services,
                Mirror(manager.reflector(client, ENDPOINT_SLICES), slice_index),
                Mirror(pods, namespace_index),
            ),
            [
                Source(client=client, resource=SERVICES),
                Source(client=client, resource=PODS, map=_selecting(services)),
                Source(client=client, resource=ENDPOINT_SLICES, map=_service_of),
            ],
        ),
        Controller(
            "event-ttl",
            EventTtlReconciler(client, manager.reflector(client, EVENTS).get, now),
            [Source(client=client, resource=EVENTS)],
            workers=1,
        ),
    )
    for controller in controllers:
        manager.add(controller)
    manager.add(_definitions(manager, client, custom_kinds, now))
    for controller in (
        *_batch(manager, client, pods, owned_pods, now),
        *_with_history(manager, client, nodes, owned_pods, now),
        *_volumes(manager, client, pods, claims, volumes_root, now),
    ):
        manager.add(controller)


def _volumes(
    manager: Manager,
    client: Client,
    pods: Reflector,
    claims: Mirror,
    root: Path,
    now: Callable[[], datetime],
) -> Iterable[Controller]:
    """PersistentVolumes and their claims."""
    known = manager.reflector(client, VOLUMES)
    claimed = manager.reflector(client, CLAIMS)
    volumes = Mirror(known, _nothing)
    users = Mirror(pods, claim_user_index)
    classes = manager.reflector(client, CLASSES)

    def unbound(_obj: Object) -> Iterable[ObjectKey]:
        return [key_of(claim) for claim in claimed.list() if not is_bound(claim)]

    def volume_of(claim: Object) -> Iterable[ObjectKey]:
        name = claim["spec"].get("volumeName")
        return (ObjectKey("", name),) if name else ()

    def claims_of(pod: Object) -> Iterable[ObjectKey]:
        return [ObjectKey(key_of(pod).namespace, name) for name in claims_used(pod)]

    yield Controller(
        "persistentvolumeclaim",
        ClaimReconciler(client, claims, volumes, known, classes, users, root, now),
        [
            Source(client=client, resource=CLAIMS),
            Source(client=client, resource=VOLUMES, map=unbound),
            Source(client=client, resource=CLASSES, map=unbound),
            Source(client=client, resource=PODS, map=claims_of),
        ],
        # One at a time: a volume is given to who comes first.
        workers=1,
    )
    yield Controller(
        "persistentvolume",
        VolumeReconciler(client, volumes, claims, root, now),
        [
            Source(client=client, resource=VOLUMES),
            Source(client=client, resource=CLAIMS, map=volume_of),
        ],
    )


def _with_history(
    manager: Manager,
    client: Client,
    nodes: Reflector,
    owned_pods: Mirror,
    now: Callable[[], datetime],
) -> Iterable[Controller]:
    """StatefulSets and DaemonSets."""
    revisions = Mirror(manager.reflector(client, CONTROLLER_REVISIONS), controlled_index)
    stateful = manager.reflector(client, STATEFUL_SETS)
    daemons = manager.reflector(client, DAEMON_SETS)
    yield Controller(
        "statefulset",
        StatefulSetReconciler(
            client,
            Mirror(stateful, _nothing),
            owned_pods,
            History(client, revisions, HASH_LABEL),
            now,
        ),
        [
            Source(client=client, resource=STATEFUL_SETS),
            Source(client=client, resource=PODS, map=_owner("StatefulSet", stateful)),
            Source(
                client=client,
                resource=CONTROLLER_REVISIONS,
                map=_controller_called("StatefulSet"),
            ),
        ],
    )
    yield Controller(
        "daemonset",
        DaemonSetReconciler(
            client,
            Mirror(daemons, _nothing),
            owned_pods,
            nodes,
            History(client, revisions, REVISION_LABEL),
            now,
        ),
        [
            Source(client=client, resource=DAEMON_SETS),
            Source(client=client, resource=PODS, map=_owner("DaemonSet", daemons)),
            Source(
                client=client,
                resource=NODES,
                map=lambda _node: [key_of(owner) for owner in daemons.list()],
                matters=_node_changed,
            ),
            Source(
                client=client, resource=CONTROLLER_REVISIONS, map=_controller_called("DaemonSet")
            ),
        ],
    )


def _node_changed(node: Object, old: Object | None) -> bool:
    """Whether a node may take or lose pods: its heartbeat is no reason to look."""
    return old is None or node.get("spec") != old.get("spec") or labels_of(node) != labels_of(old)


def _batch(
    manager: Manager,
    client: Client,
    pods: Reflector,
    owned_pods: Mirror,
    now: Callable[[], datetime],
) -> Iterable[Controller]:
    """Jobs and CronJobs."""
    jobs = Mirror(manager.reflector(client, JOBS), controlled_index)
    cron_jobs = Mirror(manager.reflector(client, CRON_JOBS), _nothing)
    yield Controller(
        "job",
        JobReconciler(client, jobs, owned_pods, Mirror(pods, job_name_index), now),
        [
            Source(client=client, resource=JOBS),
            Source(client=client, resource=PODS, map=_job_of),
        ],
    )
    yield Controller(
        "cronjob",
        CronJobReconciler(client, cron_jobs, jobs, now),
        [
            Source(client=client, resource=CRON_JOBS),
            Source(client=client, resource=JOBS, map=_controller_called("CronJob")),
        ],
    )


def _job_of(pod: Object) -> Iterable[ObjectKey]:
    """The Job of a pod; of one that is yet to be counted, the Job that it names."""
    found = list(_controller_called("Job")(pod))
    if not found and is_tracked(pod):
        found = [ObjectKey(key_of(pod).namespace, labels_of(pod).get(NAME_LABEL, ""))]
    return found


def _controller_called(kind: str) -> Callable[[Object], Iterable[ObjectKey]]:
    """The key of an object's controller, if it is of that kind."""

    def keys(obj: Object) -> Iterable[ObjectKey]:
        controller = controller_of(obj)
        if controller is None or controller["kind"] != kind:
            return ()
        return (ObjectKey(key_of(obj).namespace, controller["name"]),)

    return keys


def _definitions(
    manager: Manager, client: Client, custom_kinds: CustomKinds, now: Callable[[], datetime]
) -> Controller:
    def wake(key: ObjectKey) -> None:
        controller.enqueue(key)

    reconciler = DefinitionReconciler(
        client, manager.reflector(client, DEFINITIONS), custom_kinds, wake, now
    )
    sources = [Source(client=client, resource=DEFINITIONS)]
    # One at a time: names are given to who comes first.
    controller = Controller("customresourcedefinition", reconciler, sources, workers=1)
    return controller


def _selecting(services: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
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


def _service_of(endpoint_slice: Object) -> Iterable[ObjectKey]:
    name = labels_of(endpoint_slice).get(SERVICE_LABEL)
    return (ObjectKey(key_of(endpoint_slice).namespace, name),) if name else ()


def _nothing(_: Object) -> Iterable[str]:
    return ()


def _if_unscheduled(pod: Object) -> Iterable[ObjectKey]:
    return (key_of(pod),) if needs_node(pod) else ()


def _unscheduled(pods: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
    """A change of any node may give any waiting pod a place."""

    def keys(_node: Object) -> Iterable[ObjectKey]:
        return [key_of(pod) for pod in pods.list() if needs_node(pod)]

    return keys


def _owner(kind: str, owners: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
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


def _recreating(sets: Reflector, deployments: Reflector) -> Callable[[Object], Iterable[ObjectKey]]:
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
