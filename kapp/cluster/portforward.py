"""The way to one pod's ports: a warm tunnel, replaced when it breaks; channels where it is refused.

    PodDialer ──▶ Tunnel (tunnel.py) ──▶ TunnelStream     SPDY, Kubernetes 1.31 and newer
              └─▶ ChannelStream (channelstream.py)        one websocket each, older servers

`forwarder.py` keeps one dialer per pod. Nothing from aiohttp leaves this file: every failure is a
KappError (`podstream.py` has the tree). After a failed dial, further ones fail at once with the
same error for a moment, so that many waiting connections do not become a storm of requests.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp

from kapp.aio.supervise import TaskGroup
from kapp.cluster.channelstream import ChannelStream
from kapp.cluster.dial import dial
from kapp.cluster.podstream import (
    ConnectWebsocket,
    PodForbidden,
    PodStream,
    StreamBroken,
    StreamReceiver,
    connect_failure,
)
from kapp.cluster.tunnel import Tunnel
from kapp.errors import KappError
from kapp.machinery.status import ApiError
from kapp.wire import channels

_log = logging.getLogger(__name__)

_HOLD_FIRST_S = 0.1
_HOLD_MOST_S = 0.5
"""How long a failed dial speaks for the next ones; doubles from the first to the most. By so much a
connection may come later than the pod can be reached again."""

_REWARM_MOST_S = 5.0
"""Between attempts to replace a tunnel that broke while nobody was connected."""

_NO_TUNNEL_CODES = frozenset({400, 403, 405, 406, 415, 426, 500, 501})
"""How servers refuse a websocket protocol they do not know. kubectl falls back on any failed
upgrade (k8s.io/client-go/tools/portforward/fallback_dialer.go); a missing pod needs no second ask.
"""


class PodDialer:
    """Opens connections to the ports of one pod.

    Args:
        ws_connect: see `ConnectWebsocket`.
        namespace: of the pod.
        pod: its name.
        on_idle: called when the last connection ended.
    """

    def __init__(
        self,
        ws_connect: ConnectWebsocket,
        namespace: str,
        pod: str,
        *,
        on_idle: Callable[[PodDialer], None] = lambda _: None,
    ) -> None:
        self.namespace = namespace
        self.pod = pod
        self.legacy = False  # the server was found to know channels only
        self.on_idle = on_idle
        self._ws_connect = ws_connect
        self._tasks = TaskGroup(f"portforward {namespace}/{pod}")
        self._tunnels: list[Tunnel] = []
        self._channels: set[ChannelStream] = set()
        self._dialing: asyncio.Task[Tunnel | KappError | None] | None = None
        # Never closed, as a dial that is given up may still leave a socket to close.
        self._disposing = TaskGroup(f"sockets to {namespace}/{pod}")
        self._disposals: set[asyncio.Task[None]] = set()
        self._failure: KappError | None = None
        self._hold_until = 0.0
        self._hold_s = 0.0
        self._warm = False
        self._rewarming = False
        self._closed = False

    @property
    def stream_count(self) -> int:
        """Connections open to the pod."""
        return sum(t.stream_count for t in self._tunnels) + len(self._channels)

    async def warm(self) -> None:
        """Open a tunnel now, and from now on whenever the last breaks. Raises KappError."""
        self._warm = True
        if not self.legacy:
            await self._usable_tunnel(None)

    def forgive(self) -> None:
        """Something changed for the better: do not let an earlier failure speak for the next."""
        self._hold_until = self._hold_s = 0.0

    async def open(self, port: int, receiver: StreamReceiver) -> PodStream:
        """A connection to `port`. Raises KappError if there is no way to the pod.

        That the pod refuses the port is told later, by `receiver.stream_lost`.
        """
        if not self.legacy:
            tunnel = await self._usable_tunnel(port)
            if tunnel is not None:
                return tunnel.open(port, receiver)
        return await self._open_channel(port, receiver)

    async def close(self) -> None:
        """Break every connection and end."""
        self._closed = True
        self._warm = False
        for tunnel in list(self._tunnels):
            await tunnel.close()
        self._tunnels.clear()
        for channel in list(self._channels):
            await channel.close()
        await self._tasks.close()
        if self._disposals:
            await asyncio.wait(self._disposals)

    def _dispose(self, closing: Coroutine[Any, Any, None]) -> None:
        """Run to its end, even if the dialer is closed meanwhile: a socket hangs on it."""
        task = self._disposing.spawn(closing, "dispose")
        self._disposals.add(task)
        task.add_done_callback(self._disposals.discard)

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.pod}/portforward"

    # -- the tunnel

    async def _usable_tunnel(self, port: int | None) -> Tunnel | None:
        """One for `port`, or for any; None: the server knows channels only.

        Each port has tunnels of its own: what one port refuses can block a part of its tunnel (see
        `tunnel.py`). Concurrent callers share one dial.
        """
        while True:
            for tunnel in self._tunnels:
                if tunnel.usable and (port is None or tunnel.port in (None, port)):
                    if port is not None:
                        tunnel.port = port
                    return tunnel
            self._raise_held()
            self._raise_closed()
            if self._dialing is None or self._dialing.done():
                self._dialing = self._tasks.spawn(self._dial(), "dial")
            try:
                outcome = await asyncio.shield(self._dialing)
            except asyncio.CancelledError:
                waiting = asyncio.current_task()
                if not (waiting and waiting.cancelling()):  # the dial was cancelled, not who waits
                    self._raise_closed()
                raise
            if isinstance(outcome, KappError):
                raise outcome
            if outcome is None:
                return None
            if not outcome.usable:
                raise StreamBroken(f"the tunnel to pod {self.pod} closed at once")

    async def _dial(self) -> Tunnel | KappError | None:
        try:
            ws = await self._connect(self._path, (channels.TUNNEL,))
        except ApiError as error:
            if error.code in _NO_TUNNEL_CODES:
                return None
            return self._failed(connect_failure(error, self.pod))
        except KappError as error:
            return self._failed(error)
        if ws.protocol != channels.TUNNEL:
            await ws.close()
            return None
        tunnel = Tunnel(
            ws,
            self.pod,
            self._tasks,
            dispose=self._dispose,
            on_lost=self._tunnel_lost,
            on_idle=self._tunnel_idle,
        )
        self._tunnels.append(tunnel)
        tunnel.start()
        self._worked()
        return tunnel

    def _tunnel_lost(self, tunnel: Tunnel, error: KappError) -> None:
        if tunnel in self._tunnels:
            self._tunnels.remove(tunnel)
        _log.debug("tunnel lost", extra={"pod": self.pod, "error": str(error)})
        self._keep_warm()
        self._judge_idle()

    def _tunnel_idle(self, tunnel: Tunnel) -> None:
        # opened beside a congested one, or replacing it: one warm tunnel for a port is enough
        is_spare = any(one is not tunnel and one.port == tunnel.port for one in self._tunnels)
        if tunnel in self._tunnels and (is_spare or tunnel.retired):
            self._tunnels.remove(tunnel)
            self._dispose(tunnel.close())
            self._keep_warm()
        self._judge_idle()

    def _keep_warm(self) -> None:
        if self._warm and not (self._closed or self._rewarming or self._tunnels):
            self._rewarming = True
            self._tasks.spawn(self._rewarm(), "rewarm")

    def _judge_idle(self) -> None:
        if not self._closed and self.stream_count == 0:
            self.on_idle(self)

    async def _rewarm(self) -> None:
        delay_s = _HOLD_FIRST_S
        try:
            while self._warm and not self._tunnels:
                # jittered: an API server that restarts has every tunnel to take back
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, _REWARM_MOST_S)
                try:
                    await self._usable_tunnel(None)
                    return
                except PodForbidden:
                    return
                except KappError:
                    # PodGone too: kubelets that start know no pod yet; the owner closes the
                    # dialer of a pod that is gone
                    continue
        finally:
            self._rewarming = False

    # -- channels

    async def _open_channel(self, port: int, receiver: StreamReceiver) -> PodStream:
        self._raise_held()
        self._raise_closed()
        opened_at = asyncio.get_running_loop().time()
        try:
            ws = await self._connect(f"{self._path}?ports={port}", (channels.V4,))
        except ApiError as error:
            raise self._failed(connect_failure(error, self.pod)) from error
        except KappError as error:
            raise self._failed(error) from error
        if self._closed:
            await ws.close()
            self._raise_closed()
        self.legacy = True
        self._worked()
        stream = ChannelStream(
            ws,
            self.pod,
            port,
            receiver,
            self._tasks,
            opened_at=opened_at,
            dispose=self._dispose,
            on_end=self._channel_ended,
        )
        self._channels.add(stream)
        return stream

    def _channel_ended(self, stream: ChannelStream) -> None:
        self._channels.discard(stream)
        self._judge_idle()

    # -- both

    async def _connect(
        self, path: str, protocols: tuple[str, ...]
    ) -> aiohttp.ClientWebSocketResponse:
        return await dial(self._ws_connect, path, protocols, self.pod, self._tasks, self._dispose)

    def _failed(self, error: KappError) -> KappError:
        loop = asyncio.get_running_loop()
        self._hold_s = min(self._hold_s * 2 or _HOLD_FIRST_S, _HOLD_MOST_S)
        self._hold_until = loop.time() + self._hold_s
        self._failure = error
        return error

    def _worked(self) -> None:
        self._failure = None
        self.forgive()

    def _raise_held(self) -> None:
        if self._failure is not None and asyncio.get_running_loop().time() < self._hold_until:
            raise self._failure

    def _raise_closed(self) -> None:
        if self._closed:
            raise StreamBroken(f"the forward to pod {self.pod} is closed") from None
