"""One connection to a port in a pod, whichever protocol carries it; and how it fails.

`PodStream` is to a pod what an asyncio transport is to a socket: writes never block, the receiver
is told when to pause. Implemented by `tunnel.py` and `channelstream.py`, used by `splice.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import aiohttp

from kapp.errors import ClusterError, KappError, Unreachable
from kapp.machinery.status import ApiError

Dispose = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine that closes a socket, in the background, to its end."""

Buffer = bytes | bytearray | memoryview

REPLAY_BYTES = 256 * 1024
"""Kept of what a client sent, until its pod answers, to be sent to another: whole requests but
uploads; 500 waiting clients fit in memory."""


class ConnectWebsocket(Protocol):
    """Opens a websocket to the API server, as `kapp.runtime.transport.HttpTransport.ws_connect`."""

    def __call__(
        self, path: str, *, protocols: Sequence[str]
    ) -> Awaitable[aiohttp.ClientWebSocketResponse]:
        """Raises ApiError where the server answers with anything but an upgrade, Unreachable."""
        ...


class PodRefused(ClusterError):
    """The pod is there, but the connection inside it failed: usually nothing listens yet."""


class PodGone(ClusterError):
    """The server knows no such pod: it is gone, or its kubelet has just started."""


class PodForbidden(ClusterError):
    """The user may not forward ports of the pod."""


class PodNotRunning(ClusterError):
    """The pod has no running container to connect into, yet or any more."""


class StreamBroken(Unreachable):
    """The way to the pod broke: the tunnel, the API server, or the network."""


class TunnelBlocked(StreamBroken):
    """The connection was put on a tunnel that another one then blocked: nothing about the pod."""


class StreamReceiver(Protocol):
    """What a `PodStream` tells its user. All calls come from the event loop and must not block."""

    def data_received(self, data: memoryview) -> None:
        """Bytes from the pod; valid beyond the call, and not to be changed."""
        ...

    def eof_received(self) -> None:
        """The pod has sent all it will; the other direction stays open."""
        ...

    def stream_lost(self, error: KappError | None) -> None:
        """The last call: the stream is over, None if it ended in order in both directions."""
        ...

    def pause_writing(self) -> None:
        """Stop writing: more is buffered than the way to the pod takes."""
        ...

    def resume_writing(self) -> None:
        """Write again."""
        ...


class PodStream(ABC):
    """An open connection. After `abort`, or once lost, all methods do nothing."""

    port: int
    """In the pod."""

    opened_at: float
    """When it was asked for, by the loop's clock."""

    accepted_at: float | None = None
    """When the other end answered in any way; None until it has. It is alive then, but the pod may
    still refuse."""

    @property
    def replayable(self) -> bool:
        """Whether the connection may be made anew though nothing is wrong with it.

        Nothing has come from the pod, and nothing was asked that could take effect twice: nothing
        at all, or a request by a method that is safe (RFC 9110, 9.2.1).
        """
        return False

    @abstractmethod
    def write(self, data: Buffer) -> None:
        """Send, or buffer; the receiver's `pause_writing` says when to stop."""

    @abstractmethod
    def write_eof(self) -> None:
        """End this direction after what was written."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Hand on nothing more until `resume_reading`."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Hand on again, first what was held back."""

    @abstractmethod
    def abort(self) -> None:
        """Give up at once; the receiver hears nothing more."""


# containerd, cri-o, socat (Docker) and the embedded cluster, each in its own words
_REFUSED = re.compile(r"connection refused", re.IGNORECASE)
_NOT_RUNNING = re.compile(
    r"not running|is not in running state|container not found|sandbox|network namespace .* closed",
    re.IGNORECASE,
)
_ENDED = re.compile(r"broken pipe", re.IGNORECASE)
_PREFIX = re.compile(r"^error forwarding port \d+ to pod [^,]*, uid ?: ?", re.IGNORECASE)


def says_that_the_pod_has_ended(text: str) -> bool:
    """Whether an error stream's text is about what was sent after the pod's own end, in order."""
    return _ENDED.search(text) is not None


def refusal(text: str, port: int, pod: str) -> KappError:
    """The error that a server's error stream describes.

    The texts are no stable interface: what is not recognised is shown as it is, and is retried like
    a refusal.
    """
    if _REFUSED.search(text):
        return PodRefused(
            f"nothing listens on port {port} in the container of pod {pod}",
            hint="the program may still be starting, or listen on another port",
        )
    plain = " ".join(_PREFIX.sub("", text).split())[:300]
    if _NOT_RUNNING.search(text):
        return PodNotRunning(f"pod {pod} is not running: {plain}")
    return PodRefused(f"port {port} of pod {pod} cannot be reached: {plain}")


def connect_failure(error: BaseException, pod: str) -> KappError:
    """What a failed websocket handshake means. Raw aiohttp errors end here."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        error = ApiError(error.status, "", error.message)
    if isinstance(error, ApiError):
        if error.code == 404:
            return PodGone(f"pod {pod} is gone, or its node does not know it yet")
        if error.code in (401, 403):
            return PodForbidden(
                f"forwarding ports of pod {pod} is forbidden",
                hint="the user needs the verbs get and create on pods/portforward",
            )
        if error.code in (400, 409):
            return PodNotRunning(f"pod {pod} takes no connections yet: {error.message}")
        return StreamBroken(f"the server cannot reach pod {pod}: {error.message}")
    if isinstance(error, KappError):
        return error
    if isinstance(error, TimeoutError):
        return StreamBroken(f"no tunnel to pod {pod}: the server did not answer in time")
    return StreamBroken(f"no tunnel to pod {pod}: {error}")
