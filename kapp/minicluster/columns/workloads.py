"""The columns of the workloads of `apps`. Source: printDeployment and its like."""

from __future__ import annotations

from datetime import datetime

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import (
    AGE,
    NAME,
    containers_text,
    field,
    labels_text,
    selector_text,
)


def _status(name: str) -> Column:
    """A number of the status, called as `kubectl get deployments` calls it."""
    title = {"updatedReplicas": "Up-to-date", "availableReplicas": "Available"}[name]
    return Column(title, lambda obj, _now: field(obj, "status", name) or 0, type="integer")


def _ready(obj: Object, _now: datetime) -> str:
    ready, wanted = field(obj, "status", "readyReplicas"), field(obj, "spec", "replicas")
    return f"{ready or 0}/{wanted or 0}"


_TEMPLATE = (
    Column(
        "Containers",
        lambda obj, _now: containers_text(
            field(obj, "spec", "template", "spec", "containers"), "name"
        ),
        priority=1,
    ),
    Column(
        "Images",
        lambda obj, _now: containers_text(
            field(obj, "spec", "template", "spec", "containers"), "image"
        ),
        priority=1,
    ),
    Column(
        "Selector",
        lambda obj, _now: selector_text(field(obj, "spec", "selector")),
        priority=1,
    ),
)

DEPLOYMENTS = (
    NAME,
    Column("Ready", _ready, description="Ready pods, and wanted."),
    _status("updatedReplicas"),
    _status("availableReplicas"),
    AGE,
    *_TEMPLATE,
)

REPLICA_SETS = (
    NAME,
    Column("Desired", lambda obj, _now: field(obj, "spec", "replicas") or 0, type="integer"),
    Column("Current", lambda obj, _now: field(obj, "status", "replicas") or 0, type="integer"),
    Column("Ready", lambda obj, _now: field(obj, "status", "readyReplicas") or 0, type="integer"),
    AGE,
    *_TEMPLATE,
)

STATEFUL_SETS = (
    NAME,
    Column("Ready", _ready, description="Ready pods, and wanted."),
    AGE,
    *_TEMPLATE[:2],
)


def _scheduled(title: str, name: str) -> Column:
    return Column(title, lambda obj, _now: field(obj, "status", name) or 0, type="integer")


DAEMON_SETS = (
    NAME,
    _scheduled("Desired", "desiredNumberScheduled"),
    _scheduled("Current", "currentNumberScheduled"),
    _scheduled("Ready", "numberReady"),
    _scheduled("Up-to-date", "updatedNumberScheduled"),
    _scheduled("Available", "numberAvailable"),
    Column(
        "Node Selector",
        lambda obj, _now: labels_text(field(obj, "spec", "template", "spec", "nodeSelector")),
    ),
    AGE,
    *_TEMPLATE,
)
