"""What kapp applied, kept in the cluster: an ApplySet (KEP-3659), one per project.

The parent is a ConfigMap in the project's namespace of record. It names the kinds and namespaces
where members are; members carry its id in a label. So `kapp down` needs nothing but the cluster.

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
import hashlib
import re
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from kapp.cluster.claims import (
    ID_LABEL,
    PROJECT_LABEL,
    RECORD_ANNOTATION,
    Claims,
    applyset_id,
    other_sets_in,
)
from kapp.cluster.failures import Rejected
from kapp.cluster.mapping import RestMapping
from kapp.cluster.prepare import (
    DOWN_POLICY_ANNOTATION,
    FIELD_MANAGER,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    PART_OF_LABEL,
    RESOURCE_ANNOTATION,
    without_injected,
)
from kapp.cluster.progress import OnProgress, Progress, silent
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
from kapp.runtime.client import Client, PatchType

TOOLING_ANNOTATION = "applyset.kubernetes.io/tooling"
GROUP_KINDS_ANNOTATION = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES_ANNOTATION = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "kapp/v0.1"

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
# A set of many kinds and namespaces must not open a connection for each.
_CONCURRENCY = 16
# Someone else may have removed the parent while an engine runs: look again after this long.
_TRUST_S = 60.0
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


def parent_name(project: str) -> str:
    """A ConfigMap's name for a project: `kapp-` and the project as a DNS label.

    What had to be changed or cut gets a hash, so that two projects never share a parent.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")[:40]
    if slug != project:
        slug = f"{slug}-{hashlib.sha256(project.encode()).hexdigest()[:8]}".strip("-")
    return f"kapp-{slug}"


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
        self.name = parent_name(project)
        self.namespace = namespace
        self.id = applyset_id(self.name, namespace)
        self._claims = Claims(client, part_of=self.id, project=self.name, namespace=namespace)
        self._lock = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._applies = 0
        self._group_kinds: set[tuple[str, str]] = set()
        self._namespaces: set[str] = set()
        self._read_at: float | None = None

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
        kinds = {(t.resource.group, t.resource.kind) for t in targets}
        namespaces = {ns for t in targets if (ns := key_of(t.obj).namespace)}
        async with self._lock:
            now = asyncio.get_running_loop().time()
            fresh = self._read_at is not None and now - self._read_at < _TRUST_S
            if fresh and kinds <= self._group_kinds and namespaces <= self._namespaces:
                return
            await self._read()
            wanted_kinds = self._group_kinds | kinds
            wanted_namespaces = self._namespaces | namespaces
            if self._read_at is None or (
                wanted_kinds != self._group_kinds or wanted_namespaces != self._namespaces
            ):
                await self._write(wanted_kinds, wanted_namespaces, targets)
            self._group_kinds, self._namespaces = wanted_kinds, wanted_namespaces
            self._read_at = now

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
        async with self._lock:
            if not await self._read():
                return await self._own_namespace()
            places = await self._places()
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
        on_progress: OnProgress = silent,
    ) -> Removal:
        """Delete members that are not `wanted`; call it when the applies succeeded.

        Args:
            wanted: what the whole project wants, of all its resources: an object that moved from
                one resource to another is wanted.
            resources: only members that these kapp resources applied; None for all.
            on_progress: told of every deletion.
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
        done = await delete_in_order(self._client, surplus, on_progress=on_progress)
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

    async def _read(self) -> bool:
        """Take over what the parent says; whether there is one."""
        try:
            parent = await self._client.get(CONFIG_MAPS, self.name, self.namespace)
        except ApiError as e:
            if e.code != 404:
                raise
            self._group_kinds, self._namespaces, self._read_at = set(), set(), None
            return False
        if labels_of(parent).get(ID_LABEL) != self.id:
            raise Rejected(
                f"ConfigMap {self.namespace}/{self.name} is not this project's inventory",
                hint="rename or remove it: kapp keeps a record under that name",
            )
        annotations = annotations_of(parent)
        self._group_kinds = set(_parse_group_kinds(annotations.get(GROUP_KINDS_ANNOTATION, "")))
        listed = annotations.get(NAMESPACES_ANNOTATION, "").split(",")
        self._namespaces = {self.namespace, *(part for part in listed if part)}
        self._read_at = asyncio.get_running_loop().time()
        return True

    async def _write(
        self, kinds: set[tuple[str, str]], namespaces: set[str], targets: Sequence[Target]
    ) -> None:
        parent = self._parent(kinds, namespaces)
        try:
            await self._apply(CONFIG_MAPS, parent)
        except ApiError as e:
            own = next((t for t in targets if self._is_own_namespace(t)), None)
            if e.code != 404:
                raise
            if own is None:
                raise Rejected(
                    f"namespace {self.namespace} does not exist",
                    hint=f"kubectl create namespace {self.namespace}, or choose another namespace",
                ) from e
            # No member before its parent: until there is one, an annotation says whose it is.
            bare = without_injected(own.obj)
            noted = {**annotations_of(bare), RECORD_ANNOTATION: self.id}
            meta = {**bare["metadata"], "annotations": noted}
            await self._apply(own.resource, {**bare, "metadata": meta})
            await self._apply(CONFIG_MAPS, parent)

    def _is_own_namespace(self, target: Target) -> bool:
        return target.is_namespace and name_of(target.obj) == self.namespace

    async def _own_namespace(self) -> list[Target]:
        """The Namespace that was made for the parent, where the parent itself was not."""
        try:
            found = await self._client.get(NAMESPACES, self.namespace)
        except ApiError as e:
            if e.code in (403, 404):
                return []
            raise
        is_own = annotations_of(found).get(RECORD_ANNOTATION) == self.id
        return [Target(NAMESPACES, found)] if is_own else []

    def _parent(self, kinds: set[tuple[str, str]], namespaces: set[str]) -> Object:
        names = sorted(f"{kind}.{group}" if group else kind for group, kind in kinds)
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": self.namespace,
                "labels": {
                    ID_LABEL: self.id,
                    MANAGED_BY_LABEL: MANAGED_BY,
                    PROJECT_LABEL: self.name,
                },
                "annotations": {
                    TOOLING_ANNOTATION: TOOLING,
                    GROUP_KINDS_ANNOTATION: ",".join(names),
                    NAMESPACES_ANNOTATION: ",".join(sorted(namespaces - {self.namespace})),
                },
            },
        }

    async def _apply(self, resource: Resource, obj: Object) -> None:
        namespace, name = key_of(obj)
        await self._client.patch(
            resource,
            name,
            obj,
            PatchType.APPLY,
            namespace,
            field_manager=FIELD_MANAGER,
            force=True,
        )

    async def _places(self) -> list[tuple[Resource, str]]:
        places: list[tuple[Resource, str]] = []
        for group, kind in sorted(self._group_kinds):
            resource = await self._mapping.resource_of_kind(group, kind)
            if resource is None:
                continue
            namespaces = sorted(self._namespaces) if resource.namespaced else [""]
            places += [(resource, namespace) for namespace in namespaces]
        return places

    async def _delete_parent_of_nothing(self) -> None:
        """Delete the parent, unless something is still there: deleting, or applied just now."""
        if await self.members():
            return
        async with self._lock:
            try:
                await self._client.delete(CONFIG_MAPS, self.name, self.namespace)
            except ApiError as e:
                if e.code != 404:
                    raise
            self._group_kinds, self._namespaces, self._read_at = set(), set(), None


def _parse_group_kinds(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(","):
        kind, _, group = part.strip().partition(".")
        if kind:
            yield group, kind


def _kept(target: Target, *, delete_namespaces: bool) -> str:
    """Why an object is not deleted, or ""."""
    if annotations_of(target.obj).get(DOWN_POLICY_ANNOTATION) == "keep":
        return f"{DOWN_POLICY_ANNOTATION} is keep"
    if target.is_namespace and not delete_namespaces:
        return "namespaces are kept without --delete-namespaces"
    return ""
