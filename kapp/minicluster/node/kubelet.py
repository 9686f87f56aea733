"""The node: watches the pods that are bound to it, runs them, and writes their status.

One reconciler over pods. It reads the pod and what it knows of its processes, starts or stops what
differs, and writes the status; every exit, probe result and changed ConfigMap wakes it again. It
never waits for a container: stops and probes run as tasks that wake it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import (
    Object,
    ObjectKey,
    is_deleting,
    key_of,
    metadata_of,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.node import podspec, status
from kapp.minicluster.node.admission import admit
from kapp.minicluster.node.claims import claim_path
from kapp.minicluster.node.containers import BACKOFF_S, Containers
from kapp.minicluster.node.events import Recorder
from kapp.minicluster.node.files import PodFiles, remove_unknown
from kapp.minicluster.node.podsync import PodSync
from kapp.minicluster.node.registration import Registration
from kapp.minicluster.node.runtime import Runtime, RuntimeFailure
from kapp.minicluster.node.services import ServiceNetwork
from kapp.minicluster.node.state import PodState
from kapp.minicluster.resources import CONFIG_MAPS, PODS, SECRETS
from kapp.runtime.client import Client, PatchType
from kapp.runtime.controller import Controller, Source
from kapp.runtime.manager import Manager
from kapp.runtime.reflector import Reflector

_log = logging.getLogger(__name__)

NODE_NAME = "kapp-embedded"
_WORKERS = 8  # pods that start at once; more would only queue at the shim
_RESTART_DELAY_S = 0.2  # before the shim is started again, should it have died


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Node:
    """Runs the pods whose `spec.nodeName` is this node's name.

    Args:
        client: the embedded cluster's API.
        state_dir: private to this node: logs, volumes. Kept between runs.
        now: wall time.
        name: the Node object's name.
        mode: "auto", or insist on "namespaces" or "processes".
        python: interpreter for the shim; this one's by default.
        launcher: command that starts the shim's interpreter (used to give up privileges).
        services: whether Services get addresses that work inside pods.
        hidden: directories that pods shall not see, besides `state_dir` (the cluster's
            credentials); they look empty.
        backoff_s: first delay of CrashLoopBackOff.

    Attributes:
        mode: "namespaces" or "processes", once started.
        reason: why, and what that means, in one sentence.
    """

    def __init__(
        self,
        client: Client,
        state_dir: Path,
        *,
        now: Callable[[], datetime] = _utc_now,
        name: str = NODE_NAME,
        mode: str = "auto",
        python: str = "",
        launcher: Iterable[str] = (),
        services: bool = True,
        hidden: Iterable[Path] = (),
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self.name = name
        self._client = client
        self._state_dir = state_dir.resolve()
        self._now = now
        self._with_services = services
        self._hidden = (*(str(path.resolve()) for path in hidden), str(self._state_dir))
        self._tasks = TaskGroup("node")
        self._manager = Manager("node")
        self._states: dict[ObjectKey, PodState] = {}
        self._closing = False
        self._closed = asyncio.Event()
        self.runtime = Runtime(
            self._state_dir,
            on_exit=self._exited,
            on_pod_died=self._pod_died,
            on_lost=self._runtime_lost,
            mode=mode,
            python=python,
            launcher=tuple(launcher),
        )
        self._recorder = Recorder(client, self._tasks, now, name)
        self.network = ServiceNetwork(self.runtime, self._tasks)
        self.containers = Containers(
            self.runtime,
            self._recorder,
            self._tasks,
            now=now,
            spec_of=lambda state, spec: self._sync.process_spec(state, spec),
            files_of=self.files_of,
            changed=self._changed,
            backoff_s=backoff_s,
        )
        self._registration = Registration(client, name, now)
        self._controller = Controller("kubelet", self, self._sources(), workers=_WORKERS)
        self._pods: Reflector
        self._sync: PodSync

    def _sources(self) -> list[Source]:
        mine = f"spec.nodeName={self.name}"
        return [
            Source(client=self._client, resource=PODS, field_selector=mine),
            Source(client=self._client, resource=CONFIG_MAPS, map=self._users_of),
            Source(client=self._client, resource=SECRETS, map=self._users_of),
        ]

    @property
    def mode(self) -> str:
        """`namespaces` or `processes`."""
        return self.runtime.mode

    @property
    def reason(self) -> str:
        """Why this mode is in force, and what it lacks."""
        return self.runtime.reason

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the runtime, register the Node object, begin with the pods.

        Raises RuntimeFailure when this machine can run no pod at all.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self.runtime.start()
        _log.info("node started", extra={"mode": self.mode, "reason": self.reason})
        await self._registration.register(self.runtime.address, self.mode, self.reason)
        manager = self._manager
        self._pods = manager.reflector(
            self._client, PODS, field_selector=f"spec.nodeName={self.name}"
        )
        config_maps = manager.reflector(self._client, CONFIG_MAPS)
        secrets = manager.reflector(self._client, SECRETS)
        self._sync = PodSync(
            self.runtime,
            self.containers,
            self._recorder,
            self.network,
            state_dir=self._state_dir,
            hidden=self._hidden,
            node_name=self.name,
            now=self._now,
            capacity=self._registration.capacity,
            config_map=lambda namespace, name: config_maps.get(ObjectKey(namespace, name)),
            secret=lambda namespace, name: secrets.get(ObjectKey(namespace, name)),
            claim_path=partial(claim_path, self._client),
            addresses=lambda: {state.address for state in self._states.values()},
        )
        if self._with_services:
            self.network.follow(manager, self._client, self._rewrite_hosts)
        manager.add(self._controller)
        manager.start()
        self._tasks.spawn(self._registration.heartbeat(), "heartbeat")
        self._tasks.spawn(self._clean(), "clean")

    async def run(self) -> None:
        """`start()`, then until `close()`; closes when cancelled."""
        try:
            await self.start()
            await self._closed.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Stop every pod's processes and everything of the node's. Safe to call twice."""
        self._closing = True
        self._closed.set()
        await self._manager.close()
        await self._tasks.close()
        await self.network.close()
        await self.runtime.close()
        for state in self._states.values():
            for container in state.containers.values():
                if container.tasks is not None:
                    await container.tasks.close()
                if container.log is not None:
                    container.log.close()
        self._states.clear()

    async def _clean(self) -> None:
        """Remove what an earlier run left of pods that are no more."""
        await self._pods.synced.wait()
        remove_unknown(self._state_dir, [uid_of(pod) for pod in self._pods.list()])

    # -- what others may ask ---------------------------------------------------------------------

    def now(self) -> datetime:
        """Wall time, as the node was given it."""
        return self._now()

    def files_of(self, state: PodState) -> PodFiles:
        """A pod's directory."""
        return PodFiles(self._state_dir, state.pod)

    def files_of_pod(self, pod: Object) -> PodFiles:
        """A pod's directory, for one that may not run here any more."""
        return PodFiles(self._state_dir, pod)

    def state_of(self, pod: Object) -> PodState | None:
        """What the node knows of a pod; None for one that it does not run."""
        state = self._states.get(key_of(pod))
        return state if state is not None and state.uid == uid_of(pod) else None

    async def dial(self, pod: Object, port: int) -> socket.socket:
        """Connect to a port on localhost inside a pod. Raises OSError, RuntimeFailure."""
        state = self.state_of(pod)
        if state is None or not state.sandbox:
            raise RuntimeFailure(f"pod {key_of(pod)} is not running")
        try:
            return await self.containers.dial(state, "127.0.0.1", port)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                return await self.containers.dial(state, "::1", port)
            raise

    # -- what wakes the reconciler ---------------------------------------------------------------

    def _users_of(self, obj: Object) -> Iterable[ObjectKey]:
        """The pods of its namespace that refer to a ConfigMap or Secret."""
        meta = metadata_of(obj)
        for key, state in self._states.items():
            if key.namespace == meta.get("namespace"):
                text = state.pod["spec"]
                if meta.get("name") in PodSync.references(text):
                    yield key

    def _changed(self, state: PodState) -> None:
        self._controller.enqueue(state.key)

    def _exited(self, key: str, wait_status: int) -> None:
        self.containers.exited(key, wait_status)

    def _pod_died(self, uid: str) -> None:
        for state in self._states.values():
            if state.uid == uid:
                state.sandbox = False
                self._changed(state)

    def _runtime_lost(self) -> None:
        if self._closing:
            return
        _log.error("the pod runtime died; every pod is started again")
        for state in self._states.values():
            state.sandbox = False
        self.containers.lost()
        self._tasks.spawn(self._restart_runtime(), "restart-runtime")

    async def _restart_runtime(self) -> None:
        await asyncio.sleep(_RESTART_DELAY_S)
        await self.runtime.close()
        await self.runtime.start()
        for state in self._states.values():
            self._changed(state)

    def _rewrite_hosts(self) -> None:
        for state in self._states.values():
            if state.sandbox:
                self._sync.write_hosts(state)

    # -- reconciling -----------------------------------------------------------------------------

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Make one pod's processes and status what they should be."""
        pod, state = self._pods.get(key), self._states.get(key)
        if state is not None and (pod is None or uid_of(pod) != state.uid):
            del self._states[key]
            await self._sync.discard(state)
            state = None
        if pod is None:
            return None
        finished = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if state is None:
            if finished:
                if is_deleting(pod):
                    await self._delete(pod)
                return None
            state = self._states[key] = admit(pod, self._now())
        if state.pod.get("spec") != pod.get("spec"):
            for container in state.containers.values():
                container.hopeless = False
        state.pod = pod
        if is_deleting(pod):
            return await self._terminate(state)
        again_s = None
        if not finished:
            if self.runtime.running:
                again_s = await self._sync.sync(state)
            await self._write(state)
        return again_s

    async def _terminate(self, state: PodState) -> float | None:
        """Go on with a deletion: stop the app containers, then the sidecars, then forget."""
        state.terminating = True
        sidecars = {s["name"] for s in podspec.init_containers(state.pod) if podspec.is_sidecar(s)}
        running = state.running()
        apps = [c for c in running if c.name not in sidecars]
        grace_s = podspec.grace_period_s(state.pod)
        for container in apps or running:
            if container.stopping is None or container.stopping.done():
                self._recorder.pod(
                    state.pod, "Killing", f"Stopping container {container.name}",
                    container=container.name,
                )  # fmt: skip
            self.containers.stop(state, container, grace_s)
        if running:
            await self._write(state)
            return None
        await self._sync.remove_sandbox(state)
        await self._write(state)
        await self._delete(state.pod)
        return None

    async def _write(self, state: PodState) -> None:
        """Write the pod's status if it differs from what was written last."""
        wanted = status.pod_status(state.pod, state, self.runtime.address, self._now())
        if wanted == state.written:
            return
        try:
            await self._client.patch(
                PODS, state.key.name, {"status": wanted}, PatchType.MERGE,
                state.key.namespace, subresource="status",
            )  # fmt: skip
        except ApiError as error:
            if error.code != 404:
                raise
            return
        state.written = wanted

    async def _delete(self, pod: Object) -> None:
        """The last step of a deletion: the object goes."""
        key = key_of(pod)
        try:
            await self._client.delete(
                PODS, key.name, key.namespace, uid=uid_of(pod), grace_period_s=0
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise
