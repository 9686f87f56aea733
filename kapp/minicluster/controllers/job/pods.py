"""The pods of Jobs: made with a finalizer, counted, deleted, and let go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from kapp.machinery.objects import (
    Object,
    controller_of,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.job import indexes
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import is_active, is_ready
from kapp.minicluster.controllers.recorder import Recorder
from kapp.minicluster.controllers.replicaset import pod_from
from kapp.minicluster.resources import PODS
from kapp.runtime.client import Client, PatchType

FINALIZER = "batch.kubernetes.io/job-tracking"
NAME_LABEL = "batch.kubernetes.io/job-name"


def job_name_index(pod: Object) -> tuple[str, ...]:
    """Index value of a Job's pod: its namespace and the Job's name."""
    name = labels_of(pod).get(NAME_LABEL)
    return (f"{key_of(pod).namespace}/{name}",) if name else ()


def is_tracked(pod: Object) -> bool:
    """Whether the pod is yet to be counted."""
    return FINALIZER in (metadata_of(pod).get("finalizers") or ())


def is_terminating(pod: Object) -> bool:
    """Whether the pod is being deleted and has not ended."""
    return is_deleting(pod) and (pod.get("status") or {}).get("phase") not in (
        "Succeeded",
        "Failed",
    )


def removal_order(pod: Object) -> tuple[bool, bool, bool]:
    """Sorts pods; those that have come less far go first."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return bool(spec.get("nodeName")), status.get("phase") == "Running", is_ready(pod)


class JobPods:
    """Writes pods for the Job controller.

    Args:
        client: the cluster.
        pods: mirror of Pods, indexed by their controller's uid.
        named: mirror of the same, indexed by `job_name_index`.
        now: wall time.
    """

    def __init__(
        self, client: Client, pods: Mirror, named: Mirror, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._pods = pods
        self._named = named
        self.recorder = Recorder(client, "job-controller", now)

    def of(self, job: Object) -> list[Object]:
        """The Job's pods."""
        return self._pods.by(uid_of(job))

    def strays(self, namespace: str, name: str, uid: str) -> list[Object]:
        """Pods that wait to be counted by a Job of that name which is another, or is gone."""
        found = self._named.by(f"{namespace}/{name}")
        return [
            pod for pod in found if is_tracked(pod) and (controller_of(pod) or {}).get("uid") != uid
        ]

    async def create(self, job: Object, index: int | None) -> Object:
        """Make a pod; with its index, if the Job is indexed. Raises ApiError."""
        pod = pod_from(job)
        finalizers = pod["metadata"].get("finalizers") or []
        pod["metadata"]["finalizers"] = [*finalizers, FINALIZER]
        if index is not None:
            indexes.give_index(job, pod, index)
        try:
            made = await self._client.create(PODS, pod)
        except ApiError as e:
            await self.recorder.warning(job, "FailedCreate", f"Error creating: {e.message}")
            raise
        self._wrote(made)
        await self.recorder.normal(job, "SuccessfulCreate", f"Created pod: {name_of(made)}")
        return made

    async def delete(self, job: Object, pods: Iterable[Object]) -> list[Object]:
        """Delete pods; returns them as they are then, still there until they are counted."""
        marked = []
        for pod in pods:
            key = key_of(pod)
            try:
                await self._client.delete(PODS, key.name, key.namespace, uid=uid_of(pod))
                fresh = await self._client.get(PODS, key.name, key.namespace)
            except ApiError as e:
                if e.code != 404:
                    message = f"Error deleting: {e.message}"
                    await self.recorder.warning(job, "FailedDelete", message)
                    raise
                continue
            self._wrote(fresh)
            marked.append(fresh)
            await self.recorder.normal(job, "SuccessfulDelete", f"Deleted pod: {key.name}")
        return marked

    async def release(self, pods: Iterable[Object]) -> None:
        """Take the finalizer off pods that have been counted."""
        for pod in pods:
            key = key_of(pod)
            staying = [f for f in metadata_of(pod).get("finalizers") or () if f != FINALIZER]
            patch = {"metadata": {"uid": uid_of(pod), "finalizers": staying or None}}
            try:
                changed = await self._client.patch(
                    PODS, key.name, patch, PatchType.MERGE, key.namespace
                )
            except ApiError as e:
                if e.code not in (404, 409):
                    raise
                continue
            self._wrote(changed)

    def _wrote(self, pod: Object) -> None:
        for mirror in (self._pods, self._named):
            mirror.wrote(pod)


def active_pods(pods: Iterable[Object]) -> list[Object]:
    """Those that run or will run."""
    return [pod for pod in pods if is_active(pod)]
