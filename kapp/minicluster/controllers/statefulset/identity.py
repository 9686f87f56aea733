"""What makes a StatefulSet's pod the one it is: name, host name, labels, claims. Pure.

Source: pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from kapp.machinery.objects import Object, key_of, labels_of, name_of
from kapp.minicluster.controllers.history import REVISION_LABEL
from kapp.minicluster.controllers.replicaset import pod_from

_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
_INDEX_LABEL = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def ordinal_of(owner: Object, pod: Object) -> int:
    """The pod's number; -1 for one that is not named like a pod of the set."""
    found = _NAME.fullmatch(name_of(pod))
    if found is None or found.group(1) != name_of(owner):
        return -1
    return int(found.group(2))


def ordinals(owner: Object) -> range:
    """The numbers of the pods that are wanted."""
    start = int((owner["spec"].get("ordinals") or {}).get("start") or 0)
    return range(start, start + int(owner["spec"].get("replicas", 1)))


def revision_of(pod: Object) -> str:
    """The name of the revision that the pod was made from."""
    return labels_of(pod).get(REVISION_LABEL, "")


def new_pod(owner: Object, ordinal: int, revision: str) -> Object:
    """The pod of a number, from the owner's template."""
    pod = pod_from(owner)
    meta, spec = pod["metadata"], pod["spec"]
    name = f"{name_of(owner)}-{ordinal}"
    del meta["generateName"]
    meta["name"] = name
    meta["labels"] = {
        **(meta.get("labels") or {}),
        _NAME_LABEL: name,
        _INDEX_LABEL: str(ordinal),
        REVISION_LABEL: revision,
    }
    spec["hostname"] = name
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    _mount_claims(owner, ordinal, spec)
    return pod


def _mount_claims(owner: Object, ordinal: int, spec: dict[str, Any]) -> None:
    """Claims stand in for volumes of the template that have their names."""
    templates = owner["spec"].get("volumeClaimTemplates") or ()
    names = {name_of(template) for template in templates}
    claimed = [
        {
            "name": name_of(template),
            "persistentVolumeClaim": {"claimName": claim_name(owner, template, ordinal)},
        }
        for template in templates
    ]
    others = [v for v in spec.get("volumes") or () if v.get("name") not in names]
    if claimed or others:
        spec["volumes"] = [*claimed, *others]


def claim_name(owner: Object, template: Object, ordinal: int) -> str:
    """The name of a pod's claim; it outlives the pod, and the set."""
    return f"{name_of(template)}-{name_of(owner)}-{ordinal}"


def claims_of(owner: Object, ordinal: int) -> list[Object]:
    """The claims of one pod."""
    labels = (owner["spec"]["selector"] or {}).get("matchLabels") or {}
    claims = []
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        meta = deepcopy(template.get("metadata") or {})
        claims.append(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": claim_name(owner, template, ordinal),
                    "namespace": key_of(owner).namespace,
                    "labels": {**(meta.get("labels") or {}), **labels},
                    "annotations": meta.get("annotations") or {},
                },
                "spec": deepcopy(template.get("spec") or {}),
            }
        )
    return claims
