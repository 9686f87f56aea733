"""What a trigger does to objects besides applying them: run again what would not change.

- Jobs and bare Pods are made anew: they do their work once.
- A workload that the apply left as it was is restarted, as `kubectl rollout restart` does it. One
  that the apply changed (drift, a new input) rolls out by itself; a restart would roll out twice.
- Only what this project applied before is deleted: the object may be another's.
- With `force`, everything is deleted first, so that it is created from nothing. Namespaces and
  custom resource definitions are not, because what others keep in them would go too; nor are
  volumes and claims, because their data would (one that cannot be changed in place is, by
  `kapp.cluster.apply`); nor what is annotated with `kapp.dev/down-policy: keep`.

Used by `kapp.controllers.applyrun`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from kapp.cluster.prepare import DOWN_POLICY_ANNOTATION, is_same_set
from kapp.cluster.targets import Target, find
from kapp.cluster.targets import delete as delete_object
from kapp.machinery.objects import Object, annotations_of, display_name, key_of, metadata_of, uid_of
from kapp.runtime.client import Client, PatchType

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation that `kubectl rollout restart` changes in a pod template."""

_RESTARTABLE = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_RERUNNABLE = frozenset({"Job", "Pod"})
_HELD_BY_OTHERS = frozenset(
    {"Namespace", "CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume"}
)
_RESTART_MANAGER = "kapp-restart"


def is_made_anew(obj: Object, *, force: bool) -> bool:
    """Whether a trigger deletes an object before it applies it."""
    kind = obj.get("kind")
    if annotations_of(obj).get(DOWN_POLICY_ANNOTATION) == "keep":
        return False
    return kind not in _HELD_BY_OTHERS if force else kind in _RERUNNABLE


class Rerun:
    """One carried-out trigger: `prepare()`, then the apply, then `restart()`.

    Args:
        client: the cluster.
        targets: what is applied.
        trigger: names the trigger; goes into the pod templates of what is restarted.
        force: whether everything is made anew.
    """

    def __init__(
        self, client: Client, targets: Sequence[Target], *, trigger: str, force: bool
    ) -> None:
        self._client = client
        self._targets = targets
        self._trigger = trigger
        self._force = force
        self._before: dict[str, Object] = {}

    async def prepare(self, *, delete: bool = True) -> None:
        """Delete what is made anew (unless `delete` is False), and note how the rest was."""
        await asyncio.gather(*(self._prepare(target, delete) for target in self._targets))

    async def restart(self, applied: Sequence[Object]) -> list[Object]:
        """Restart the workloads that the apply did not change; `applied` with them as they are."""
        by_name = {display_name(obj): obj for obj in applied}
        restarted = await asyncio.gather(
            *(self._restart(t) for t in self._targets if self._is_unchanged(t, by_name))
        )
        by_name.update({display_name(obj): obj for obj in restarted})
        return list(by_name.values())

    async def _prepare(self, target: Target, delete: bool) -> None:
        anew = is_made_anew(target.obj, force=self._force)
        if not anew and target.resource.kind not in _RESTARTABLE:
            return
        live = await find(self._client, target)
        if live is None:
            return
        if anew and delete and is_same_set(live, target.obj):
            await delete_object(self._client, target, live, "Background")
        if not anew:
            self._before[display_name(target.obj)] = live

    def _is_unchanged(self, target: Target, applied: Mapping[str, Object]) -> bool:
        name = display_name(target.obj)
        before, after = self._before.get(name), applied.get(name)
        if before is None or after is None:
            return False
        return _version(before) == _version(after)

    async def _restart(self, target: Target) -> Object:
        """By another field manager than the apply's, so that the next apply leaves it there."""
        namespace, name = key_of(target.obj)
        annotations = {RESTARTED_AT: self._trigger}
        return await self._client.patch(
            target.resource,
            name,
            {"spec": {"template": {"metadata": {"annotations": annotations}}}},
            PatchType.MERGE,
            namespace,
            field_manager=_RESTART_MANAGER,
        )


def _version(obj: Object) -> tuple[str, object]:
    return uid_of(obj), metadata_of(obj).get("generation")
