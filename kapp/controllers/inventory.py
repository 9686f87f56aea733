"""Deletes from the cluster what has left the project.

Not a kind of kapp's API: one key per Cluster, woken by KubernetesApplys and Kappfiles. It acts only
when every Kappfile is evaluated (so that half of the objects is never taken for all of them) and no
apply is under way; none begins meanwhile, so that nothing is deleted that a save has just brought
back. What a resource that fails to apply had applied before, stays. An object that moved to another
resource is still wanted, hence not deleted. The engine's end deletes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from kapp.api.define import decode
from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.cmd import Cmd
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import (
    APPLIED,
    REASON_APPLYING,
    REASON_RETRYING,
    KubernetesApply,
)
from kapp.cluster.inventory import Inventory, MemberKey
from kapp.cluster.removal import Removal
from kapp.controllers.applyinput import wanted_keys
from kapp.controllers.applystatus import is_applied, is_failed
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.controllers.holds import WAITING_FOR_OTHERS
from kapp.controllers.inventories import Inventories
from kapp.controllers.logsink import LogSink
from kapp.errors import ConfigError
from kapp.machinery.objects import Object, ObjectKey, gvk_of, metadata_of, name_of

# One look for all the changes of a moment; nobody waits for what is superfluous to go.
COALESCE_S = 0.15
# After a deletion that the cluster refused, or while something is being applied.
RETRY_S = 3.0


class InventoryReconciler:
    """Prunes each Cluster's inventory.

    Args:
        objects: kapp's API.
        cached: gives all KubernetesApplys of a cache, which may be behind: while hundreds are being
            applied, a look at it is enough to see that it is too early.
        connections: the clusters.
        inventories: what this project applied to them.
        log: where deletions are written.
    """

    def __init__(
        self,
        objects: TypedClient,
        cached: Callable[[], list[Object]],
        connections: Connections,
        inventories: Inventories,
        log: LogSink,
    ) -> None:
        self._objects = objects
        self._cached = cached
        self._connections = connections
        self._inventories = inventories
        self._log = log
        # What was wanted when nothing else was left in the cluster; None before the first look.
        self._pruned: dict[str, tuple[ClusterHandle, set[MemberKey]]] = {}
        self._said: set[str] = set()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Delete what no KubernetesApply of the cluster wants any more."""
        await asyncio.sleep(COALESCE_S)
        handle = self._connections.get(key.name)
        if handle is None or self._is_too_early(key):
            return None
        inventory = self._inventories.of(key.name, handle)
        async with inventory.pruning() as free:
            if not free:
                return RETRY_S
            return await self._prune(key.name, handle, inventory)

    async def _prune(
        self, cluster: str, handle: ClusterHandle, inventory: Inventory
    ) -> float | None:
        if not await self._settled():
            return None
        key = ObjectKey("", cluster)
        listed = await self._objects.client.list(resource_of(KubernetesApply))
        found = [one for one in listed.items if key in keys_of(one)]
        if any(_is_pending(one) for one in found):
            return None
        applies = [decode(one, KubernetesApply) for one in found]
        wanted = _wanted(applies, handle.connection.namespace)
        pruned = self._pruned.get(cluster)
        if pruned is not None and pruned[0] is handle and pruned[1] <= wanted:
            self._pruned[cluster] = handle, wanted
            return None
        resources = None
        if any(_is_yet_to_replace(one) for one in applies):
            # Nobody knows which of the surplus objects it would replace: what is disabled at most.
            resources = {one.name for one in applies if _is_disabled(one)}
            if not resources:
                return None
        removal = await inventory.prune(wanted, resources=resources)
        self._say(removal)
        if removal.left:
            return RETRY_S
        if resources is None:
            self._pruned[cluster] = handle, wanted
        return None

    def _is_too_early(self, key: ObjectKey) -> bool:
        """Whether something is being applied; the change that ends it wakes this again."""
        return any(_is_pending(one) for one in self._cached() if key in keys_of(one))

    def _say(self, removal: Removal) -> None:
        for name in removal.deleted:
            self._log.write(MAIN, f"deleted {name}: it has left the project\n")
        lines = {f"kept {one.object}: {one.why}\n" for one in removal.kept}
        lines |= {f"cannot delete {one.object}, trying again: {one.why}\n" for one in removal.left}
        for line in sorted(lines - self._said):
            self._log.write(MAIN, line)
        self._said = lines

    async def _settled(self) -> bool:
        """Whether every Kappfile's objects are complete, and none of them is in error."""
        kappfiles = await self._objects.list(Kappfile)
        if any(one.status.terminated is None or one.status.terminated.error for one in kappfiles):
            return False
        # What somebody deleted, and the Kappfile has not made again yet, is wanted all the same.
        declared = {name for one in kappfiles for name in one.status.resources}
        for cls in (KubernetesApply, Cmd):
            listed = await self._objects.client.list(resource_of(cls))
            declared -= {name_of(one) for one in listed.items}
        return not declared


def keys_of(obj: Object) -> Iterable[ObjectKey]:
    """For the source of KubernetesApplys: its Cluster."""
    return (ObjectKey("", (obj.get("spec") or {}).get("cluster") or "default"),)


def _wanted(applies: Iterable[KubernetesApply], namespace: str) -> set[MemberKey]:
    wanted: set[MemberKey] = set()
    for apply in applies:
        if _is_disabled(apply):
            continue
        with contextlib.suppress(ConfigError):  # then it wants what it applied before
            wanted |= wanted_keys(apply, namespace)
        if apply.spec.attach is not None or not is_applied(apply):
            wanted |= _applied_before(apply)
    return wanted


def _is_yet_to_replace(apply: KubernetesApply) -> bool:
    """Whether it has applied nothing yet, though it is to: it failed, or waits for others."""
    if apply.spec.attach is not None or apply.status.applied_input_hash or _is_disabled(apply):
        return False
    return is_failed(apply) or apply.status.waiting_reason in WAITING_FOR_OTHERS


def _is_disabled(apply: KubernetesApply) -> bool:
    return apply.status.disable_status is not None and apply.status.disable_status.disabled


def _is_pending(apply: Object) -> bool:
    """Whether its newest input is being applied, or has not been looked at."""
    status = apply.get("status") or {}
    if (apply.get("spec") or {}).get("attach"):
        return False  # it applies nothing, and may wait for its object for ever
    if status.get("observedGeneration") != metadata_of(apply).get("generation"):
        return True
    reasons = [one["reason"] for one in status.get("conditions") or () if one["type"] == APPLIED]
    return not reasons or reasons[0] in (REASON_APPLYING, REASON_RETRYING)


def _applied_before(apply: KubernetesApply) -> set[MemberKey]:
    return {
        MemberKey(
            gvk_of({"apiVersion": one.api_version, "kind": one.kind}).group,
            one.kind,
            one.namespace,
            one.name,
        )
        for one in apply.status.objects
    }
