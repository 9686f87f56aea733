"""PodLogStream: follows the logs of a pod's containers into the log store.

Woken by its own objects and by what it follows. One task per container, from the object's creation
to the container's end; the pod's state is read from `kapp.controllers.podsource`, which watches it
already.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import msgspec

from kapp.aio.supervise import TaskGroup
from kapp.api.typed import TypedClient, encode
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION
from kapp.api.v1alpha1.podlogstream import (
    ContainerLogStreamStatus,
    PodLogStream,
    PodLogStreamSpec,
)
from kapp.cluster.podlogs import PodLog
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.controllers.podsource import PODS, PodSources
from kapp.errors import KappError
from kapp.logs.store import LogStore
from kapp.machinery.objects import Object, ObjectKey, parse_time
from kapp.machinery.status import ApiError

# A pod whose containers are not known yet, or that nobody watches, is looked at this often.
LOOK_INTERVAL_S = 1.0
_NOT_FOUND = 404


class _Container(msgspec.Struct):
    """How following one container goes."""

    active: bool = True
    terminated: bool = False
    error: str = ""


class _Stream(msgspec.Struct):
    """What one object follows: its tasks, and how each goes."""

    uid: str
    spec: PodLogStreamSpec
    tasks: TaskGroup
    containers: dict[str, _Container]
    pod: Object
    handle: ClusterHandle


class PodLogStreamReconciler:
    """Reconciles PodLogStreams.

    Args:
        objects: kapp's API.
        connections: the clusters.
        sources: the pods.
        store: where the lines go.
        enqueue: wakes a key.
    """

    def __init__(
        self,
        objects: TypedClient,
        connections: Connections,
        sources: PodSources,
        store: LogStore,
        enqueue: Callable[[ObjectKey], None],
    ) -> None:
        self._objects = objects
        self._connections = connections
        self._sources = sources
        self._store = store
        self._enqueue = enqueue
        self._streams: dict[str, _Stream] = {}

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Follow the containers there are, and write down how that goes."""
        obj = await self._objects.get(PodLogStream, key.name)
        stream = self._streams.get(key.name)
        handle = self._connections.get(obj.spec.cluster) if obj is not None else None
        if stream is not None and (
            obj is None
            or obj.metadata.uid != stream.uid
            or obj.spec != stream.spec
            or handle is not stream.handle
        ):
            del self._streams[key.name]
            await stream.tasks.close()
            stream = None
        if obj is None:
            return None
        before = encode(obj)
        again_s: float | None = None
        if handle is None:
            obj.status.error = f"cluster {obj.spec.cluster} is not connected"
            again_s = LOOK_INTERVAL_S
        else:
            again_s = await self._follow(key, obj, stream, handle)
        await self._objects.write_status(obj, before)
        return again_s

    async def close(self) -> None:
        """Follow nothing any more."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            await stream.tasks.close()

    async def _follow(
        self, key: ObjectKey, obj: PodLogStream, stream: _Stream | None, handle: ClusterHandle
    ) -> float | None:
        pod = await self._pod(obj.spec, handle)
        if isinstance(pod, str):
            obj.status.error = pod
            return LOOK_INTERVAL_S
        if pod is None:
            # Its owner deletes this object in a moment; what was read stays.
            return None
        obj.status.error = ""
        if stream is None:
            tasks = TaskGroup(f"logs of {key.name}")
            stream = _Stream(obj.metadata.uid, obj.spec, tasks, {}, pod, handle)
            self._streams[key.name] = stream
        stream.pod = pod
        for name in _wanted(obj.spec, pod):
            if name not in stream.containers:
                stream.containers[name] = _Container()
                stream.tasks.spawn(self._read(key, obj, stream, name, handle), name)
        obj.status.container_statuses = [
            ContainerLogStreamStatus(
                name=name, active=one.active, terminated=one.terminated, error=one.error
            )
            for name, one in stream.containers.items()
        ]
        return None

    async def _pod(self, spec: PodLogStreamSpec, handle: ClusterHandle) -> Object | str | None:
        """The pod; None if it is gone, or what keeps it from being known."""
        source = await self._sources.of(spec.cluster)
        if source is not None and (pod := source.pod(spec.namespace, spec.pod)) is not None:
            return pod
        try:
            return await handle.connection.client.get(PODS, spec.pod, spec.namespace)
        except ApiError as error:
            return None if error.code == _NOT_FOUND else error.one_line()
        except KappError as error:
            return error.one_line()

    async def _read(
        self, key: ObjectKey, obj: PodLogStream, stream: _Stream, name: str, handle: ClusterHandle
    ) -> None:
        state, spec = stream.containers[name], obj.spec
        resource = obj.metadata.annotations.get(RESOURCE_ANNOTATION) or obj.name
        span = self._store.open(resource, name)

        def on_error(text: str) -> None:
            state.error = text
            self._enqueue(key)

        log = PodLog(
            handle.connection.client.stream,
            spec.namespace,
            spec.pod,
            name,
            since=parse_time(spec.since_time) if spec.since_time else None,
            ended=partial(self._has_ended, stream, name),
            on_error=on_error,
            on_gap=lambda text: self._store.append(span, f"… {text}\n".encode(), level="warn"),
        )
        try:
            async with aclosing(log.follow()) as batches:
                async for batch in batches:
                    time = parse_time(batch.time) if batch.time else None
                    self._store.append(span, batch.data, time=time)
        finally:
            self._store.close(span)
            state.active, state.terminated = False, True
            self._enqueue(key)

    def _has_ended(self, stream: _Stream, name: str) -> bool:
        """Whether a container has terminated for good, by the newest that is known of its pod."""
        spec = stream.spec
        source = self._sources.known(spec.cluster)
        newest = source.pod(spec.namespace, spec.pod) if source is not None else None
        pod = newest or stream.pod
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            return True
        policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
        for part in ("initContainerStatuses", "containerStatuses"):
            for one in status.get(part) or ():
                ended = (one.get("state") or {}).get("terminated")
                if one.get("name") == name and ended is not None:
                    good = ended.get("exitCode") == 0
                    done = part.startswith("init") or policy == "OnFailure"
                    return policy == "Never" or (good and done)
        return False


def _wanted(spec: PodLogStreamSpec, pod: Object) -> list[str]:
    pod_spec = pod.get("spec") or {}
    containers = [*(pod_spec.get("initContainers") or ()), *(pod_spec.get("containers") or ())]
    names = [str(one.get("name")) for one in containers]
    if spec.only_containers:
        return [name for name in names if name in spec.only_containers]
    return [name for name in names if name not in spec.ignore_containers]
