"""Whose an object is, asked before it is first changed: no object is in two ApplySets.

An object that another ApplySet has is refused with the name of that one. Where its label names one
that is not found, that is a remnant, to be taken over, if the account may look everywhere for it;
if not, the object is taken over when somebody forces it only. A Namespace that was there before is
nobody's to claim: it gets what the manifest says, none of kapp's labels, and so is never deleted.

Source: KEP-3659, "Adopting and changing the ownership of objects".
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import NamedTuple

from kapp.cluster.failures import Rejected
from kapp.cluster.prepare import FIELD_MANAGER, PART_OF_LABEL, RESOURCE_ANNOTATION, without_injected
from kapp.cluster.targets import Target, find
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    annotations_of,
    display_name,
    key_of,
    labels_of,
    metadata_of,
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
_CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
_SECRETS = Resource("", "v1", "secrets", "Secret", True)
_PARENTS = (_CONFIG_MAPS, _SECRETS)


def applyset_id(name: str, namespace: str) -> str:
    """The id of the ApplySet whose parent is that ConfigMap (KEP-3659, "ApplySet ID")."""
    digest = hashlib.sha256(f"{name}.{namespace}.ConfigMap.".encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}-v1"


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

    async def admit(self, target: Target, *, force: bool = False) -> Object:
        """What to send for a target; with `force` also for one whose owner cannot be looked for.

        Raises Rejected if it is another's, or may be; ApiError, Unreachable.
        """
        place = (target.resource, key_of(target.obj))
        now = asyncio.get_running_loop().time()
        if now - self._looked.get(place, -_TRUST_S) < _TRUST_S:
            return target.obj
        live = await self._live(target)
        if live is not None and self._is_foreign(live):
            if target.is_namespace:
                return without_injected(target.obj)
            await self._refuse_anothers(target, live, force=force)
        self._looked[place] = now
        return target.obj

    def _is_foreign(self, live: Object) -> bool:
        ours = (labels_of(live).get(PART_OF_LABEL), annotations_of(live).get(RECORD_ANNOTATION))
        return self._part_of not in ours

    async def _refuse_anothers(self, target: Target, live: Object, *, force: bool) -> None:
        """Raise Rejected if the live object is, or may be, in an ApplySet of another project."""
        part_of = labels_of(live).get(PART_OF_LABEL, "")
        namespace = key_of(live).namespace or self._namespace
        if part_of in ("", applyset_id(self._project, namespace)):
            return
        spaces = dict.fromkeys(["", namespace, self._namespace])
        parent, hidden = await find_parent(self._client, part_of, list(spaces))
        if parent is not None and parent.project != self._project:
            raise Rejected(
                f"it belongs to {parent} (recorded in {parent.kind} "
                f"{parent.key.namespace}/{parent.key.name})",
                location=display_name(target.obj),
                hint="remove it from one of the two, or rename it in one of them",
            )
        tool = _labelled_by(live)
        if tool == FIELD_MANAGER:
            hidden -= {_SECRETS}
        if parent is not None or not hidden or force:
            return
        kinds = " and ".join(sorted(f"{one.kind}s" for one in hidden))
        resource = annotations_of(target.obj).get(RESOURCE_ANNOTATION, "NAME")
        raise Rejected(
            f"it is labelled as part of another ApplySet ({part_of}{tool and f', by {tool}'}), and "
            f"whether that one still exists cannot be seen: this account may not list {kinds} "
            "in all namespaces",
            location=display_name(target.obj),
            hint=f"if nobody else deploys it, take it over with `kapp trigger {resource} --force`",
        )

    async def _live(self, target: Target) -> Object | None:
        try:
            return await find(self._client, target)
        except ApiError as e:
            if e.code == 403:  # may be created and not be read
                return None
            raise


def _labelled_by(live: Object) -> str:
    """The field manager that said which ApplySet an object is in, or ""."""
    for entry in metadata_of(live).get("managedFields") or ():
        labels = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
        if f"f:{PART_OF_LABEL}" in labels:
            return str(entry.get("manager") or "")
    return ""


async def find_parent(
    client: Client, part_of: str, namespaces: list[str]
) -> tuple[Parent | None, frozenset[Resource]]:
    """The parent of the ApplySet with that id, if it is found, and where else it could be.

    Looked for in `namespaces` ("" for all), as far as they may be listed; second come the kinds
    that may not be listed in all of a cluster's. Raises ApiError, Unreachable.
    """
    hidden = set()
    for namespace in namespaces:
        for resource in _PARENTS:
            listed = await _listed(client, resource, namespace, f"{ID_LABEL}={part_of}")
            for obj in listed or ():
                project = labels_of(obj).get(PROJECT_LABEL, "")
                return Parent(resource.kind, key_of(obj), project), frozenset()
            if listed is None and not namespace:
                hidden.add(resource)
        if not hidden:
            break
    return None, frozenset(hidden)


async def other_sets_in(client: Client, namespace: str, part_of: str) -> list[str]:
    """Which other ApplySets have their parent in a namespace. Raises ApiError, Unreachable."""
    return [
        str(Parent(resource.kind, key_of(obj), labels_of(obj).get(PROJECT_LABEL, "")))
        for resource in _PARENTS
        for obj in await _listed(client, resource, namespace, ID_LABEL) or ()
        if labels_of(obj)[ID_LABEL] != part_of
    ]


async def _listed(
    client: Client, resource: Resource, namespace: str, selector: str
) -> list[Object] | None:
    """What is there; None where it may not be listed."""
    try:
        return (await client.list(resource, namespace, label_selector=selector)).items
    except ApiError as e:
        if e.code == 403:
            return None
        raise
