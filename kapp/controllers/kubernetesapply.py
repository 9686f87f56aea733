"""KubernetesApply: keeps the cluster in line with one resource's objects.

Woken by its own objects, their KubernetesDiscoveries, the Kappfile, the Cluster, FileWatches and
ConfigMaps it refers to, the applied objects in the cluster, and its own runs. It never waits for
the cluster: an `ApplyRun` does, one per object, cancelled as soon as the input is another one.
What leaves the project is deleted by `kapp.controllers.inventory`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from itertools import chain

from kapp.aio.slots import Slots
from kapp.aio.supervise import TaskGroup
from kapp.api.durations import parse_duration
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.cluster import Cluster
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import (
    REASON_APPLIED,
    REASON_APPLYING,
    REASON_ERROR,
    REASON_PENDING,
    REASON_RETRYING,
    KubernetesApply,
    KubernetesApplyStatus,
)
from kapp.api.v1alpha1.kubernetesdiscovery import (
    NO_WATCH_REASONS,
    KubernetesDiscovery,
)
from kapp.cluster.prepare import result_yaml, secret_values
from kapp.controllers.appliedobjects import AppliedObjects
from kapp.controllers.applyinput import ApplyInput, applied_object, input_of
from kapp.controllers.applyresults import ApplyResults
from kapp.controllers.applyretries import is_whole, retry_delay_s, until_retry_s
from kapp.controllers.applyrun import ApplyRun
from kapp.controllers.applystatus import (
    count_pods,
    drift_text,
    set_applied,
    set_drift,
    set_ready,
)
from kapp.controllers.attaching import NotThere, look_up, problem_of
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.controllers.customapply import CustomApply
from kapp.controllers.disabling import disable_status
from kapp.controllers.discoveryspec import discovery_of
from kapp.controllers.guard import Guard
from kapp.controllers.holds import WAITING_FOR_CLUSTER, Hold, Holds
from kapp.controllers.inventories import Inventories
from kapp.controllers.logsink import LogSink
from kapp.controllers.problems import problems_of
from kapp.errors import KappError
from kapp.kappfile.model import DEFAULT_PARALLEL
from kapp.machinery.objects import Object, ObjectKey, format_micro_time


class KubernetesApplyReconciler:
    """Reconciles KubernetesApplys.

    Args:
        objects: kapp's API.
        connections: the clusters.
        inventories: what was applied to them by this project.
        live: the applied objects as they are in the clusters.
        guard: which clusters may be written to.
        custom: applies by commands.
        log: where progress and errors go.
        enqueue: wakes a key.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        connections: Connections,
        inventories: Inventories,
        live: AppliedObjects,
        guard: Guard,
        custom: CustomApply,
        log: LogSink,
        enqueue: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._connections = connections
        self._inventories = inventories
        self._live = live
        self._custom = custom
        self._log = log
        self._enqueue = enqueue
        self._now = now
        self._holds = Holds(objects, guard)
        self._slots = Slots(DEFAULT_PARALLEL)
        self._runs: dict[str, ApplyRun] = {}
        self._tasks = TaskGroup("applies")
        self._results = ApplyResults()
        # The trigger that has deleted what it makes anew, and is being tried again.
        self._cleared: dict[str, str] = {}
        # Where it was applied.
        self._handles: dict[str, ClusterHandle] = {}

    async def close(self) -> None:
        """Give up what is running."""
        await self._tasks.close()
        await self._custom.close()

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Begin, follow or end a run as the input calls for, and write what is true."""
        apply = await self._objects.get(KubernetesApply, key.name)
        if apply is None:
            self._drop(key.name)
            self._log.hide(key.name, ())
            self._custom.delete(key.name)
            return None
        before = encode(apply)
        again_s = await self._step(key, apply)
        discovery = await self._ensure_discovery(apply)
        pods = discovery.status.pods if discovery is not None else []
        apply.status.pods = count_pods(pods)
        live = self._live.of(apply.name)
        found = problems_of(apply.spec.pod_readiness, live, pods, self._live.deleted(apply.name))
        if apply.spec.attach is not None and (problem := problem_of(live, pods)) is not None:
            found.append(problem)
        self._set_drift(apply)
        unknown = await self._unknown(apply, discovery)
        set_ready(apply, next(iter(found), None), self._now(), unknown=unknown)
        apply.status.observed_generation = apply.metadata.generation
        await self._objects.write_status(apply, before)
        return again_s

    def _set_drift(self, apply: KubernetesApply) -> None:
        if apply.spec.attach is not None:
            return  # whatever others do to it is their business
        before = drift_text(apply)
        set_drift(apply, self._live.drift(apply.name))
        text = drift_text(apply)
        if text and text != before:
            self._log.write(apply.name, f"drift: {text}\n")

    async def _unknown(
        self, apply: KubernetesApply, discovery: KubernetesDiscovery | None
    ) -> tuple[str, str] | None:
        """Why nobody knows how the applied objects are now: reason and message, else None."""
        cluster = await self._objects.get(Cluster, apply.spec.cluster)
        if cluster is not None and cluster.status.error:
            return "ClusterAway", f"the cluster does not answer: {cluster.status.error}"
        waiting = discovery.status.waiting if discovery is not None else None
        error = self._live.error(apply.name)
        if waiting is not None and waiting.reason not in NO_WATCH_REASONS:
            error = waiting.reason
        return ("WatchFailing", f"the cluster cannot be watched: {error}") if error else None

    async def _step(self, key: ObjectKey, apply: KubernetesApply) -> float | None:
        status = apply.status
        status.disable_status = await disable_status(
            self._objects, apply.spec.disable_source, status.disable_status, self._now()
        )
        if status.disable_status is not None and status.disable_status.disabled:
            # The inventory deletes what it applied: nothing of it is wanted any more.
            self._custom.delete(key.name)
            self._drop(key.name)
            # What was triggered once is not triggered again by enabling it.
            apply.status = KubernetesApplyStatus(
                disable_status=status.disable_status, handled_trigger=status.handled_trigger
            )
            set_applied(apply, REASON_PENDING, "disabled", self._now())
            return None
        if self._custom.is_deleting(apply.name) or (
            apply.spec.apply_cmd is None and not self._custom.delete(apply.name)
        ):
            self._wait(apply, Hold("waiting-for-deletion", "waits for its deleteCmd"))
            return None
        handle = self._connections.get(apply.spec.cluster)
        if handle is None:
            message = "its cluster is not connected"
            self._wait(apply, Hold(WAITING_FOR_CLUSTER, message, [apply.spec.cluster]))
            return None
        await self._begin_anew_elsewhere(apply, handle)
        inventory = self._inventories.of(apply.spec.cluster, handle)
        try:
            given = input_of(apply, part_of=inventory.id, events=await self._events(apply))
            self._hide_secrets(apply.name, given.objects)
        except KappError as error:
            # What was applied before stays and is followed; whether it is still whole is not known.
            self._cancel(key.name)
            status.attempted_input_hash = ""
            self._fail(apply, error, REASON_ERROR)
            return None
        return await self._follow(key, apply, given, handle)

    async def _begin_anew_elsewhere(self, apply: KubernetesApply, handle: ClusterHandle) -> None:
        """Forget what was applied through another connection: the cluster may be another too."""
        await self._live.renew(apply.spec.cluster)
        if self._handles.get(apply.name, handle) is not handle:
            self._drop(apply.name)
            status = apply.status
            status.applied_input_hash = status.attempted_input_hash = ""
            status.attempts, status.error = 0, ""
            status.objects, status.result_yaml = [], ""
        self._handles[apply.name] = handle

    async def _follow(
        self, key: ObjectKey, apply: KubernetesApply, given: ApplyInput, handle: ClusterHandle
    ) -> float | None:
        run = self._runs.get(key.name)
        if run is not None and run.given.digest != given.digest:
            self._cancel(key.name)
            run = None
        if run is not None and run.done:
            del self._runs[key.name]
            return self._finish(apply, run)
        if run is not None:
            self._show_progress(apply, run)
            return None
        status = apply.status
        if apply.spec.attach is not None and self._live.deleted(apply.name):
            status.applied_input_hash = ""  # another may be there by now, or come
        if is_whole(status, given.digest):
            status.error, status.waiting_reason, status.waiting_on = "", "", []
            set_applied(apply, REASON_APPLIED, "", self._now())
            return None
        wait_s = until_retry_s(apply, self._now())
        if wait_s and status.attempted_input_hash == given.digest:
            return wait_s
        if (hold := await self._holds.of(apply, given, handle)) is not None:
            self._wait(apply, hold)
            return None
        status.waiting_reason, status.waiting_on = "", []
        await self._resize_slots()
        self._begin(key, apply, given, handle)
        return None

    async def _resize_slots(self) -> None:
        kappfile = await self._objects.get(Kappfile, MAIN)
        given = kappfile.status.max_parallel_updates if kappfile is not None else 0
        self._slots.limit = given or DEFAULT_PARALLEL

    def _begin(
        self, key: ObjectKey, apply: KubernetesApply, given: ApplyInput, handle: ClusterHandle
    ) -> None:
        status, started_at = apply.status, format_micro_time(self._now())
        if status.attempted_input_hash != given.digest:
            status.attempted_input_hash, status.attempts = given.digest, 0
        status.last_apply_start_time = started_at
        if not status.attempts:
            status.error = ""
            set_applied(apply, REASON_APPLYING, "", self._now())
        self._runs[key.name] = ApplyRun(
            given,
            handle,
            self._inventories.of(apply.spec.cluster, handle),
            timeout_s=parse_duration(apply.spec.timeout),
            trigger=bool(given.trigger) and given.trigger != status.handled_trigger,
            cleared=bool(given.trigger) and self._cleared.get(apply.name) == given.trigger,
            started_at=started_at,
            wake=lambda: self._enqueue(key),
            slots=self._slots,
            tasks=self._tasks,
            name=key.name,
            custom=self._custom_of(apply, handle),
        )

    def _custom_of(
        self, apply: KubernetesApply, handle: ClusterHandle
    ) -> Callable[[], Awaitable[list[Object]]] | None:
        """Applies by the user's own command, or only looks, if so it is."""
        spec = apply.spec
        if (attach := spec.attach) is not None:
            return lambda: look_up(attach, handle)
        if (command := spec.apply_cmd) is None:
            return None
        timeout_s = parse_duration(spec.timeout)
        return lambda: self._custom.apply(apply.name, command, spec.delete_cmd, handle, timeout_s)

    def _show_progress(self, apply: KubernetesApply, run: ApplyRun) -> None:
        if run.retrying:
            if apply.status.error != run.retrying:
                self._log.write(apply.name, f"retrying: {run.retrying}\n")
            apply.status.error = run.retrying
            set_applied(apply, REASON_RETRYING, run.retrying, self._now())
        elif not apply.status.attempts:
            apply.status.error = ""
            waiting = "waits for its turn: see max_parallel_updates" if run.queued else ""
            set_applied(apply, REASON_APPLYING, waiting, self._now())

    def _finish(self, apply: KubernetesApply, run: ApplyRun) -> float | None:
        status = apply.status
        status.last_apply_time = format_micro_time(self._now())
        self._remember(apply, run)
        if run.cleared:
            self._cleared[apply.name] = run.given.trigger
        if run.error is None:
            status.applied_input_hash = run.given.digest
            status.handled_trigger = run.given.trigger
            status.attempts, status.error = 0, ""
            set_applied(apply, REASON_APPLIED, "", self._now())
            done = "applied" if apply.spec.attach is None else "attached to"
            self._log.write(apply.name, _text_of(done, run.applied))
            return None
        status.attempts += 1
        self._fail(apply, run.error, REASON_ERROR if run.is_final else REASON_RETRYING)
        return retry_delay_s(apply)

    def _remember(self, apply: KubernetesApply, run: ApplyRun) -> None:
        """Take over what the cluster returned; after an error, the earlier results stay."""
        anew = run.error is None or isinstance(run.error, NotThere)
        results = self._results.take(apply.name, run.given.objects, run.applied, anew=anew)
        self._hide_secrets(apply.name, run.given.objects)
        apply.status.objects = [applied_object(obj) for obj in results]
        apply.status.result_yaml = result_yaml(results)
        self._live.follow(
            apply.name, apply.spec.cluster, results, attached=apply.spec.attach is not None
        )

    def _hide_secrets(self, name: str, given: Iterable[Object]) -> None:
        """Keep what Secrets hold out of logs: the given ones, and what a command applied."""
        objects = chain(given, self._results.of(name))
        self._log.hide(name, chain.from_iterable(map(secret_values, objects)))

    def _fail(self, apply: KubernetesApply, error: KappError, reason: str) -> None:
        text = error.one_line()
        if apply.status.error != text:
            self._log.write(apply.name, f"error: {text}\n")
        apply.status.error = text
        set_applied(apply, reason, text, self._now())

    def _wait(self, apply: KubernetesApply, hold: Hold) -> None:
        apply.status.error = ""
        apply.status.waiting_reason, apply.status.waiting_on = hold.reason, list(hold.on)
        set_applied(apply, REASON_PENDING, hold.message, self._now())

    async def _events(self, apply: KubernetesApply) -> list[str]:
        names = apply.spec.restart_on.file_watches if apply.spec.restart_on is not None else []
        watches = [await self._objects.get(FileWatch, name) for name in names]
        return [watch.status.last_event_time for watch in watches if watch is not None]

    async def _ensure_discovery(self, apply: KubernetesApply) -> KubernetesDiscovery | None:
        if apply.status.disable_status is not None and apply.status.disable_status.disabled:
            await self._objects.delete(KubernetesDiscovery, apply.name)
            return None
        attached = apply.spec.attach is not None
        objects = self._live.of(apply.name) if attached else self._results.of(apply.name)
        return await self._objects.ensure(discovery_of(apply, objects))

    def _drop(self, name: str) -> None:
        """Forget a resource: end its run, follow its objects no more."""
        self._cancel(name)
        self._results.drop(name)
        self._handles.pop(name, None)
        self._cleared.pop(name, None)
        self._live.drop(name)

    def _cancel(self, name: str) -> None:
        if (run := self._runs.pop(name, None)) is not None:
            run.cancel()


def _text_of(done: str, objects: list[Object]) -> str:
    names = ", ".join(f"{one.kind.lower()}/{one.name}" for one in map(applied_object, objects))
    return f"{done} {names}\n"
