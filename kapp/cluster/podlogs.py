"""Follow one container's log to its end, whatever breaks on the way.

The PodLogStream controller makes a `PodLog` for each container and appends what it yields to the
log store. A quiet container costs nothing: no timer runs while a response is open.

A restart makes the server answer with the log of the new instance; what the old one printed after
the last line read is then asked for with `previous=true`. So it is at the very first, for a
container that failed before anybody could ask for its log. What is not to be had any more (two
restarts, or a rotation, while the connection was broken) is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import aiohttp

from kapp.cluster.podlogcursor import LogBatch, LogCursor
from kapp.errors import KappError
from kapp.machinery.status import ApiError

_START_S = 15.0
"""A kubelet that has started knows its pods within a second or some; this is where it is busy."""

_RETRY_FIRST_S = 0.1
_RETRY_MOST_S = 5.0
"""Between requests: a container that is just starting is asked for again soon, one that the server
does not give is not asked for all the time."""

_GATHER_S = 0.01
_PLENTY_BYTES = 16 * 1024
"""A kubelet sends each line by itself: those that follow closely on one are taken together, which
costs less time and, in the store, much less memory. The first one is never delayed."""

_PREVIOUS_TRIES = 5
"""For the log of an instance that must be there: just after a restart, kubelets may not know it."""

__all__ = ["LogBatch", "OpenStream", "PodLog"]


class OpenStream(Protocol):
    """Opens a GET whose body is read bit by bit, as `HttpTransport.stream` does."""

    def __call__(
        self, path: str, *, params: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Raises ApiError, Unreachable; from reading the body too."""
        ...


class PodLog:
    """One container's log.

    Args:
        open_stream: see `OpenStream`.
        namespace: of the pod.
        pod: its name.
        container: its name; restarts of it are one log.
        cursor: where to go on; it may be another one's, who follows no more.
        gone: whether the pod is no more, so that its name may be another one's by now.
        restarts: how often the container was started again; None if what it printed before the
            instance that runs now does not matter.
        ended: whether the container has terminated and will not run again, as far as is known now.
        on_error: told what is wrong, in plain words, and "" when it is well again.
        on_gap: told that lines may be missing before the next batch, and why.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        namespace: str,
        pod: str,
        container: str,
        *,
        cursor: LogCursor | None = None,
        gone: Callable[[], bool] = lambda: False,
        restarts: Callable[[], int] | None = None,
        ended: Callable[[], bool] = lambda: False,
        on_error: Callable[[str], None] = lambda _: None,
        on_gap: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._open_stream = open_stream
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        self._container = container
        self._cursor = cursor or LogCursor()
        self._gone = gone
        self._restarts = restarts
        self._ended = ended
        self._on_error = on_error
        self._on_gap = on_gap
        self._error = ""
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """The container may be another way than when it was asked for last: do not wait."""
        self._hurry.set()

    async def follow(self) -> AsyncGenerator[LogBatch, None]:
        """Batches of new lines, until the container has ended and its log is read, or it is gone.

        Raises nothing: what goes wrong is told to `on_error` and tried again.
        """
        delay_s = _RETRY_FIRST_S
        unknown_since = 0.0
        while True:
            # What has ended before the request is sent is in its answer whole
            was_ended = self._ended()
            read_to_end = False
            try:
                async for batch in self._read():
                    delay_s = _RETRY_FIRST_S
                    yield batch
                read_to_end, unknown_since = True, 0.0
                self._tell(self._cursor.remark)
            except ApiError as error:
                unknown = _is_unknown_to_the_kubelet(error)
                if error.code in (404, 410) and not unknown:
                    return  # the pod is gone
                if error.code == 400 and was_ended:
                    return  # its container never ran
                now = asyncio.get_running_loop().time()
                unknown_since = (unknown_since or now) if unknown else 0.0
                too_early = error.code == 400 or (unknown and now - unknown_since < _START_S)
                if unknown and not too_early and was_ended:
                    return  # nobody has its log
                if not too_early:  # 400: the container has not started yet
                    self._tell(error.one_line())
            except KappError as error:
                self._tell(error.one_line())
            if self._gone() or (read_to_end and was_ended):
                last = self._cursor.end()
                if last is not None:
                    yield last
                return
            # A log that ended just now is asked for once more at once, to be sure of its last lines
            if not (read_to_end and self._ended()):
                await self._pause(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, _RETRY_MOST_S)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        self._hurry.clear()

    async def _read(self) -> AsyncGenerator[LogBatch, None]:
        """One request. Ends when the server ends it."""
        params = {"container": self._container, "follow": "true", "timestamps": "true"}
        if self._cursor.since_time:
            params["sinceTime"] = self._cursor.since_time
        async with self._open_stream(self._path, params=params) as response:
            self._tell("")
            if self._cursor.is_new and self._restarts is not None:
                if self._restarts() > 1:
                    self._on_gap("lines may be missing here: the container restarted several times")
                async for earlier in self._read_previous():
                    yield earlier
            # Only now: should the instance before be the one that this answers for, all is skipped
            self._cursor.begin()
            async for chunk in response.content.iter_any():
                batch = self._cursor.feed(chunk)
                if self._cursor.strayed:
                    async for earlier in self._read_previous():
                        yield earlier
                    batch = self._cursor.resume()
                if batch is not None:
                    yield batch
                if len(chunk) < _PLENTY_BYTES:
                    await asyncio.sleep(_GATHER_S)

    async def _read_previous(self) -> AsyncGenerator[LogBatch, None]:
        """What the instance before this one printed after the last line that was read."""
        tries = 1 if self._cursor.is_new else _PREVIOUS_TRIES
        while True:
            branch, there = self._cursor.branch(), True
            try:
                async for batch in self._read_other(branch):
                    self._cursor.adopt(branch)
                    yield batch
            except ApiError as error:
                if error.code not in (400, 404) or _is_unknown_to_the_kubelet(error):
                    raise
                there = False  # there was none, or it is gone
            tries -= 1
            if not tries or (there and not branch.remark):
                break
            await asyncio.sleep(_RETRY_FIRST_S)
        found = branch.found
        last = branch.resume() if branch.strayed else branch.end()
        if not found:
            self._on_gap(
                "lines may be missing here: the log was rotated, or the container restarted, while "
                "the connection was broken"
            )
        if last is not None:
            self._cursor.adopt(branch)
            yield last

    async def _read_other(self, branch: LogCursor) -> AsyncGenerator[LogBatch, None]:
        """The previous instance's log, until it is over or strays."""
        branch.begin()
        params = {"container": self._container, "previous": "true", "timestamps": "true"}
        if branch.since_time:
            params["sinceTime"] = branch.since_time
        async with self._open_stream(self._path, params=params) as response:
            async for chunk in response.content.iter_any():
                batch = branch.feed(chunk)
                if branch.strayed:
                    break
                if batch is not None:
                    yield batch

    def _tell(self, error: str) -> None:
        if error != self._error:
            self._error = error
            self._on_error(error)


def _is_unknown_to_the_kubelet(error: ApiError) -> bool:
    """Whether it is the pod's kubelet that does not know the pod, and not the API server.

    For a second after its start it knows none (pkg/kubelet/server/server.go, getContainerLogs), nor
    a pod that it was given just now. The API server passes the 404 on as one about the subresource
    (k8s.io/apimachinery, NewGenericServerResponse); of a pod that is gone it says so itself.
    """
    return error.code == 404 and error.details.get("kind") == "pods/log"
