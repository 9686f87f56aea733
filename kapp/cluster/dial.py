"""One websocket handshake that a broken network cannot hold up. Called by `portforward.py`."""

from __future__ import annotations

import asyncio
from typing import Final, TypeAlias

import aiohttp

from kapp.aio.supervise import TaskGroup
from kapp.cluster.podstream import ConnectWebsocket, Dispose, StreamBroken, connect_failure
from kapp.errors import KappError
from kapp.machinery.status import ApiError

DIAL_TIMEOUT_S: Final = 10.0
"""For TCP, TLS, the server's authorization and the kubelet's upgrade together."""

_NEXT_ATTEMPT_S = 1.5
"""An attempt that takes this long is joined by another, and so on; the first to end counts. Packets
that a broken network lost are sent again after 1, 2, 4… s (RFC 6298), long after it is well again.
"""

_Outcome: TypeAlias = aiohttp.ClientWebSocketResponse | KappError


async def dial(
    connect: ConnectWebsocket,
    path: str,
    protocols: tuple[str, ...],
    pod: str,
    tasks: TaskGroup,
    dispose: Dispose,
) -> aiohttp.ClientWebSocketResponse:
    """An open websocket. Raises ApiError as the server said it, or a KappError in plain words.

    `pod` is for messages, `tasks` owns the attempts, `dispose` closes what turned out unneeded.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DIAL_TIMEOUT_S
    attempts: list[asyncio.Task[_Outcome]] = []
    try:
        while (left_s := deadline - loop.time()) > 0:
            attempts.append(tasks.spawn(_attempt(connect, path, protocols, pod), "dial"))
            done, _ = await asyncio.wait(
                attempts,
                timeout=min(_NEXT_ATTEMPT_S, left_s),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if done:
                first = done.pop()
                attempts.remove(first)
                if first.cancelled():  # by its owner, not by who waits here
                    raise StreamBroken(f"the forward to pod {pod} is closed")
                outcome = first.result()
                if isinstance(outcome, KappError):
                    raise outcome
                return outcome
        raise connect_failure(TimeoutError(), pod)
    finally:
        for attempt in attempts:
            if not attempt.cancel() and not attempt.cancelled():
                outcome = attempt.result()
                if not isinstance(outcome, KappError):
                    dispose(_close(outcome))


async def _attempt(
    connect: ConnectWebsocket, path: str, protocols: tuple[str, ...], pod: str
) -> _Outcome:
    try:
        return await connect(path, protocols=protocols)
    except aiohttp.WSServerHandshakeError as error:
        return ApiError(error.status, "", error.message)
    except KappError as error:
        return error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return connect_failure(error, pod)


async def _close(ws: aiohttp.ClientWebSocketResponse) -> None:
    await ws.close()
