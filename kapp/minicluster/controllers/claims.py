"""Adoption and release: which objects a controller owns is decided by its selector.

Source: pkg/controller/controller_ref_manager.go (ClaimObject).
"""

from __future__ import annotations

from collections.abc import Iterable

from kapp.machinery.objects import (
    Object,
    Resource,
    controller_of,
    controller_reference,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    uid_of,
)
from kapp.machinery.selectors import from_label_selector
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.mirror import Mirror
from kapp.runtime.client import Client, PatchType


def owner_index(obj: Object) -> Iterable[str]:
    """What `claim` finds an object by: its controller's uid, or `orphan/` and its namespace."""
    controller = controller_of(obj)
    return (controller["uid"],) if controller else (f"orphan/{key_of(obj).namespace}",)


async def claim(client: Client, resource: Resource, mirror: Mirror, owner: Object) -> list[Object]:
    """The objects that `owner` controls, after adopting and releasing.

    `mirror` is indexed by `owner_index`. An owner that is being deleted adopts nothing and
    releases nothing.
    """
    selector = from_label_selector(owner["spec"]["selector"])
    claimed: list[Object] = []
    for obj in mirror.by(uid_of(owner)) + mirror.by(f"orphan/{key_of(owner).namespace}"):
        matches = selector is not None and selector.matches(labels_of(obj))
        controller = controller_of(obj)
        if controller is not None:
            if controller.get("uid") != uid_of(owner):
                continue
            if matches or is_deleting(owner) or is_deleting(obj):
                claimed.append(obj)
            else:
                await _patch_owners(client, resource, mirror, obj, _without(obj, owner))
        elif matches and not is_deleting(owner) and not is_deleting(obj):
            references = [*_references(obj), controller_reference(owner)]
            adopted = await _patch_owners(client, resource, mirror, obj, references)
            if adopted is not None:
                claimed.append(adopted)
    return claimed


def _references(obj: Object) -> list[dict[str, object]]:
    return list(metadata_of(obj).get("ownerReferences") or ())


def _without(obj: Object, owner: Object) -> list[dict[str, object]]:
    return [r for r in _references(obj) if r.get("uid") != uid_of(owner)]


async def _patch_owners(
    client: Client,
    resource: Resource,
    mirror: Mirror,
    obj: Object,
    references: list[dict[str, object]],
) -> Object | None:
    """Write new owner references; None if the object changed or went away meanwhile."""
    key = key_of(obj)
    patch = {
        "metadata": {
            "uid": uid_of(obj),
            "resourceVersion": metadata_of(obj).get("resourceVersion"),
            "ownerReferences": references or None,
        }
    }
    try:
        changed = await client.patch(resource, key.name, patch, PatchType.MERGE, key.namespace)
    except ApiError as e:
        if e.code in (404, 409):
            return None
        raise
    return mirror.wrote(changed)
