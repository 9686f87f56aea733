"""Which volume is given to which claim, and who uses a claim. Pure.

Source: pkg/controller/volume/persistentvolume/index.go (findMatchingVolume).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from kapp.machinery.objects import Object, is_deleting, key_of, labels_of, name_of, uid_of
from kapp.machinery.selectors import from_label_selector
from kapp.minicluster.controllers.pods import PODS_PHASE_ENDED
from kapp.minicluster.quantities import parse_quantity


def claims_used(pod: Object) -> set[str]:
    """The names of the claims that a pod mounts."""
    return {
        source["claimName"]
        for volume in (pod.get("spec") or {}).get("volumes") or ()
        if (source := volume.get("persistentVolumeClaim")) and source.get("claimName")
    }


def claim_user_index(pod: Object) -> Iterable[str]:
    """Index values of a pod that has not ended: the keys of its claims."""
    if (pod.get("status") or {}).get("phase") in PODS_PHASE_ENDED:
        return ()
    namespace = key_of(pod).namespace
    return [f"{namespace}/{name}" for name in claims_used(pod)]


def class_of(obj: Object) -> str:
    """The storage class of a claim or a volume."""
    return str((obj.get("spec") or {}).get("storageClassName") or "")


def is_bound(claim: Object) -> bool:
    """Whether the claim has its volume."""
    return (claim.get("status") or {}).get("phase") == "Bound"


def claimed_by(volume: Object, claim: Object) -> bool:
    """Whether the volume is, or is meant to be, that claim's."""
    reference = (volume.get("spec") or {}).get("claimRef") or {}
    key = key_of(claim)
    same_name = (reference.get("namespace"), reference.get("name")) == (key.namespace, key.name)
    return same_name and reference.get("uid") in (None, "", uid_of(claim))


def find_volume(claim: Object, volumes: Iterable[Object]) -> Object | None:
    """The volume for a claim: the one it names, one made for it, or the smallest that fits."""
    spec = claim["spec"]
    candidates = [volume for volume in volumes if not is_deleting(volume)]
    if name := spec.get("volumeName"):
        named = next((v for v in candidates if name_of(v) == name), None)
        free = named is not None and (not named["spec"].get("claimRef") or claimed_by(named, claim))
        return named if free else None
    for volume in candidates:
        if volume["spec"].get("claimRef") and claimed_by(volume, claim):
            return volume
    fitting = [v for v in candidates if not v["spec"].get("claimRef") and _fits(claim, v)]
    return min(fitting, key=lambda v: (_size(v["spec"].get("capacity")), name_of(v)), default=None)


def _fits(claim: Object, volume: Object) -> bool:
    wanted, offered = claim["spec"], volume["spec"]
    selector = from_label_selector(wanted.get("selector")) if wanted.get("selector") else None
    return (
        class_of(claim) == class_of(volume)
        and wanted.get("volumeMode") == offered.get("volumeMode")
        and set(wanted.get("accessModes") or ()) <= set(offered.get("accessModes") or ())
        and _size((wanted.get("resources") or {}).get("requests")) <= _size(offered.get("capacity"))
        and (selector is None or selector.matches(labels_of(volume)))
    )


def _size(amounts: dict[str, Any] | None) -> Decimal:
    return parse_quantity((amounts or {}).get("storage", "0")) or Decimal(0)
