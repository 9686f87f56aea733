"""Wires the controllers to a client: who watches what, and what wakes whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from kapp.machinery.objects import ObjectKey, Resource
from kapp.minicluster.controllers.claims import owner_index
from kapp.minicluster.controllers.customresources import DefinitionReconciler
from kapp.minicluster.controllers.deployment import DeploymentReconciler
from kapp.minicluster.controllers.endpointslice import (
    EndpointSliceReconciler,
    namespace_index,
    slice_index,
)
from kapp.minicluster.controllers.event_ttl import EventTtlReconciler
from kapp.minicluster.controllers.mirror import Mirror, no_index
from kapp.minicluster.controllers.namespace import NamespaceReconciler
from kapp.minicluster.controllers.replicaset import ReplicaSetReconciler
from kapp.minicluster.controllers.scheduler import SchedulerReconciler, node_index
from kapp.minicluster.controllers.wakes import (
    if_unscheduled,
    owner,
    recreating,
    selecting,
    service_of,
    unscheduled,
)
from kapp.minicluster.controllers.wiring_workloads import (
    batches,
    sets_with_history,
    volumes_and_claims,
)
from kapp.minicluster.customresources.serving import CustomKinds
from kapp.minicluster.resources import (
    CLAIMS,
    DEFINITIONS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SERVICES,
)
from kapp.runtime.client import Client
from kapp.runtime.controller import Controller, Source
from kapp.runtime.manager import Manager


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
    owned_pods = Mirror(pods, owner_index)
    claims = Mirror(manager.reflector(client, CLAIMS), no_index)
    owned_sets = Mirror(sets, owner_index)
    deployed = manager.reflector(client, DEPLOYMENTS)
    deployments = Mirror(deployed, no_index)
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
                Source(client=client, resource=PODS, map=if_unscheduled),
                Source(client=client, resource=NODES, map=unscheduled(pods)),
                Source(client=client, resource=CLAIMS, map=unscheduled(pods)),
            ],
            # One at a time: each decision counts what the one before took.
            workers=1,
        ),
        Controller(
            "replicaset",
            ReplicaSetReconciler(client, owned_sets, owned_pods, now),
            [
                Source(client=client, resource=REPLICA_SETS),
                Source(client=client, resource=PODS, map=owner("ReplicaSet", sets)),
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
                    map=owner("Deployment", deployed),
                ),
                Source(client=client, resource=PODS, map=recreating(sets, deployed)),
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
                Source(client=client, resource=PODS, map=selecting(services)),
                Source(client=client, resource=ENDPOINT_SLICES, map=service_of),
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
        *batches(manager, client, pods, owned_pods, now),
        *sets_with_history(manager, client, nodes, owned_pods, now),
        *volumes_and_claims(manager, client, pods, claims, volumes_root, now),
    ):
        manager.add(controller)


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
