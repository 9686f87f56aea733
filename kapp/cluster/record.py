"""The record of what kapp applied: the parent of an ApplySet (KEP-3659), a ConfigMap.

It names the kinds and the namespaces where members are, too many rather than too few, and is
written before any of them is applied.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kapp.cluster.claims import ID_LABEL, PROJECT_LABEL, RECORD_ANNOTATION, applyset_id
from kapp.cluster.failures import Rejected
from kapp.cluster.prepare import FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, without_injected
from kapp.cluster.targets import Target
from kapp.machinery.objects import Object, Resource, annotations_of, key_of, labels_of, name_of
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client, PatchType

TOOLING_ANNOTATION = "applyset.kubernetes.io/tooling"
GROUP_KINDS_ANNOTATION = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES_ANNOTATION = "applyset.kubernetes.io/additional-namespaces"
TOOLING = "kapp/v0.1"

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)
# Someone else may have removed the parent while an engine runs: look again after this long.
_TRUST_S = 60.0


def parent_name(project: str) -> str:
    """A ConfigMap's name for a project: `kapp-` and the project as a DNS label.

    What had to be changed or cut gets a hash, so that two projects never share a parent.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")[:40]
    if slug != project:
        slug = f"{slug}-{hashlib.sha256(project.encode()).hexdigest()[:8]}".strip("-")
    return f"kapp-{slug}"


class Coverage(NamedTuple):
    """Where members may be: (group, kind) pairs, and namespaces."""

    kinds: frozenset[tuple[str, str]] = frozenset()
    namespaces: frozenset[str] = frozenset()

    @classmethod
    def of(cls, targets: Sequence[Target]) -> Coverage:
        """Of objects whose namespace is filled in."""
        return cls(
            frozenset((t.resource.group, t.resource.kind) for t in targets),
            frozenset(ns for t in targets if (ns := key_of(t.obj).namespace)),
        )

    def includes(self, other: Coverage) -> bool:
        """Whether it is as wide as another."""
        return other.kinds <= self.kinds and other.namespaces <= self.namespaces

    def joined(self, other: Coverage) -> Coverage:
        """Whatever either includes."""
        return Coverage(self.kinds | other.kinds, self.namespaces | other.namespaces)


class Record:
    """The parent of one project's ApplySet.

    Args:
        client: the cluster.
        project: any text; the same for every run of a project.
        namespace: where the parent is kept.
    """

    def __init__(self, client: Client, *, project: str, namespace: str) -> None:
        self._client = client
        self.name = parent_name(project)
        self.namespace = namespace
        self.id = applyset_id(self.name, namespace)
        self._lock = asyncio.Lock()
        self._coverage = Coverage()
        # Loop time of the last look; None when there was no parent, or nobody has looked.
        self._read_at: float | None = None

    async def cover(self, targets: Sequence[Target]) -> None:
        """See `Inventory.record`."""
        wanted = Coverage.of(targets)
        async with self._lock:
            now = asyncio.get_running_loop().time()
            fresh = self._read_at is not None and now - self._read_at < _TRUST_S
            if fresh and self._coverage.includes(wanted):
                return
            await self._read()
            if self._read_at is None or not self._coverage.includes(wanted):
                wanted = self._coverage.joined(wanted)
                await self._write(wanted, targets)
                self._coverage = wanted
            self._read_at = now

    async def read(self) -> Coverage | None:
        """What the parent says, or None. Raises ApiError, Unreachable; Rejected for another's."""
        async with self._lock:
            return self._coverage if await self._read() else None

    async def own_namespace(self) -> list[Target]:
        """The Namespace that was made for the parent, where the parent itself was not."""
        try:
            found = await self._client.get(NAMESPACES, self.namespace)
        except ApiError as e:
            if e.code in (403, 404):
                return []
            raise
        is_own = annotations_of(found).get(RECORD_ANNOTATION) == self.id
        return [Target(NAMESPACES, found)] if is_own else []

    async def delete(self) -> None:
        """Delete the parent, if it is there. Raises ApiError, Unreachable."""
        async with self._lock:
            try:
                await self._client.delete(CONFIG_MAPS, self.name, self.namespace)
            except ApiError as e:
                if e.code != 404:
                    raise
            self._forget()

    async def _read(self) -> bool:
        """Take over what the parent says; whether there is one."""
        try:
            parent = await self._client.get(CONFIG_MAPS, self.name, self.namespace)
        except ApiError as e:
            if e.code != 404:
                raise
            self._forget()
            return False
        if labels_of(parent).get(ID_LABEL) != self.id:
            raise Rejected(
                f"ConfigMap {self.namespace}/{self.name} is not this project's inventory",
                hint="rename or remove it: kapp keeps a record under that name",
            )
        annotations = annotations_of(parent)
        kinds = _parse_group_kinds(annotations.get(GROUP_KINDS_ANNOTATION, ""))
        listed = annotations.get(NAMESPACES_ANNOTATION, "").split(",")
        namespaces = {self.namespace, *(part for part in listed if part)}
        self._coverage = Coverage(frozenset(kinds), frozenset(namespaces))
        self._read_at = asyncio.get_running_loop().time()
        return True

    def _forget(self) -> None:
        self._coverage, self._read_at = Coverage(), None

    async def _write(self, coverage: Coverage, targets: Sequence[Target]) -> None:
        parent = self._parent(coverage)
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

    def _parent(self, coverage: Coverage) -> Object:
        names = sorted(f"{kind}.{group}" if group else kind for group, kind in coverage.kinds)
        elsewhere = sorted(coverage.namespaces - {self.namespace})
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
                    NAMESPACES_ANNOTATION: ",".join(elsewhere),
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


def _parse_group_kinds(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(","):
        kind, _, group = part.strip().partition(".")
        if kind:
            yield group, kind
