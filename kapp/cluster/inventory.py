"""What kapp applied, kept in the cluster: an ApplySet (KEP-3659), one per project.

The parent is a ConfigMap in the project's namespace of record (`kapp.cluster.record`). It names the
kinds and namespaces where members are; members carry its id in a label. So `kapp down` needs
nothing but the cluster.

Invariants:
- The parent covers every object *before* that object is applied, and as long as it is there; it
  names too much rather than too little.
- An object that another ApplySet has is not applied (`kapp.cluster.claims`).
- Only objects with the project's own part-of label are ever deleted, by UID; nothing that another
  controller owns, no Namespace unless asked, nothing with `kapp.dev/down-policy: keep`.

Source: https://git.k8s.io/enhancements/keps/sig-cli/3659-kubectl-apply-prune, and kubectl's
pkg/cmd/apply/applyset.go.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from functools import partial
from typing import NamedTuple

from kapp.cluster.claims import PROJECT_LABEL, Claims, other_sets_in
from kapp.cluster.mapping import RestMapping
from kapp.cluster.prepare import DOWN_POLICY_ANNOTATION, PART_OF_LABEL, RESOURCE_ANNOTATION
from kapp.cluster.progress import OnProgress, Progress, silent
from kapp.cluster.record import CONFIG_MAPS, Coverage, Record, parent_name
from kapp.cluster.removal import Left, Removal, delete_in_order, until_answered
from kapp.cluster.targets import Target
from kapp.machinery.objects import (
    Object,
    Resource,
    annotations_of,
    controller_of,
    display_name,
    gvk_of,
    is_deleting,
    key_of,
    labels_of,
    name_of,
)
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

# A set of many kinds and namespaces must not open a connection for each.
_CONCURRENCY = 16
# Pods have 30 s of grace by default; twice that says something is stuck.
DOWN_TIMEOUT_S = 60.0
# For the record alone, when all else is gone at the last moment.
_LAST_S = 5.0


class MemberKey(NamedTuple):
    """Names one object among all of a cluster, whatever version it is written in."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> MemberKey:
        """The key of an object whose namespace is filled in."""
        gvk = gvk_of(obj)
        return cls(gvk.group, gvk.kind, *key_of(obj))


class Inventory:
    """The ApplySet of one project.

    Args:
        client: the cluster.
        mapping: its kinds.
        project: any text; the same for every run of a project.
        namespace: the namespace of record, where the parent is kept.
    """

    def __init__(
        self, client: Client, mapping: RestMapping, *, project: str, namespace: str
    ) -> None:
        self._client = client
        self._mapping = mapping
        self._record = Record(client, project=project, namespace=namespace)
        self.namespace = namespace
        self.id = self._record.id
        self._claims = Claims(
            client, part_of=self.id, project=self._record.name, namespace=namespace
        )
        self._turn = asyncio.Lock()
        self._applies = 0

    @classmethod
    async def find(cls, client: Client, mapping: RestMapping, project: str) -> list[Inventory]:
        """The project's inventories in all namespaces: for `down` after the namespace changed.

        Raises ApiError (403 where ConfigMaps of all namespaces may not be listed).
        """
        name = parent_name(project)
        listed = await client.list(CONFIG_MAPS, label_selector=f"{PROJECT_LABEL}={name}")
        return [
            cls(client, mapping, project=project, namespace=key_of(obj).namespace)
            for obj in listed.items
            if name_of(obj) == name
        ]

    async def record(self, targets: Sequence[Target]) -> None:
        """Make the parent cover `targets`; no request when it does. Raises ApiError, Unreachable.

        Where the namespace of record is itself among the targets, it is made first.
        """
        await self._record.cover(targets)

    @contextlib.asynccontextmanager
    async def applying(self) -> AsyncIterator[None]:
        """For as long as something is applied; waits while something is pruned."""
        async with self._turn:
            self._applies += 1
        try:
            yield
        finally:
            self._applies -= 1

    @contextlib.asynccontextmanager
    async def pruning(self) -> AsyncIterator[bool]:
        """For the decision what to prune and for doing it: nothing is applied meanwhile.

        Gives False, and then nothing may be pruned, if something is being applied.
        """
        async with self._turn:
            yield not self._applies

    async def admit(self, target: Target, *, force: bool = False) -> Object:
        """What to send for a target, which is recorded. See `kapp.cluster.claims.Claims`."""
        return await self._claims.admit(target, force=force)

    async def members(self) -> list[Target]:
        """Every object in the cluster that is part of the set. Raises ApiError, Unreachable.

        Where the parent is gone, at most the Namespace that was made for it. Kinds that are no
        longer served are passed over.
        """
        coverage = await self._record.read()
        if coverage is None:
            return await self._record.own_namespace()
        places = await self._places(coverage)
        limit = asyncio.Semaphore(_CONCURRENCY)

        async def listed(resource: Resource, namespace: str) -> list[Target]:
            async with limit:
                try:
                    found = await self._client.list(
                        resource, namespace, label_selector=f"{PART_OF_LABEL}={self.id}"
                    )
                except ApiError as e:
                    if e.code == 404:
                        return []
                    raise
            return [Target(resource, obj) for obj in found.items if self._is_member(obj)]

        lists = await asyncio.gather(*(listed(*place) for place in places))
        return [target for targets in lists for target in targets]

    async def prune(
        self,
        wanted: Collection[MemberKey],
        *,
        resources: Collection[str] | None = None,
    ) -> Removal:
        """Delete members that are not `wanted`; call it when the applies succeeded.

        Args:
            wanted: what the whole project wants, of all its resources: an object that moved from
                one resource to another is wanted.
            resources: only members that these kapp resources applied; None for all.
        """
        surplus, kept = [], []
        for target in await self.members():
            owner = annotations_of(target.obj).get(RESOURCE_ANNOTATION, "")
            if MemberKey.of(target.obj) in wanted or is_deleting(target.obj):
                continue
            if resources is not None and owner not in resources:
                continue
            if why := _kept(target, delete_namespaces=False):
                kept.append(Left(display_name(target.obj), why))
            else:
                surplus.append(target)
        done = await delete_in_order(self._client, surplus)
        return Removal(done.deleted, done.left, kept)

    async def delete_all(
        self,
        *,
        delete_namespaces: bool = False,
        wait: bool = True,
        timeout_s: float = DOWN_TIMEOUT_S,
        on_progress: OnProgress = silent,
    ) -> Removal:
        """Delete every member, dependents before what they depend on, then the parent.

        With `wait`, each class is gone before the next is begun, and `timeout_s` bounds the whole;
        what is not gone then is reported with what holds it. The parent stays as long as there is
        a member, so that another `down` goes on from there. A cluster that is not well is asked
        again as long; without `wait`, once.
        Raises ApiError, Unreachable when the members cannot be listed.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s if wait else None

        def on_trouble(why: str) -> None:
            on_progress(Progress("the inventory", "retrying", why))

        divide = partial(self._divided, delete_namespaces=delete_namespaces)
        going, kept = await until_answered(divide, deadline, on_trouble)
        done = await delete_in_order(
            self._client, going, deadline=deadline, on_progress=on_progress
        )
        if not kept and not done.left:
            if deadline is not None:
                deadline += _LAST_S
            await until_answered(self._delete_parent_of_nothing, deadline, on_trouble)
        return Removal(done.deleted, done.left, kept)

    async def _divided(self, *, delete_namespaces: bool) -> tuple[list[Target], list[Left]]:
        """The members: those to delete, and those to keep."""
        going, kept = [], []
        for target in await self.members():
            if why := await self._why_kept(target, delete_namespaces=delete_namespaces):
                kept.append(Left(display_name(target.obj), why))
            else:
                going.append(target)
        return going, kept

    async def _why_kept(self, target: Target, *, delete_namespaces: bool) -> str:
        if why := _kept(target, delete_namespaces=delete_namespaces):
            return why
        if target.is_namespace:
            others = await other_sets_in(self._client, name_of(target.obj), self.id)
            return f"{', '.join(others)} is in it too" if others else ""
        return ""

    def _is_member(self, obj: Object) -> bool:
        # A controller that copies labels (Service to EndpointSlice) makes no members.
        return labels_of(obj).get(PART_OF_LABEL) == self.id and controller_of(obj) is None

    async def _places(self, coverage: Coverage) -> list[tuple[Resource, str]]:
        places: list[tuple[Resource, str]] = []
        for group, kind in sorted(coverage.kinds):
            resource = await self._mapping.resource_of_kind(group, kind)
            if resource is None:
                continue
            namespaces = sorted(coverage.namespaces) if resource.namespaced else [""]
            places += [(resource, namespace) for namespace in namespaces]
        return places

    async def _delete_parent_of_nothing(self) -> None:
        """Delete the parent, unless something is still there: deleting, or applied just now."""
        if not await self.members():
            await self._record.delete()


def _kept(target: Target, *, delete_namespaces: bool) -> str:
    """Why an object is not deleted, or ""."""
    if annotations_of(target.obj).get(DOWN_POLICY_ANNOTATION) == "keep":
        return f"{DOWN_POLICY_ANNOTATION} is keep"
    if target.is_namespace and not delete_namespaces:
        return "namespaces are kept without --delete-namespaces"
    return ""
