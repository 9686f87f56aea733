"""Whose an object is, asked before it is first changed: no object is in two ApplySets.

An object that another ApplySet has is refused with the name of that one. A Namespace that was there
before is nobody's to claim: it gets what the manifest says, none of kapp's labels, and so is never
deleted.

Source: KEP-3659, "Adopting and changing the ownership of objects".
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from kapp.cluster.apply import Target
from kapp.cluster.failures import Rejected
from kapp.cluster.prepare import PART_OF_LABEL, without_injected
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    annotations_of,
    display_name,
    key_of,
    labels_of,
)
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

ID_LABEL = "applyset.kubernetes.io/id"
PROJECT_LABEL = "kapp.dev/project"
RECORD_ANNOTATION = "kapp.dev/record"
"""On a Namespace that was made for its own ApplySet's parent: the id of that set."""

# Somebody may delete an object and somebody else make it anew: look again after this long.
_TRUST_S = 60.0
# kubectl's parents are Secrets unless told otherwise, kapp's are ConfigMaps.
_PARENTS = (
    Resource("", "v1", "configmaps", "ConfigMap", True),
    Resource("", "v1", "secrets", "Secret", True),
)


class Parent(NamedTuple):
    """The parent of another ApplySet; `project` is "" where another tool made it."""

    kind: str
    key: ObjectKey
    project: str

    def __str__(self) -> str:
        where = f"{self.kind} {self.key.namespace}/{self.key.name}"
        return f"the project {self.project.removeprefix('kapp-')}" if self.project else where


class Claims:
    """What one ApplySet may apply.

    Args:
        client: the cluster.
        part_of: the set's id.
        project: the value of the parent's project label.
        namespace: where the parent is.
    """

    def __init__(self, client: Client, *, part_of: str, project: str, namespace: str) -> None:
        self._client = client
        self._part_of = part_of
        self._project = project
        self._namespace = namespace
        self._looked: dict[tuple[Resource, ObjectKey], float] = {}

    async def admit(self, target: Target) -> Object:
        """What to send for a target. Raises Rejected if it is another's; ApiError, Unreachable."""
        place = (target.resource, key_of(target.obj))
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(place, -_TRUST_S) < _TRUST_S:
            return target.obj
        live = await self._live(target)
        if live is not None and self._is_foreign(live):
            if (target.resource.group, target.resource.kind) == ("", "Namespace"):
                return without_injected(target.obj)
            await self._refuse_anothers(target, live)
        self._looked[place] = now
        return target.obj

    def _is_foreign(self, live: Object) -> bool:
        ours = (labels_of(live).get(PART_OF_LABEL), annotations_of(live).get(RECORD_ANNOTATION))
        return self._part_of not in ours

    async def _refuse_anothers(self, target: Target, live: Object) -> None:
        """Raise Rejected if the live object is in an ApplySet that exists, of another project."""
        part_of = labels_of(live).get(PART_OF_LABEL, "")
        if not part_of:
            return
        namespace = key_of(live).namespace
        spaces = dict.fromkeys(["", namespace or self._namespace, self._namespace])
        parent = await find_parent(self._client, part_of, list(spaces))
        if parent is None or parent.project == self._project:
            return
        raise Rejected(
            f"it belongs to {parent} (recorded in {parent.kind} "
            f"{parent.key.namespace}/{parent.key.name})",
            location=display_name(target.obj),
            hint="remove it from one of the two, or rename it in one of them",
        )

    async def _live(self, target: Target) -> Object | None:
        namespace, name = key_of(target.obj)
        try:
            return await self._client.get(target.resource, name, namespace)
        except ApiError as e:
            # 403: may be created and not be read. 404 also for a kind that is not served yet.
            if e.code in (403, 404):
                return None
            raise


async def find_parent(client: Client, part_of: str, namespaces: list[str]) -> Parent | None:
    """The parent of the ApplySet with that id; None if there is none: the label is a remnant.

    Looked for in `namespaces` ("" for all), as far as they may be listed. Raises ApiError,
    Unreachable.
    """
    for namespace in namespaces:
        for resource in _PARENTS:
            for obj in await _listed(client, resource, namespace, f"{ID_LABEL}={part_of}"):
                return Parent(resource.kind, key_of(obj), labels_of(obj).get(PROJECT_LABEL, ""))
    return None


async def other_sets_in(client: Client, namespace: str, part_of: str) -> list[str]:
    """Which other ApplySets have their parent in a namespace. Raises ApiError, Unreachable."""
    return [
        str(Parent(resource.kind, key_of(obj), labels_of(obj).get(PROJECT_LABEL, "")))
        for resource in _PARENTS
        for obj in await _listed(client, resource, namespace, ID_LABEL)
        if labels_of(obj)[ID_LABEL] != part_of
    ]


async def _listed(
    client: Client, resource: Resource, namespace: str, selector: str
) -> list[Object]:
    try:
        return (await client.list(resource, namespace, label_selector=selector)).items
    except ApiError as e:
        if e.code == 403:
            return []
        raise
