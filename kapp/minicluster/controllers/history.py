"""The history of StatefulSets and DaemonSets: their templates, as ControllerRevisions.

`kubectl rollout history` and `undo` read them: `data` is a strategic merge patch that brings a
template back. Source: pkg/controller/history/controller_history.go, getPatch in
pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from kapp.machinery.objects import (
    Object,
    annotations_of,
    controller_reference,
    is_deleting,
    key_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.deployment.revisions import template_hash
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.resources import CONTROLLER_REVISIONS
from kapp.runtime.client import Client, PatchType

HASH_LABEL = "controller.kubernetes.io/hash"
REVISION_LABEL = "controller-revision-hash"


def revision_number(revision: Object) -> int:
    """Its place in the history."""
    return int(revision.get("revision") or 0)


def template_data(owner: Object) -> Object:
    """What a revision holds of its owner: the template, as a patch that replaces it."""
    template = {**deepcopy(owner["spec"]["template"]), "$patch": "replace"}
    return {"spec": {"template": template}}


def with_template(owner: Object, revision: Object) -> Object:
    """The owner as it was at that revision."""
    template = deepcopy(((revision.get("data") or {}).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    return {**owner, "spec": {**owner["spec"], "template": template}}


class History:
    """Reads and writes the revisions of one controller's objects.

    Args:
        client: the cluster.
        revisions: mirror of ControllerRevisions, indexed by their controller's uid.
        label: the label of a revision that holds its hash.
    """

    def __init__(self, client: Client, revisions: Mirror, label: str) -> None:
        self._client = client
        self._label = label
        self._revisions = revisions

    def of(self, owner: Object) -> list[Object]:
        """The owner's revisions, oldest first."""
        return sorted(self._revisions.by(uid_of(owner)), key=revision_number)

    async def newest(self, owner: Object) -> Object:
        """The revision of the owner's present template; made, or moved to the end, if need be.

        Raises ApiError.
        """
        known = self.of(owner)
        data = template_data(owner)
        number = revision_number(known[-1]) + 1 if known else 1
        same = [revision for revision in known if revision.get("data") == data]
        if same and same[-1] is known[-1]:
            return same[-1]
        if same:
            return await self._renumber(same[-1], number)
        return await self._create(owner, data, number)

    async def _renumber(self, revision: Object, number: int) -> Object:
        key = key_of(revision)
        patch = {"metadata": {"uid": uid_of(revision)}, "revision": number}
        return self._revisions.wrote(
            await self._client.patch(
                CONTROLLER_REVISIONS, key.name, patch, PatchType.MERGE, key.namespace
            )
        )

    async def _create(self, owner: Object, data: Object, number: int) -> Object:
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        while True:
            value = template_hash(data, collisions)
            labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
            meta: dict[str, Any] = {
                "name": f"{name_of(owner)}-{value}",
                "namespace": key_of(owner).namespace,
                "labels": {**labels, self._label: value},
                "annotations": dict(annotations_of(owner)),
                "ownerReferences": [controller_reference(owner)],
            }
            revision = {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": meta,
                "data": data,
                "revision": number,
            }
            try:
                made = await self._client.create(CONTROLLER_REVISIONS, revision)
            except ApiError as e:
                if e.reason != "AlreadyExists":
                    raise
                collisions += 1
                continue
            return self._revisions.wrote(made)

    async def clean(self, owner: Object, live: set[str]) -> None:
        """Delete the oldest revisions beyond the limit that no pod has; `live` are names."""
        limit = int(owner["spec"].get("revisionHistoryLimit") or 0)
        idle = [r for r in self.of(owner) if name_of(r) not in live and not is_deleting(r)]
        for revision in idle[: max(0, len(idle) - limit)]:
            key = key_of(revision)
            try:
                await self._client.delete(CONTROLLER_REVISIONS, key.name, key.namespace)
            except ApiError as e:
                if e.code != 404:
                    raise
            self._revisions.removed(revision)


def hash_of(revision: Object) -> str:
    """The hash in its name."""
    return name_of(revision).rpartition("-")[2]
