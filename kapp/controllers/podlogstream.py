"""PodLogStream: follows the logs of a pod's containers into the log store.

Woken by its own objects and by what it follows. One task per container, from the object's creation
to the container's end; the pod's state is read from `kapp.controllers.podsource`, which watches it
already.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
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
from kapp.cluster.podcontainers import followed, has_ended_for_good, restarts_of
from kapp.cluster.podlogcursor import LogCursor
from kapp.cluster.podlogs import PodLog
from kapp.controllers.connections import ClusterHandle, Connections
from kapp.controllers.podsource import PODS, PodSources
from kapp.errors import KappError
from kapp.logs.store import LogStore
from kapp.machinery.objects import Object, ObjectKey, key_of, metadata_of, parse_time, uid_of
from kapp.machinery.status import ApiError

# A pod whose containers are not known yet, or that nobody watches, is looked at this often.
LOOK_INTERVAL_S = 1.0
# What a pod that is gone has printed may still be on its way.
DRAIN_S = 30.0
# Containers whose place in their log is remembered after their object.
_PLACES_KEPT = 1000
_NOT_FOUND = 404


class _Container(msgspec.Struct):
    """How following one container goes."""

    cursor: LogCursor
    active: bool = True
    terminated: bool = False
    error: str = ""


class _Stream(msgspec.Struct):
    """What one object follows: its tasks, and how each goes."""

    uid: str
    spec: PodLogStreamSpec
    resource: str
    tasks: TaskGroup
    containers: dict[str, _Container]
    pod: Object
    handle: ClusterHandle
    gone: bool = False


class PodLogStreamReconciler:
    """Reconciles PodLogStreams.

    Args:
        objects: kapp's API.
        connections: the clusters.
        sources: the pods.
        store: where the lines go.
        enqueue: wakes a key.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        connections: Connections,
        sources: PodSources,
        store: LogStore,
        enqueue: Callable[[ObjectKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._began = now().replace(microsecond=0)  # as precise as a pod's time
        self._objects = objects
        self._connections = connections
        self._sources = sources
        self._store = store
        self._enqueue = enqueue
        self._streams: dict[str, _Stream] = {}
        self._gone = TaskGroup("logs of pods that are gone")
        # By resource, pod and container: so that no line comes twice when the object is another one
        self._places: dict[tuple[str, str, str], LogCursor] = {}

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
            await self._leave(key.name, stream)
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
        await self._gone.close()

    async def _leave(self, name: str, stream: _Stream) -> None:
        """Follow no more; a pod that is gone is read to its end."""
        del self._streams[name]
        if self._is_gone(stream):
            stream.gone = True
            self._gone.spawn(_read_out(stream.tasks), name)
        else:
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
            return LOOK_INTERVAL_S
        obj.status.error = ""
        if stream is not None and uid_of(pod) != uid_of(stream.pod):
            await self._leave(key.name, stream)  # another pod by the same name
            stream = None
        if stream is None:
            resource = obj.metadata.annotations.get(RESOURCE_ANNOTATION) or obj.name
            tasks = TaskGroup(f"logs of {key.name}")
            stream = _Stream(obj.metadata.uid, obj.spec, resource, tasks, {}, pod, handle)
            self._streams[key.name] = stream
        stream.pod = pod
        spec = obj.spec
        for name in followed(pod, only=spec.only_containers, ignore=spec.ignore_containers):
            if name not in stream.containers:
                stream.containers[name] = _Container(self._place(stream, name))
                stream.tasks.spawn(self._read(key, stream, name), name)
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

    def _place(self, stream: _Stream, container: str) -> LogCursor:
        """Where a container's log was read to, else its beginning."""
        key = (stream.resource, uid_of(stream.pod), container)
        place = self._places.pop(key, None)
        if place is None:
            since = stream.spec.since_time
            place = LogCursor(parse_time(since) if since else None)
        self._places[key] = place
        while len(self._places) > _PLACES_KEPT:
            del self._places[next(iter(self._places))]
        return place

    async def _read(self, key: ObjectKey, stream: _Stream, name: str) -> None:
        state, spec = stream.containers[name], stream.spec
        span = self._store.open(stream.resource, name, spec.pod)

        def on_error(text: str) -> None:
            state.error = text
            self._enqueue(key)

        log = PodLog(
            partial(stream.handle.connection.transport.stream, "GET"),
            spec.namespace,
            spec.pod,
            name,
            cursor=state.cursor,
            gone=lambda: stream.gone or self._is_gone(stream),
            restarts=partial(self._restarts, stream, name) if self._is_ours(stream.pod) else None,
            ended=partial(self._has_ended, stream, name),
            on_error=on_error,
            on_gap=lambda text: self._store.append(span, f"… {text}\n".encode(), level="warn"),
        )
        source = self._sources.known(spec.cluster)
        stop = source.listen(key_of(stream.pod), log.hurry) if source is not None else _nothing
        try:
            async with aclosing(log.follow()) as batches:
                async for batch in batches:
                    time = _time(batch.time)
                    self._store.append(span, batch.data, time=time, stamps=batch.stamps)
        finally:
            stop()
            self._store.close(span)
            state.active, state.terminated = False, True
            self._enqueue(key)

    def _is_gone(self, stream: _Stream) -> bool:
        """Whether the pod is no more, as far as it is watched."""
        spec = stream.spec
        source = self._sources.known(spec.cluster)
        newest = source.pod(spec.namespace, spec.pod) if source is not None else None
        if newest is not None:
            return uid_of(newest) != uid_of(stream.pod)
        return source is not None and source.knows(spec.namespace)

    def _has_ended(self, stream: _Stream, name: str) -> bool:
        """Whether a container has terminated for good, by the newest that is known of its pod."""
        spec = stream.spec
        source = self._sources.known(spec.cluster)
        newest = source.pod(spec.namespace, spec.pod) if source is not None else None
        return has_ended_for_good(newest or stream.pod, name)

    def _restarts(self, stream: _Stream, name: str) -> int:
        source, spec = self._sources.known(stream.spec.cluster), stream.spec
        newest = source.pod(spec.namespace, spec.pod) if source is not None else None
        return restarts_of(newest or stream.pod, name)

    def _is_ours(self, pod: Object) -> bool:
        """Whether a pod was made in kapp's time; of others, what printed before is no matter."""
        created = _time(metadata_of(pod).get("creationTimestamp") or "")
        return created is not None and created >= self._began


def _time(text: str) -> datetime | None:
    """None too for what only looks like a time."""
    try:
        return parse_time(text) if text else None
    except ValueError:
        return None


def _nothing() -> None:
    return None


async def _read_out(tasks: TaskGroup) -> None:
    await tasks.wait(DRAIN_S)
    await tasks.close()
