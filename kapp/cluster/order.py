"""In which order kinds are applied and deleted (pure).

As kubectl and kustomize order them (sigs.k8s.io/kustomize/api/internal/builtins/SortOrder), in
classes: what is in one class does not depend on one another, so it is sent concurrently.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

_CLASSES: tuple[frozenset[str], ...] = (
    frozenset({"Namespace"}),
    frozenset(
        {
            "CustomResourceDefinition",
            "StorageClass",
            "PriorityClass",
            "RuntimeClass",
            "IngressClass",
            "ResourceQuota",
            "LimitRange",
        }
    ),
    frozenset({"ServiceAccount", "PodSecurityPolicy", "Role", "ClusterRole"}),
    frozenset({"RoleBinding", "ClusterRoleBinding"}),
    frozenset(
        {
            "ConfigMap",
            "Secret",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Service",
            "Endpoints",
            "EndpointSlice",
        }
    ),
)
_REST = len(_CLASSES)
# Last, because they stop everything until what answers them is up.
_LAST = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"})


def apply_class(kind: str) -> int:
    """Lower classes are applied first."""
    if kind in _LAST:
        return _REST + 1
    return next((i for i, kinds in enumerate(_CLASSES) if kind in kinds), _REST)


def delete_class(group: str, kind: str) -> int:
    """Lower classes are deleted first: the reverse, with custom objects before all else.

    A custom object may have a finalizer that only its operator, a workload, can take off.
    """
    return -1 if is_custom(group) else _REST + 1 - apply_class(kind)


def is_custom(group: str) -> bool:
    """Whether a group is not Kubernetes' own."""
    return "." in group and not group.endswith(".k8s.io")


def batches(items: Iterable[tuple[int, T]]) -> list[list[T]]:
    """Items by class, lowest class first, the order within a class kept."""
    classes: dict[int, list[T]] = {}
    for number, item in items:
        classes.setdefault(number, []).append(item)
    return [classes[number] for number in sorted(classes)]
