"""Kinds that are stored and not acted on, so that whole manifests apply: `docs/limits.md` says so.

Nothing enforces a Role, routes an Ingress, or scales by a HorizontalPodAutoscaler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.minicluster import openapi
from kapp.minicluster.columns import policies as columns
from kapp.minicluster.defaults import policies as defaults
from kapp.minicluster.validation.fields import IMMUTABLE
from kapp.minicluster.validation.policies import by_schema


def _as_it_is(_: Object) -> None:
    return None


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between these kinds."""

    group: str
    schema: str
    plural: str
    columns: tuple[Column, ...]
    short: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    default: Callable[[Object], None] = _as_it_is
    frozen: Mapping[str, str] = msgspec.field(default_factory=dict)
    names: Literal["subdomain", "path_segment"] = "subdomain"
    categories: tuple[str, ...] = ()
    generations: bool = False

    def kind(self) -> Kind:
        _, version, kind = self.schema.split(".")
        schema = openapi.schema(self.schema)
        return Kind(
            group=self.group,
            version=version,
            kind=kind,
            plural=self.plural,
            short_names=self.short,
            categories=self.categories,
            namespaced=self.namespaced,
            columns=self.columns,
            schema=schema,
            definitions=openapi.definitions(),
            default=self.default,
            validate=by_schema(schema, self.frozen),
            has_status=self.status,
            counts_generations=self.generations,
            strategic=True,
            name_rule=self.names,
        )


_RBAC = "rbac.authorization.k8s.io"
_NETWORKING = "networking.k8s.io"
_WEBHOOKS = "admissionregistration.k8s.io"
_ROLE_REF = {"roleRef": "cannot change roleRef"}
_STORAGE_FROZEN = {
    name: "updates to parameters are forbidden." if name == "parameters" else IMMUTABLE
    for name in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
}
_PRIORITY_FROZEN = {
    "value": "may not be changed in an update.",
    "preemptionPolicy": IMMUTABLE,
}


def _core() -> Iterable[_Stored]:
    yield _Stored(
        group="",
        schema="core.v1.ResourceQuota",
        plural="resourcequotas",
        short=("quota",),
        status=True,
        columns=columns.RESOURCE_QUOTAS,
    )
    yield _Stored(
        group="",
        schema="core.v1.LimitRange",
        plural="limitranges",
        short=("limits",),
        columns=columns.CREATED_AT,
        default=defaults.limit_range,
    )
    yield _Stored(
        group="apps",
        schema="apps.v1.ControllerRevision",
        plural="controllerrevisions",
        columns=columns.CONTROLLER_REVISIONS,
        frozen={"data": IMMUTABLE},
    )


def _rbac() -> Iterable[_Stored]:
    for scope, namespaced in (("", True), ("Cluster", False)):
        yield _Stored(
            group=_RBAC,
            schema=f"rbac.v1.{scope}Role",
            plural=f"{scope.lower()}roles",
            namespaced=namespaced,
            columns=columns.CREATED_AT,
            names="path_segment",
        )
        yield _Stored(
            group=_RBAC,
            schema=f"rbac.v1.{scope}RoleBinding",
            plural=f"{scope.lower()}rolebindings",
            namespaced=namespaced,
            columns=columns.ROLE_BINDINGS,
            default=defaults.role_binding,
            frozen=_ROLE_REF,
            names="path_segment",
        )


def _networking() -> Iterable[_Stored]:
    yield _Stored(
        group=_NETWORKING,
        schema="networking.v1.Ingress",
        plural="ingresses",
        generations=True,
        short=("ing",),
        status=True,
        columns=columns.INGRESSES,
        default=defaults.ingress,
    )
    yield _Stored(
        group=_NETWORKING,
        schema="networking.v1.IngressClass",
        plural="ingressclasses",
        generations=True,
        namespaced=False,
        columns=columns.INGRESS_CLASSES,
        default=defaults.ingress_class,
    )
    yield _Stored(
        group=_NETWORKING,
        schema="networking.v1.NetworkPolicy",
        plural="networkpolicies",
        generations=True,
        short=("netpol",),
        columns=columns.NETWORK_POLICIES,
        default=defaults.network_policy,
    )


def _others() -> Iterable[_Stored]:
    yield _Stored(
        group="policy",
        schema="policy.v1.PodDisruptionBudget",
        plural="poddisruptionbudgets",
        generations=True,
        short=("pdb",),
        status=True,
        columns=columns.POD_DISRUPTION_BUDGETS,
    )
    yield _Stored(
        group="storage.k8s.io",
        schema="storage.v1.StorageClass",
        plural="storageclasses",
        short=("sc",),
        namespaced=False,
        columns=columns.STORAGE_CLASSES,
        default=defaults.storage_class,
        frozen=_STORAGE_FROZEN,
    )
    yield _Stored(
        group="scheduling.k8s.io",
        schema="scheduling.v1.PriorityClass",
        plural="priorityclasses",
        generations=True,
        short=("pc",),
        namespaced=False,
        columns=columns.PRIORITY_CLASSES,
        default=defaults.priority_class,
        frozen=_PRIORITY_FROZEN,
    )
    yield _Stored(
        group="autoscaling",
        schema="autoscaling.v2.HorizontalPodAutoscaler",
        plural="horizontalpodautoscalers",
        short=("hpa",),
        categories=("all",),
        status=True,
        columns=columns.HORIZONTAL_POD_AUTOSCALERS,
        default=defaults.horizontal_pod_autoscaler,
    )
    yield _Stored(
        group="coordination.k8s.io",
        schema="coordination.v1.Lease",
        plural="leases",
        columns=columns.LEASES,
    )
    for kind in ("Validating", "Mutating"):
        yield _Stored(
            group=_WEBHOOKS,
            schema=f"admissionregistration.v1.{kind}WebhookConfiguration",
            plural=f"{kind.lower()}webhookconfigurations",
            generations=True,
            namespaced=False,
            columns=columns.WEBHOOK_CONFIGURATIONS,
            default=defaults.webhook_configuration,
        )


KINDS = tuple(stored.kind() for stored in (*_core(), *_rbac(), *_networking(), *_others()))
