"""Wires the controllers of batches, of sets with a history, and of volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from kapp.machinery.objects import Object, ObjectKey, key_of
from kapp.minicluster.controllers.cronjob.reconciler import CronJobReconciler
from kapp.minicluster.controllers.daemonset import DaemonSetReconciler
from kapp.minicluster.controllers.history import HASH_LABEL, REVISION_LABEL, History
from kapp.minicluster.controllers.job import JobReconciler
from kapp.minicluster.controllers.job.pods import job_name_index
from kapp.minicluster.controllers.mirror import Mirror, controlled_index, no_index
from kapp.minicluster.controllers.statefulset import StatefulSetReconciler
from kapp.minicluster.controllers.volumes.claims import ClaimReconciler
from kapp.minicluster.controllers.volumes.matching import (
    claim_user_index,
    claims_used,
    is_bound,
)
from kapp.minicluster.controllers.volumes.volumes import VolumeReconciler
from kapp.minicluster.controllers.wakes import controller_called, job_of, node_changed, owner
from kapp.minicluster.resources import (
    CLAIMS,
    CLASSES,
    CONTROLLER_REVISIONS,
    CRON_JOBS,
    DAEMON_SETS,
    JOBS,
    NODES,
    PODS,
    STATEFUL_SETS,
    VOLUMES,
)
from kapp.runtime.client import Client
from kapp.runtime.controller import Controller, Source
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import Reflector


def batches(
    manager: Manager,
    client: Client,
    pods: Reflector,
    owned_pods: Mirror,
    now: Callable[[], datetime],
) -> Iterable[Controller]:
    """Jobs and CronJobs."""
    jobs = Mirror(manager.reflector(client, JOBS), controlled_index)
    cron_jobs = Mirror(manager.reflector(client, CRON_JOBS), no_index)
    yield Controller(
        "job",
        JobReconciler(client, jobs, owned_pods, Mirror(pods, job_name_index), now),
        [
            Source(client=client, resource=JOBS),
            Source(client=client, resource=PODS, map=job_of),
        ],
    )
    yield Controller(
        "cronjob",
        CronJobReconciler(client, cron_jobs, jobs, now),
        [
            Source(client=client, resource=CRON_JOBS),
            Source(client=client, resource=JOBS, map=controller_called("CronJob")),
        ],
    )


def sets_with_history(
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
            Mirror(stateful, no_index),
            owned_pods,
            History(client, revisions, HASH_LABEL),
            now,
        ),
        [
            Source(client=client, resource=STATEFUL_SETS),
            Source(client=client, resource=PODS, map=owner("StatefulSet", stateful)),
            Source(
                client=client,
                resource=CONTROLLER_REVISIONS,
                map=controller_called("StatefulSet"),
            ),
        ],
    )
    yield Controller(
        "daemonset",
        DaemonSetReconciler(
            client,
            Mirror(daemons, no_index),
            owned_pods,
            nodes,
            History(client, revisions, REVISION_LABEL),
            now,
        ),
        [
            Source(client=client, resource=DAEMON_SETS),
            Source(client=client, resource=PODS, map=owner("DaemonSet", daemons)),
            Source(
                client=client,
                resource=NODES,
                map=lambda _node: [key_of(daemon) for daemon in daemons.list()],
                matters=node_changed,
            ),
            Source(
                client=client, resource=CONTROLLER_REVISIONS, map=controller_called("DaemonSet")
            ),
        ],
    )


def volumes_and_claims(
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
    volumes = Mirror(known, no_index)
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
