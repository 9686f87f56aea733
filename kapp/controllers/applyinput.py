"""What a KubernetesApply wants applied: parsed, prepared, and named by a hash. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kapp import yamlio
from kapp.api.v1alpha1.kubernetesapply import (
    FORCE_ANNOTATION,
    TRIGGER_ANNOTATION,
    AppliedObject,
    KubernetesApply,
)
from kapp.cluster.inventory import MemberKey
from kapp.cluster.prepare import input_hash, pod_templates, prepare
from kapp.machinery.objects import Object, gvk_of, key_of, uid_of

# What these groups have without a pod template (ConfigMaps, Services, …) never owns a pod.
_GROUPS_WITHOUT_OTHER_POD_OWNERS = ("", "apps", "batch", "rbac.authorization.k8s.io",
                                    "networking.k8s.io", "policy", "storage.k8s.io")  # fmt: skip


class ApplyInput(msgspec.Struct, frozen=True, eq=False):
    """All that decides what one apply does.

    Attributes:
        digest: Names the input; equal for what applies the same.
        objects: Prepared objects.
        trigger: Value of the trigger annotation.
        force: Whether that trigger may delete what cannot be changed in place.
    """

    digest: str
    objects: tuple[Object, ...]
    trigger: str
    force: bool


def input_of(apply: KubernetesApply, *, part_of: str, events: Sequence[str]) -> ApplyInput:
    """The input of an apply. Raises ConfigError naming the object, or the line of the YAML.

    Ports, links, labels and log settings are no part of it. `events` are the newest events of the
    FileWatches that it restarts on.
    """
    name = apply.metadata.name
    values = [
        document.value for document in yamlio.parse(apply.spec.yaml, f"KubernetesApply/{name}")
    ]
    objects = prepare([one for one in values if one is not None], resource=name, part_of=part_of)
    annotations = apply.metadata.annotations
    trigger = annotations.get(TRIGGER_ANNOTATION, "")
    command = msgspec.to_builtins(apply.spec.apply_cmd)
    own = [*objects, {"applyCmd": command}] if command else objects
    if apply.spec.attach is not None:
        own = [{"attach": msgspec.to_builtins(apply.spec.attach)}]
    digest = input_hash([*own, {"cluster": apply.spec.cluster, "trigger": trigger,
                                    "events": list(events)}])  # fmt: skip
    force = bool(trigger) and annotations.get(FORCE_ANNOTATION) == trigger
    return ApplyInput(digest, tuple(objects), trigger, force)


def wanted_keys(apply: KubernetesApply, namespace: str) -> set[MemberKey]:
    """Every object that an apply wants, in `namespace` and without: scope is not known here.

    Raises ConfigError if the YAML cannot be read.
    """
    keys: set[MemberKey] = set()
    for document in yamlio.parse(apply.spec.yaml, f"KubernetesApply/{apply.metadata.name}"):
        for obj in _items(document.value):
            gvk, key = gvk_of(obj), key_of(obj)
            for place in {key.namespace, key.namespace or namespace}:
                keys.add(MemberKey(gvk.group, gvk.kind, place, key.name))
    return keys


def _items(value: Object | None) -> Sequence[Object]:
    if not value:
        return ()
    if str(value.get("kind") or "").endswith("List") and isinstance(value.get("items"), list):
        return [one for item in value["items"] for one in _items(item)]
    return (value,)


def applied_object(obj: Object) -> AppliedObject:
    """How a status names an object that the cluster returned."""
    gvk, key = gvk_of(obj), key_of(obj)
    return AppliedObject(
        api_version=gvk.api_version,
        kind=gvk.kind,
        namespace=key.namespace,
        name=key.name,
        uid=uid_of(obj),
    )


def may_own_pods(obj: Object) -> bool:
    """Whether pods can belong to an applied object: it has a pod template, or is a custom kind."""
    return bool(pod_templates(obj)) or gvk_of(obj).group not in _GROUPS_WITHOUT_OTHER_POD_OWNERS
