"""Which objects run pods, with what labels, and which Services select them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kapp.kappfile.assembly.declarations import KindRule
from kapp.machinery.objects import Object, gvk_of, labels_of, metadata_of

_BUILT_IN_WORKLOADS = frozenset(
    {
        ("", "Pod"),
        ("", "ReplicationController"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    }
)
"""Workloads even while their containers are still being written: a resource must not vanish, and
its objects be deleted, because an image line is missing for the moment."""


def _dig(obj: Any, *path: str) -> Mapping[str, Any]:
    for key in path:
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return obj if isinstance(obj, Mapping) else {}


def pod_templates(obj: Object) -> list[Mapping[str, Any]]:
    """The pod templates in an object (`metadata` and `spec` each), for a Pod the object itself."""
    if gvk_of(obj)[::2] == ("", "Pod"):
        return [obj]
    paths = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
    return [found for path in paths if (found := _dig(obj, *path))]


def _has_image(template: Mapping[str, Any]) -> bool:
    spec = _dig(template, "spec")
    return any(
        isinstance(container, Mapping) and container.get("image")
        for field in ("containers", "initContainers")
        for container in _list(spec.get(field))
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def kind_rule(obj: Object, rules: Iterable[KindRule]) -> KindRule | None:
    """The last rule for the object's kind: a later `k8s_kind` overrides an earlier one."""
    found = None
    for rule in rules:
        if rule.kind == obj["kind"] and rule.api_version in ("", obj["apiVersion"]):
            found = rule
    return found


def is_workload(obj: Object, rules: Iterable[KindRule]) -> bool:
    """Whether the object becomes a resource: it contains a container image, or a rule says so."""
    gvk = gvk_of(obj)
    return (
        (gvk.group, gvk.kind) in _BUILT_IN_WORKLOADS
        or any(_has_image(template) for template in pod_templates(obj))
        or kind_rule(obj, rules) is not None
    )


class LabelIndex:
    """Finds the workload that a Service belongs to without trying every pair."""

    def __init__(self, workloads: Sequence[Object]) -> None:
        self._templates: list[list[dict[str, str]]] = []
        self._namespaces: list[str] = []
        self._by_label: dict[tuple[str, Any], list[int]] = {}
        for position, workload in enumerate(workloads):
            labels = [dict(labels_of(dict(template))) for template in pod_templates(workload)]
            self._templates.append(labels)
            self._namespaces.append(metadata_of(workload).get("namespace") or "default")
            for pair in {pair for template in labels for pair in template.items()}:
                self._by_label.setdefault(pair, []).append(position)

    def first_selected_by(self, service: Object) -> int | None:
        """The position of the first workload whose pods the Service selects.

        Its selector must be part of a pod template's labels; a Service without a selector selects
        nothing. The namespaces must be the same, or the Service names none.
        """
        if gvk_of(service)[::2] != ("", "Service"):
            return None
        selector = _dig(service, "spec", "selector")
        if not selector:
            return None
        namespace = metadata_of(service).get("namespace")
        for position in self._by_label.get(next(iter(selector.items())), ()):
            if namespace in (None, "", self._namespaces[position]) and any(
                selector.items() <= labels.items() for labels in self._templates[position]
            ):
                return position
        return None


def duplicates(
    objects: Sequence[Object], namespace: str
) -> dict[tuple[str, str, str, str], list[int]]:
    """The indexes of objects by (group, kind, namespace, name); those without are in `namespace`.

    That is said of kinds without namespaces too, of all alike.
    """
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for index, obj in enumerate(objects):
        gvk, meta = gvk_of(obj), metadata_of(obj)
        key = (gvk.group, gvk.kind, meta.get("namespace") or namespace, meta["name"])
        found.setdefault(key, []).append(index)
    return found
