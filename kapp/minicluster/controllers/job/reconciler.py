"""One pass over one Job: count what ended, decide, make or delete pods, write the status.

Source: syncJob, manageJob and trackJobStatusAndRemoveFinalizers in
pkg/controller/job/job_controller.go; pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    find_condition,
    format_time,
    is_deleting,
    key_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.job import conditions, indexes
from kapp.minicluster.controllers.job.conditions import Backoff, Verdict
from kapp.minicluster.controllers.job.pods import (
    JobPods,
    active_pods,
    is_terminating,
    is_tracked,
    removal_order,
)
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.controllers.pods import is_ready
from kapp.minicluster.resources import JOBS
from kapp.runtime.client import Client


class _Changed(Exception):
    """Somebody else wrote the Job: its event brings the next pass."""


class _Pass:
    """What one pass knows of a Job; `status` becomes its status."""

    def __init__(self, job: Object, pods: list[Object]) -> None:
        self.job = job
        self.pods = pods
        self.status: dict[str, Any] = deepcopy(job.get("status") or {})
        self.status.setdefault("uncountedTerminatedPods", {})
        self.active = active_pods(pods)
        self.done = indexes.parse_indexes(self.status.get("completedIndexes") or "")
        self.succeeded = [p for p in self._uncounted() if _phase(p) == "Succeeded"]
        self.failed = [p for p in self._uncounted() if conditions.is_pod_failed(job, p)]
        if indexes.is_indexed(job):
            self.done |= {indexes.index_of(p) for p in self.succeeded} - {-1}

    def _uncounted(self) -> list[Object]:
        known = self.status["uncountedTerminatedPods"]
        counted = {*(known.get("succeeded") or ()), *(known.get("failed") or ())}
        return [p for p in self.pods if is_tracked(p) and uid_of(p) not in counted]

    def count_of(self, field: str) -> int:
        """Pods that succeeded or failed, those that have just been seen included."""
        if field == "succeeded" and indexes.is_indexed(self.job):
            return len(self.done)
        new = self.succeeded if field == "succeeded" else self.failed
        before = self.status["uncountedTerminatedPods"].get(field) or ()
        return int(self.status.get(field) or 0) + len(before) + len(new)

    def note(self, kind: str, status: str, reason: str, message: str, now: datetime) -> bool:
        """Set a condition, unless it would be the first and False; whether it changed."""
        found = self.status.setdefault("conditions", [])
        old = find_condition(found, kind)
        wanted = conditions.new_condition(kind, status, reason, message, now)
        if old is None and status == "False":
            return False
        same = ("status", "reason", "message")
        if old is not None and all(old.get(f) == wanted[f] for f in same):
            return False
        if old is None:
            found.append(wanted)
        else:
            found[found.index(dict(old))] = wanted
        return True


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


class JobReconciler:
    """Runs one Job to its end.

    Args:
        client: the cluster.
        jobs: mirror of Jobs.
        pods: mirror of Pods, indexed by their controller's uid.
        named: mirror of Pods, indexed by `job_name_index`.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        jobs: Mirror,
        pods: Mirror,
        named: Mirror,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = JobPods(client, pods, named, now)
        self._now = now
        self._backoffs: dict[str, Backoff] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """One pass; wants to be called again when a back-off, deadline or time to live ends."""
        job = self._jobs.get(key)
        await self._pods.release(
            self._pods.strays(key.namespace, key.name, uid_of(job) if job is not None else "")
        )
        if job is None:
            return None
        if conditions.is_finished(job):
            self._backoffs.pop(uid_of(job), None)
            return await self._expire(job)
        try:
            return await self._advance(_Pass(job, self._pods.of(job)))
        except _Changed:
            return None

    async def _expire(self, job: Object) -> float | None:
        """Delete a finished Job when its time to live is over."""
        ttl_s = job["spec"].get("ttlSecondsAfterFinished")
        since = conditions.finished_at(job)
        if ttl_s is None or since is None or is_deleting(job):
            return None
        left_s = ttl_s - (self._now() - since).total_seconds()
        if left_s > 0:
            return float(left_s)
        key = key_of(job)
        try:
            await self._client.delete(
                JOBS, key.name, key.namespace, propagation="Foreground", uid=uid_of(job)
            )
        except ApiError as e:
            if e.code not in (404, 409):
                raise
        return None

    async def _advance(self, now: _Pass) -> float | None:
        job, status = now.job, now.status
        if not status.get("startTime") and not conditions.is_suspended(job):
            status["startTime"] = format_time(self._now())
        uid = uid_of(job)
        backoff = self._backoffs.get(uid, Backoff()).after(now.succeeded, now.failed)
        verdict = conditions.known_verdict(job) or conditions.failure(
            {**job, "status": status}, now.pods, now.count_of("failed"), self._now()
        )
        again_s: float | None = None
        if verdict is not None:
            await self._delete(now, now.active)
        else:
            if not is_deleting(job):
                again_s = await self._manage(now, backoff)
            verdict = self._reached(now)
            if verdict is None and not is_deleting(job):
                await self._note_suspension(now)
        await self._track(now, verdict)
        self._backoffs[uid] = backoff
        if verdict is not None:
            return None
        deadline_s = conditions.deadline_left_s({**job, "status": status}, self._now())
        waits = [wait for wait in (again_s, deadline_s) if wait is not None]
        return max(0.0, min(waits)) if waits else None

    def _reached(self, now: _Pass) -> Verdict | None:
        """Success, once enough pods succeeded and none is active."""
        if now.active:
            return None
        wanted = now.job["spec"].get("completions")
        succeeded = now.count_of("succeeded")
        if wanted is None:
            return conditions.REACHED if succeeded > 0 else None
        return conditions.REACHED if succeeded >= wanted else None

    async def _note_suspension(self, now: _Pass) -> None:
        suspended = conditions.is_suspended(now.job)
        if suspended:
            changed = now.note("Suspended", "True", "JobSuspended", "Job suspended", self._now())
        else:
            changed = now.note("Suspended", "False", "JobResumed", "Job resumed", self._now())
        if not changed:
            return
        if suspended:
            now.status.pop("startTime", None)
            await self._pods.recorder.normal(now.job, "Suspended", "Job suspended")
        else:
            now.status["startTime"] = format_time(self._now())
            await self._pods.recorder.normal(now.job, "Resumed", "Job resumed")

    # Pods

    async def _manage(self, now: _Pass, backoff: Backoff) -> float | None:
        """Delete pods that are too many, or make those that lack; seconds until it may."""
        job, active = now.job, len(now.active)
        if conditions.is_suspended(job):
            await self._delete(now, now.active)
            return None
        parallel = int(job["spec"].get("parallelism", 1))
        completions = job["spec"].get("completions")
        if completions is None:
            wanted = active if now.count_of("succeeded") > 0 else parallel
        else:
            wanted = max(0, min(parallel, int(completions) - now.count_of("succeeded")))
        if active > wanted:
            await self._delete(now, sorted(now.active, key=removal_order)[: active - wanted])
            return None
        if job["spec"].get("podReplacementPolicy") == "Failed":
            wanted -= sum(map(is_terminating, now.pods))
        if wanted <= active:
            return None
        if (left_s := backoff.left_s(self._now())) > 0:
            return left_s
        await self._create(now, wanted - active)
        return None

    async def _create(self, now: _Pass, count: int) -> None:
        numbers: list[int] | list[None] = [None] * count
        if indexes.is_indexed(now.job):
            numbers = indexes.missing_indexes(now.job, now.done, now.active, count)
        for number in numbers:
            made = await self._pods.create(now.job, number)
            now.pods.append(made)
            now.active.append(made)

    async def _delete(self, now: _Pass, doomed: list[Object]) -> None:
        marked = await self._pods.delete(now.job, doomed)
        gone = {uid_of(pod) for pod in doomed}
        now.pods = [pod for pod in now.pods if uid_of(pod) not in gone] + marked
        now.active = [pod for pod in now.active if uid_of(pod) not in gone]

    # Status

    async def _track(self, now: _Pass, verdict: Verdict | None) -> None:
        """Write down which pods ended, let them go, count them, and end the Job if it is over."""
        status = now.status
        self._settle(now, {uid_of(p) for p in now.pods if is_tracked(p)})
        ended = self._collect(now, verdict)
        status["active"] = len(now.active)
        status["ready"] = sum(map(is_ready, now.active))
        status["terminating"] = sum(map(is_terminating, now.pods))
        if not status["active"]:
            del status["active"]
        if verdict is not None and conditions.known_verdict({"status": status}) is None:
            now.note(verdict.type, "True", verdict.reason, verdict.message, self._now())
        await self._write(now)
        await self._pods.release(ended)
        self._settle(now, {uid_of(p) for p in now.pods if is_tracked(p)} - set(map(uid_of, ended)))
        finished = verdict is not None and not status["terminating"] and not now.active
        if verdict is not None and finished:
            now.note(verdict.final, "True", verdict.reason, verdict.message, self._now())
            if verdict.final == "Complete":
                status["completionTime"] = format_time(self._now())
        await self._write(now)
        if verdict is not None and finished:
            await self._tell_finished(now.job, verdict)

    def _collect(self, now: _Pass, verdict: Verdict | None) -> list[Object]:
        """Note the pods that ended as uncounted; returns those that may lose their finalizer."""
        uncounted = now.status["uncountedTerminatedPods"]
        known = {uid for field in ("succeeded", "failed") for uid in uncounted.get(field) or ()}
        ended = []
        for pod in filter(is_tracked, now.pods):
            succeeded = _phase(pod) == "Succeeded"
            failed = conditions.is_pod_failed(now.job, pod)
            if not (succeeded or failed or verdict is not None or is_deleting(now.job)):
                continue
            ended.append(pod)
            if uid_of(pod) in known:
                continue
            if succeeded and not indexes.is_indexed(now.job):
                uncounted.setdefault("succeeded", []).append(uid_of(pod))
            elif not succeeded and (failed or (verdict and verdict.final == "Failed")):
                uncounted.setdefault("failed", []).append(uid_of(pod))
        if indexes.is_indexed(now.job):
            now.status["completedIndexes"] = indexes.format_indexes(now.done)
            now.status["succeeded"] = len(now.done)
        return ended

    def _settle(self, now: _Pass, held: set[str]) -> None:
        """Count those of the uncounted pods that have lost their finalizer."""
        uncounted = now.status["uncountedTerminatedPods"]
        for field in ("succeeded", "failed"):
            before = uncounted.pop(field, [])
            staying = [uid for uid in before if uid in held]
            if staying:
                uncounted[field] = staying
            if len(before) > len(staying):
                now.status[field] = int(now.status.get(field) or 0) + len(before) - len(staying)
        if not now.status.get("succeeded"):
            now.status.pop("succeeded", None)

    async def _write(self, now: _Pass) -> None:
        """Write the status if it differs. Raises _Changed if the Job changed or went."""
        if now.status == now.job.get("status"):
            return
        wanted = {**now.job, "status": deepcopy(now.status)}
        try:
            written = await self._client.update(JOBS, wanted, subresource="status")
        except ApiError as e:
            if e.code in (404, 409):
                raise _Changed from e
            raise
        now.job = self._jobs.wrote(written)

    async def _tell_finished(self, job: Object, verdict: Verdict) -> None:
        if verdict.final == "Complete":
            await self._pods.recorder.normal(job, "Completed", "Job completed")
        else:
            await self._pods.recorder.warning(job, verdict.reason, verdict.message)
