"""The deployment controller: makes ReplicaSets follow a Deployment.

Source: pkg/controller/deployment/{deployment_controller,sync,rolling,recreate}.go. Each pass does
one step (scale something up, or something down) and writes the status; the ReplicaSets' events
bring the next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    annotations_of,
    is_deleting,
    key_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.claims import claim
from kapp.minicluster.controllers.deployment import revisions, rollout, status
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import PODS_PHASE_ENDED
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.writes import delete
from kapp.minicluster.resources import DEPLOYMENTS, REPLICA_SETS
from kapp.runtime.client import Client, PatchType

_DEADLINE_SLACK_S = 1.0
"""Conditions have whole seconds; looking a second after the deadline sees it passed."""


class DeploymentReconciler:
    """Rolls out one Deployment.

    Args:
        client: the cluster.
        deployments: mirror of Deployments.
        sets: mirror of ReplicaSets, indexed by `owner_index`.
        pods: mirror of Pods, indexed by their controller's uid.
        may_surge: whether two pods can listen on one port; see `rollout.fenceposts`.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        deployments: Mirror,
        sets: Mirror,
        pods: Mirror,
        *,
        may_surge: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._deployments = deployments
        self._sets = sets
        self._pods = pods
        self._may_surge = may_surge
        self._now = now
        self._recorder = Recorder(client, "deployment-controller", now)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One step; wants to be called again when the progress deadline is over."""
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        sets = await claim(self._client, REPLICA_SETS, self._sets, deployment)
        if is_deleting(deployment):
            return await self._sync_status(deployment, sets)
        deployment = await self._note_pause(deployment)
        if deployment["spec"].get("paused") or _is_scaling(deployment, sets):
            return await self._scale_only(deployment, sets)
        if rollout.is_rolling(deployment):
            return await self._roll(deployment, sets)
        return await self._recreate(deployment, sets)

    # Strategies

    async def _roll(self, deployment: Object, sets: list[Object]) -> float | None:
        deployment, new, sets = await self._with_new(deployment, sets)
        old = [s for s in sets if uid_of(s) != uid_of(new)]
        may_surge = self._may_surge()
        wanted = rollout.wanted(deployment)
        if rollout.size(new) != wanted:
            target = wanted
            if rollout.size(new) < wanted:
                target = rollout.new_set_size(
                    deployment, sets, rollout.size(new), may_surge=may_surge
                )
            if target != rollout.size(new):
                sets = await self._apply(deployment, sets, [(new, target)])
                return await self._sync_status(deployment, sets)
        if plan := rollout.scale_down(deployment, old, new, may_surge=may_surge):
            sets = await self._apply(deployment, sets, plan)
            return await self._sync_status(deployment, sets)
        return await self._sync_status(deployment, sets, clean_up=True)

    async def _recreate(self, deployment: Object, sets: list[Object]) -> float | None:
        new = revisions.find_new(deployment, sets)
        old = [s for s in sets if s is not new]
        if plan := [(s, 0) for s in old if rollout.size(s) > 0]:
            sets = await self._apply(deployment, sets, plan)
            return await self._sync_status(deployment, sets)
        if any(self._has_pods(s) for s in old):
            return await self._sync_status(deployment, sets)
        deployment, new, sets = await self._with_new(deployment, sets)
        if rollout.size(new) != rollout.wanted(deployment):
            sets = await self._apply(deployment, sets, [(new, rollout.wanted(deployment))])
        return await self._sync_status(deployment, sets, clean_up=True)

    async def _scale_only(self, deployment: Object, sets: list[Object]) -> float | None:
        """A paused Deployment, or one whose replicas changed: sizes only. Source: sync()."""
        new = revisions.find_new(deployment, sets)
        if new is not None:
            deployment, new, sets = await self._with_new(deployment, sets)
        old = [s for s in sets if new is None or uid_of(s) != uid_of(new)]
        wanted = rollout.wanted(deployment)
        only = rollout.active_or_latest(new, old)
        if only is not None:
            plan = [(only, wanted)]
        elif rollout.is_saturated(deployment, new):
            plan = [(s, 0) for s in old if rollout.size(s) > 0]
        elif rollout.is_rolling(deployment):
            plan = rollout.proportional(deployment, sets, may_surge=self._may_surge())
        else:
            plan = []
        sets = await self._apply(deployment, sets, plan)
        return await self._sync_status(
            deployment, sets, clean_up=bool(deployment["spec"].get("paused"))
        )

    def _has_pods(self, replica_set: Object) -> bool:
        return any(
            (pod.get("status") or {}).get("phase") not in PODS_PHASE_ENDED
            for pod in self._pods.by(uid_of(replica_set))
        )

    # ReplicaSets

    async def _with_new(
        self, deployment: Object, sets: list[Object]
    ) -> tuple[Object, Object, list[Object]]:
        """The Deployment, its new ReplicaSet (made if missing) and all sets, revisions in order."""
        new = revisions.find_new(deployment, sets)
        others = [s for s in sets if s is not new]
        revision = max((revisions.revision_of(s) for s in others), default=0) + 1
        if new is None:
            deployment, new = await self._create(deployment, sets, revision)
        else:
            new = await self._annotate(deployment, new, revision)
            if status.condition_of(deployment, "Progressing") is None:
                deployment = await self._note_progress(
                    deployment, status.FOUND, f'Found new replica set "{name_of(new)}"'
                )
        deployment = await self._set_revision(deployment, str(revisions.revision_of(new)))
        return deployment, new, [*others, new]

    async def _create(
        self, deployment: Object, sets: list[Object], revision: int
    ) -> tuple[Object, Object]:
        collisions = int((deployment.get("status") or {}).get("collisionCount") or 0)
        may_surge = self._may_surge()
        surge = rollout.fenceposts(deployment, may_surge=may_surge).surge
        new = revisions.new_replica_set(deployment, collisions)
        size = rollout.new_set_size(deployment, sets, 0, may_surge=may_surge)
        new["spec"]["replicas"] = size
        new["metadata"]["annotations"] = revisions.annotations_for(deployment, new, revision, surge)
        try:
            created = self._sets.wrote(await self._client.create(REPLICA_SETS, new))
        except ApiError as e:
            if e.reason == "AlreadyExists":
                await self._note_collision(deployment, collisions)
            else:
                await self._note_progress(deployment, status.FAILED_CREATE, e.message, ok="False")
            raise
        if size > 0:
            await self._tell_scaled(deployment, created, 0, size)
        deployment = await self._note_progress(
            deployment, status.CREATED, f'Created new replica set "{name_of(created)}"'
        )
        return deployment, created

    async def _annotate(self, deployment: Object, new: Object, revision: int) -> Object:
        surge = rollout.fenceposts(deployment, may_surge=self._may_surge()).surge
        annotations = revisions.annotations_for(deployment, new, revision, surge)
        min_ready_s = deployment["spec"].get("minReadySeconds")
        if annotations == annotations_of(new) and min_ready_s == new["spec"].get("minReadySeconds"):
            return new
        patch = {
            "metadata": {"annotations": annotations},
            "spec": {"minReadySeconds": min_ready_s},
        }
        return await self._patch_set(new, patch)

    async def _apply(
        self, deployment: Object, sets: list[Object], plan: rollout.Plan
    ) -> list[Object]:
        """Write the sizes of a plan, and the annotations that say what was wanted."""
        surge = rollout.fenceposts(deployment, may_surge=self._may_surge()).surge
        wanted = rollout.wanted(deployment)
        annotations = {rollout.DESIRED: str(wanted), rollout.MAX: str(wanted + surge)}
        result = {uid_of(s): s for s in sets}
        for replica_set, size in plan:
            before = rollout.size(replica_set)
            if size == before and annotations.items() <= annotations_of(replica_set).items():
                continue
            patch = {"metadata": {"annotations": annotations}, "spec": {"replicas": size}}
            result[uid_of(replica_set)] = await self._patch_set(replica_set, patch)
            if size != before:
                await self._tell_scaled(deployment, replica_set, before, size)
        return list(result.values())

    async def _patch_set(self, replica_set: Object, patch: dict[str, Any]) -> Object:
        key = key_of(replica_set)
        patch["metadata"]["uid"] = uid_of(replica_set)
        return self._sets.wrote(
            await self._client.patch(REPLICA_SETS, key.name, patch, PatchType.MERGE, key.namespace)
        )

    async def _tell_scaled(
        self, deployment: Object, replica_set: Object, before: int, size: int
    ) -> None:
        direction = "up" if size > before else "down"
        await self._recorder.normal(
            deployment,
            "ScalingReplicaSet",
            f"Scaled {direction} replica set {name_of(replica_set)} from {before} to {size}",
        )

    # The Deployment itself

    async def _set_revision(self, deployment: Object, revision: str) -> Object:
        if annotations_of(deployment).get(revisions.REVISION) == revision:
            return deployment
        key = key_of(deployment)
        patch = {"metadata": {"annotations": {revisions.REVISION: revision}}}
        # Through the status, as Kubernetes does: it is no change of what is wanted.
        return self._deployments.wrote(
            await self._client.patch(
                DEPLOYMENTS,
                key.name,
                patch,
                PatchType.MERGE,
                key.namespace,
                subresource="status",
            )
        )

    async def _note_pause(self, deployment: Object) -> Object:
        """Say in Progressing that the rollout is paused or resumed: its deadline stands still."""
        if not status.has_deadline(deployment):
            return deployment
        condition = status.condition_of(deployment, "Progressing")
        reason = condition.get("reason") if condition is not None else ""
        paused = bool(deployment["spec"].get("paused"))
        if reason == status.TIMED_OUT or paused == (reason == status.PAUSED):
            return deployment
        if paused:
            return await self._note_progress(
                deployment, status.PAUSED, "Deployment is paused", ok="Unknown"
            )
        return await self._note_progress(
            deployment, status.RESUMED, "Deployment is resumed", ok="Unknown"
        )

    async def _note_progress(
        self, deployment: Object, reason: str, message: str, *, ok: str = "True"
    ) -> Object:
        if not status.has_deadline(deployment):
            return deployment
        old = deployment.get("status") or {}
        conditions = status.with_condition(
            [dict(c) for c in old.get("conditions") or ()],
            "Progressing",
            ok,
            reason,
            message,
            self._now(),
        )
        return await self._write_status(deployment, {**old, "conditions": conditions})

    async def _note_collision(self, deployment: Object, collisions: int) -> None:
        """Another ReplicaSet has the name: the next pass hashes with another salt."""
        old = deployment.get("status") or {}
        await self._write_status(deployment, {**old, "collisionCount": collisions + 1})

    async def _sync_status(
        self, deployment: Object, sets: list[Object], *, clean_up: bool = False
    ) -> float | None:
        now = self._now()
        new = revisions.find_new(deployment, sets)
        wanted = status.counts(deployment, sets, new, now)
        if not is_deleting(deployment):
            wanted = status.with_progress(deployment, wanted, sets, new, now)
        if clean_up and (
            deployment["spec"].get("paused") or status.is_complete(deployment, wanted)
        ):
            await self._clean_up(deployment, [s for s in sets if s is not new])
        if wanted != (deployment.get("status") or {}):
            deployment = await self._write_status(deployment, wanted)
        return self._until_deadline(deployment, wanted, now)

    async def _clean_up(self, deployment: Object, old: list[Object]) -> None:
        for replica_set in revisions.superfluous(deployment, old):
            await delete(self._client, REPLICA_SETS, replica_set)
            self._sets.removed(replica_set)

    def _until_deadline(
        self, deployment: Object, wanted: dict[str, Any], now: datetime
    ) -> float | None:
        condition = status.condition_of(deployment, "Progressing")
        if (
            condition is None
            or not status.has_deadline(deployment)
            or deployment["spec"].get("paused")
            or is_deleting(deployment)
            or condition.get("reason") in (status.TIMED_OUT, status.COMPLETE)
            or status.is_complete(deployment, wanted)
        ):
            return None
        left_s = status.deadline_left_s(deployment, condition, now)
        return max(0.0, left_s) + _DEADLINE_SLACK_S

    async def _write_status(self, deployment: Object, wanted: dict[str, Any]) -> Object:
        """Write the whole status. Raises ApiError (409): the next pass reads again."""
        changed = {**deployment, "status": wanted}
        return self._deployments.wrote(
            await self._client.update(DEPLOYMENTS, changed, subresource="status")
        )


def _is_scaling(deployment: Object, sets: list[Object]) -> bool:
    """Whether `replicas` changed since the ReplicaSets were last sized. Source: isScalingEvent."""
    wanted = str(rollout.wanted(deployment))
    return any(
        annotations_of(s).get(rollout.DESIRED, wanted) != wanted
        for s in sets
        if rollout.size(s) > 0
    )
