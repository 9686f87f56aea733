"""Template hashes, revision annotations and history. Pure.

Source: pkg/controller/deployment/util/deployment_util.go, pkg/util/hash and
k8s.io/apimachinery/pkg/util/rand (SafeEncodeString). `kubectl rollout history` and `undo` read the
annotations written here. The hash is of the template's JSON, not of Go's memory: hashes differ from
a real cluster's, and mean the same.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec

from kapp.machinery.objects import (
    Object,
    annotations_of,
    controller_reference,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
)
from kapp.minicluster.controllers.deployment.rollout import DESIRED, MAX, size, wanted

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"

_HISTORY_MAX_BYTES = 2000
"""`maxRevHistoryLengthInChars`."""

_OWN_ANNOTATIONS = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAX,
        "deprecated.deployment.rollback.to",
    )
)
"""Not copied between a Deployment and its ReplicaSets."""

_ALPHANUMS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like another letter, so no hash spells a word."""


def template_hash(template: dict[str, Any], collisions: int) -> str:
    """The value of `pod-template-hash`: FNV-1a (32 bits), encoded safely."""
    text = msgspec.json.encode(template, order="deterministic")
    if collisions:
        text += str(collisions).encode()
    value = 0x811C9DC5
    for byte in text:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHANUMS[ord(digit) % len(_ALPHANUMS)] for digit in str(value))


def revision_of(replica_set: Object) -> int:
    """The revision annotation; 0 if it has none."""
    try:
        return int(annotations_of(replica_set).get(REVISION) or 0)
    except ValueError:
        return 0


def same_template(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two templates differ in nothing but the hash. Source: EqualIgnoreHash."""
    return _without_hash(one) == _without_hash(other)


def _without_hash(template: dict[str, Any]) -> dict[str, Any]:
    meta = dict(template.get("metadata") or {})
    meta.pop("creationTimestamp", None)
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH_LABEL}
    meta["labels"] = labels
    return {**template, "metadata": {k: v for k, v in meta.items() if v}}


def find_new(deployment: Object, sets: list[Object]) -> Object | None:
    """The oldest ReplicaSet that has the Deployment's template."""
    same = [s for s in sets if same_template(s["spec"]["template"], deployment["spec"]["template"])]
    return min(
        same,
        key=lambda s: (str(metadata_of(s).get("creationTimestamp") or ""), name_of(s)),
        default=None,
    )


def new_replica_set(deployment: Object, collisions: int) -> Object:
    """A ReplicaSet for the Deployment's template, with no pods yet."""
    template = deepcopy(deployment["spec"]["template"])
    value = template_hash(template, collisions)
    meta = template.setdefault("metadata", {})
    meta["labels"] = {**(meta.get("labels") or {}), HASH_LABEL: value}
    selector = deepcopy(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: value}
    spec = {"replicas": 0, "selector": selector, "template": template}
    if min_ready_s := deployment["spec"].get("minReadySeconds"):
        spec["minReadySeconds"] = min_ready_s
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{value}",
            "namespace": key_of(deployment).namespace,
            "labels": dict(meta["labels"]),
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": spec,
    }


def annotations_for(
    deployment: Object, replica_set: Object, revision: int, surge: int
) -> dict[str, str]:
    """The annotations that the new ReplicaSet is to have. Source: SetNewReplicaSetAnnotations."""
    result = dict(annotations_of(replica_set))
    result.update(
        {k: v for k, v in annotations_of(deployment).items() if k not in _OWN_ANNOTATIONS}
    )
    old = revision_of(replica_set)
    if old < revision:
        result[REVISION] = str(revision)
        if old:
            result[REVISION_HISTORY] = _history(result.get(REVISION_HISTORY, ""), old)
    result.setdefault(DESIRED, str(wanted(deployment)))
    result.setdefault(MAX, str(wanted(deployment) + surge))
    return result


def _history(text: str, revision: int) -> str:
    parts = [part for part in text.split(",") if part] + [str(revision)]
    while len(",".join(parts)) > _HISTORY_MAX_BYTES:
        parts.pop(0)
    return ",".join(parts)


def superfluous(deployment: Object, old: list[Object]) -> list[Object]:
    """Old ReplicaSets beyond the history limit that have no pods. Source: cleanupDeployment."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    alive = sorted((s for s in old if not is_deleting(s)), key=revision_of)
    return [s for s in alive[: max(0, len(alive) - int(limit))] if _is_idle(s)]


def _is_idle(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    generation = metadata_of(replica_set).get("generation", 1)
    return (
        size(replica_set) == 0
        and not status.get("replicas")
        and generation <= (status.get("observedGeneration") or 0)
    )
