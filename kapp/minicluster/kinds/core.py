"""The kinds of the core group, version v1. Source of the names: `kubectl api-resources`."""

from __future__ import annotations

from kapp.machinery.objects import Object
from kapp.machinery.scheme import ALL_VERBS, Kind, Subresource
from kapp.minicluster import openapi
from kapp.minicluster.columns import core as core_columns
from kapp.minicluster.columns import pods as pod_columns
from kapp.minicluster.columns import volumes as volume_columns
from kapp.minicluster.defaults import core as core_defaults
from kapp.minicluster.defaults import pods as pod_defaults
from kapp.minicluster.defaults import volumes as volume_defaults
from kapp.minicluster.roundtrip import typed
from kapp.minicluster.validation import core as core_validation
from kapp.minicluster.validation import pods as pod_validation
from kapp.minicluster.validation import volumes as volume_validation

_ONE_BY_ONE = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")


def pod_grace_period_s(pod: Object) -> int:
    """How long a deleted pod stays; 0 for one that no node has, or that has ended.

    Source: podStrategy.CheckGracefulDelete in pkg/registry/core/pod/strategy.go.
    """
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    grace_s = spec.get("terminationGracePeriodSeconds")
    return int(grace_s) if isinstance(grace_s, int) else pod_defaults.GRACE_PERIOD_S


NAMESPACE = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    short_names=("ns",),
    verbs=_ONE_BY_ONE,
    columns=core_columns.NAMESPACES,
    schema=openapi.schema("core.v1.Namespace"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Namespace", core_defaults.namespace),
    validate=core_validation.namespace,
    selectable=("status.phase",),
    subresources=(Subresource("finalize", ("update",)),),
    counts_generations=False,
    strategic=True,
)
NODE = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    short_names=("no",),
    columns=core_columns.NODES,
    schema=openapi.schema("core.v1.Node"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Node", core_defaults.node),
    selectable=("spec.unschedulable",),
    counts_generations=False,
    strategic=True,
)
POD = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    short_names=("po",),
    categories=("all",),
    namespaced=True,
    columns=pod_columns.PODS,
    schema=openapi.schema("core.v1.Pod"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Pod", pod_defaults.pod),
    validate=pod_validation.pod,
    selectable=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    subresources=(
        Subresource("attach", ("create", "get"), "PodAttachOptions", "", "v1"),
        Subresource("eviction", ("create",), "Eviction", "policy", "v1", deletes=True),
        Subresource("exec", ("create", "get"), "PodExecOptions", "", "v1"),
        Subresource("log", ("get",)),
        Subresource("portforward", ("create", "get"), "PodPortForwardOptions", "", "v1"),
    ),
    grace_period_s=pod_grace_period_s,
    strategic=True,
)
SERVICE = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    short_names=("svc",),
    categories=("all",),
    namespaced=True,
    columns=core_columns.SERVICES,
    schema=openapi.schema("core.v1.Service"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Service", core_defaults.service),
    validate=core_validation.service,
    selectable=("spec.clusterIP", "spec.type"),
    counts_generations=False,
    strategic=True,
)
CONFIG_MAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    short_names=("cm",),
    namespaced=True,
    columns=core_columns.CONFIG_MAPS,
    schema=openapi.schema("core.v1.ConfigMap"),
    definitions=openapi.definitions(),
    default=typed("core.v1.ConfigMap"),
    validate=core_validation.config_map,
    has_status=False,
    counts_generations=False,
    strategic=True,
)
SECRET = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    namespaced=True,
    columns=core_columns.SECRETS,
    schema=openapi.schema("core.v1.Secret"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Secret", core_defaults.secret),
    validate=core_validation.secret,
    selectable=("type",),
    has_status=False,
    counts_generations=False,
    strategic=True,
)
SERVICE_ACCOUNT = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    short_names=("sa",),
    namespaced=True,
    columns=core_columns.SERVICE_ACCOUNTS,
    schema=openapi.schema("core.v1.ServiceAccount"),
    definitions=openapi.definitions(),
    default=typed("core.v1.ServiceAccount"),
    has_status=False,
    counts_generations=False,
    strategic=True,
)
EVENT = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    short_names=("ev",),
    namespaced=True,
    columns=core_columns.EVENTS,
    schema=openapi.schema("core.v1.Event"),
    definitions=openapi.definitions(),
    default=typed("core.v1.Event"),
    validate=core_validation.event,
    selectable=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "type",
    ),
    has_status=False,
    counts_generations=False,
    strategic=True,
)

PERSISTENT_VOLUME = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    short_names=("pv",),
    columns=volume_columns.PERSISTENT_VOLUMES,
    schema=openapi.schema("core.v1.PersistentVolume"),
    definitions=openapi.definitions(),
    default=volume_defaults.persistent_volume,
    validate=volume_validation.persistent_volume,
    counts_generations=False,
    finalizers=("kubernetes.io/pv-protection",),
    strategic=True,
)
PERSISTENT_VOLUME_CLAIM = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    short_names=("pvc",),
    namespaced=True,
    columns=volume_columns.PERSISTENT_VOLUME_CLAIMS,
    schema=openapi.schema("core.v1.PersistentVolumeClaim"),
    definitions=openapi.definitions(),
    default=volume_defaults.persistent_volume_claim,
    validate=volume_validation.persistent_volume_claim,
    counts_generations=False,
    finalizers=("kubernetes.io/pvc-protection",),
    strategic=True,
)

KINDS = (
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
)
