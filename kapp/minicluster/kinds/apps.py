"""The kinds of the group apps, version v1."""

from __future__ import annotations

from kapp.machinery.scheme import Kind, Subresource
from kapp.minicluster import openapi
from kapp.minicluster.columns import workloads as workload_columns
from kapp.minicluster.defaults import workloads as workload_defaults
from kapp.minicluster.roundtrip import typed
from kapp.minicluster.validation import workloads as workload_validation

_SCALE = Subresource("scale", ("get", "patch", "update"), "Scale", "autoscaling", "v1")

DEPLOYMENT = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    short_names=("deploy",),
    categories=("all",),
    namespaced=True,
    columns=workload_columns.DEPLOYMENTS,
    schema=openapi.schema("apps.v1.Deployment"),
    definitions=openapi.definitions(),
    default=typed("apps.v1.Deployment", workload_defaults.deployment),
    validate=workload_validation.deployment,
    subresources=(_SCALE,),
    annotations_count=True,
    strategic=True,
)
REPLICA_SET = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    short_names=("rs",),
    categories=("all",),
    namespaced=True,
    columns=workload_columns.REPLICA_SETS,
    schema=openapi.schema("apps.v1.ReplicaSet"),
    definitions=openapi.definitions(),
    default=typed("apps.v1.ReplicaSet", workload_defaults.replica_set),
    validate=workload_validation.replica_set,
    selectable=("status.replicas",),
    subresources=(_SCALE,),
    strategic=True,
)
STATEFUL_SET = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    short_names=("sts",),
    categories=("all",),
    namespaced=True,
    columns=workload_columns.STATEFUL_SETS,
    schema=openapi.schema("apps.v1.StatefulSet"),
    definitions=openapi.definitions(),
    default=workload_defaults.stateful_set,
    validate=workload_validation.stateful_set,
    subresources=(_SCALE,),
    strategic=True,
)
DAEMON_SET = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    short_names=("ds",),
    categories=("all",),
    namespaced=True,
    columns=workload_columns.DAEMON_SETS,
    schema=openapi.schema("apps.v1.DaemonSet"),
    definitions=openapi.definitions(),
    default=workload_defaults.daemon_set,
    validate=workload_validation.daemon_set,
    strategic=True,
)

KINDS = (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, DAEMON_SET)
