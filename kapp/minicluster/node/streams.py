"""What the stream handlers share: which container is meant, and moving bytes of descriptors.

`handlers(node)` is what the server part mounts: by (resource, subresource), a coroutine that is
given the request and the pod. A handler raises ApiError before it has answered anything.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from kapp.machinery.objects import Object, name_of
from kapp.machinery.status import ApiError, bad_request
from kapp.minicluster.node import podspec

if TYPE_CHECKING:
    from aiohttp import web

    from kapp.minicluster.node.kubelet import Node

Handler = Callable[["web.Request", Object], Awaitable["web.StreamResponse"]]


def handlers(node: Node) -> Mapping[tuple[str, str], Handler]:
    """All handlers of a node, by (group resource, subresource)."""
    from kapp.minicluster.node.streams_exec import ExecStreams
    from kapp.minicluster.node.streams_log import LogStreams
    from kapp.minicluster.node.streams_portforward import ForwardStreams

    commands = ExecStreams(node)
    return {
        ("pods", "log"): LogStreams(node).log,
        ("pods", "exec"): commands.execute,
        ("pods", "attach"): commands.attach,
        ("pods", "portforward"): ForwardStreams(node).forward,
    }


def check_upgrade(request: web.Request, what: str) -> None:
    """Refuse what is not a websocket that this node answers. `what` names the stream.

    Raises ApiError: 400 for another protocol, and 406, as the kubelet does, for a client that does
    not accept any type of answer.
    """
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request(
            f"Upgrade request required: the embedded cluster answers {what} over websockets "
            "(kubectl 1.31 and newer)"
        )
    accepted = request.headers.get("Accept", "*/*").split(",")
    if all(one.partition(";")[0].strip() != "*/*" for one in accepted):
        raise ApiError(406, "NotAcceptable", "406: Not Acceptable\n\nAvailable representations: ")


def chosen_container(pod: Object, wanted: str) -> str:
    """The container that a request means. Raises ApiError.

    Source: k8s.io/kubernetes/pkg/registry/core/pod/strategy.go (`validateContainer`).
    """
    names = [c["name"] for c in podspec.containers(pod)]
    inits = [c["name"] for c in podspec.init_containers(pod)]
    if not wanted:
        if len(names) == 1:
            return str(names[0])
        text = f"a container name must be specified for pod {name_of(pod)}"
        if names:
            text += f", choose one of: [{' '.join(names)}]"
        if inits:
            text += f" or one of the init containers: [{' '.join(inits)}]"
        raise bad_request(text)
    if wanted not in (*names, *inits):
        raise bad_request(f"container {wanted} is not valid for pod {name_of(pod)}")
    return wanted


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write to a non-blocking descriptor, waiting while it is full. Raises OSError."""
    loop = asyncio.get_running_loop()
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            writable: asyncio.Future[None] = loop.create_future()
            loop.add_writer(descriptor, _resolve, writable)
            try:
                await writable
            finally:
                loop.remove_writer(descriptor)


async def read_some(descriptor: int, limit: int = 1 << 15) -> bytes:
    """Read from a non-blocking descriptor, waiting while it is empty; b"" at the end."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return os.read(descriptor, limit)
        except BlockingIOError:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(descriptor, _resolve, readable)
            try:
                await readable
            finally:
                loop.remove_reader(descriptor)
        except OSError:
            return b""  # EIO: nobody has the terminal open any more
