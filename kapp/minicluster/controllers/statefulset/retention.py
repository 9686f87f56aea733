"""Whose a pod's claims are: with an owner, a claim goes with it.

Source: updateClaimOwnerRefForSetAndPod in pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object, controller_reference, key_of, metadata_of, uid_of
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.statefulset.identity import claims_of, ordinals
from kapp.minicluster.resources import CLAIMS
from kapp.runtime.client import Client, PatchType


def owner_of_claims(owner: Object, pod: Object, ordinal: int) -> Object | None:
    """What the claims of a pod go with by the set's retention policy: the set, the pod, or none."""
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    if ordinal not in ordinals(owner):
        return pod if policy.get("whenScaled") == "Delete" else None
    return owner if policy.get("whenDeleted") == "Delete" else None


def references_wanted(
    claim: Object, owner: Object, pod: Object, ordinal: int
) -> list[dict[str, Any]]:
    """The owner references that a claim should have; those to others stay."""
    known: list[dict[str, Any]] = metadata_of(claim).get("ownerReferences") or []
    others = [r for r in known if r.get("uid") not in (uid_of(owner), uid_of(pod))]
    if any(reference.get("controller") for reference in others):
        return others
    wanted = owner_of_claims(owner, pod, ordinal)
    return others if wanted is None else [*others, controller_reference(wanted)]


async def keep_claims(client: Client, owner: Object, pods: dict[int, Object]) -> None:
    """Bring the owners of every pod's claims in line with the set's policy. Raises ApiError."""
    for ordinal, pod in pods.items():
        for wanted in claims_of(owner, ordinal):
            key = key_of(wanted)
            try:
                claim = await client.get(CLAIMS, key.name, key.namespace)
            except ApiError as e:
                if e.code != 404:
                    raise
                continue
            references = references_wanted(claim, owner, pod, ordinal)
            if references == (metadata_of(claim).get("ownerReferences") or []):
                continue
            patch = {"metadata": {"uid": uid_of(claim), "ownerReferences": references or None}}
            await client.patch(CLAIMS, key.name, patch, PatchType.MERGE, key.namespace)
