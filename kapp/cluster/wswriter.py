"""The sending half of a websocket: a bounded queue, written in large messages by one task.

`send` never blocks; `on_pause` and `on_resume` are called as the queue passes its marks, as an
asyncio transport does for its protocol. Used by `tunnel.py` and `channelstream.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import aiohttp

from kapp.cluster.podstream import Buffer

HIGH_WATER_BYTES = 512 * 1024
"""Above this, sources are paused: a few messages' worth, so that the socket never runs dry."""

_LOW_WATER_BYTES = HIGH_WATER_BYTES // 4

_MESSAGE_BYTES = 128 * 1024
"""Frames are joined up to this: fewer messages; larger ones gained nothing when measured."""


class WebsocketWriter:
    """Owns sending on `ws`. `run` is the task; it ends with the error that ended sending.

    `join`: whether messages may be joined (a byte stream) or not (each is a message).
    """

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse,
        *,
        join: bool,
        on_pause: Callable[[], None],
        on_resume: Callable[[], None],
    ) -> None:
        self._ws = ws
        self._join = join
        self._on_pause = on_pause
        self._on_resume = on_resume
        self._queue: deque[tuple[Buffer, ...]] = deque()
        self._buffered = 0
        self._wake = asyncio.Event()
        self._ending = False
        self.paused = False

    def send(self, *parts: Buffer) -> None:
        """Queue the parts of one message."""
        self._queue.append(parts)
        self._buffered += sum(map(len, parts))
        self._wake.set()
        if not self.paused and self._buffered > HIGH_WATER_BYTES:
            self.paused = True
            self._on_pause()

    def finish(self) -> None:
        """Let `run` return once the queue is empty."""
        self._ending = True
        self._wake.set()

    async def run(self) -> None:
        """Write until `finish`. Raises what aiohttp raises when the websocket is gone."""
        while True:
            if not self._queue:
                if self._ending:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            parts, size = self._take()
            await self._ws.send_bytes(b"".join(parts))
            self._buffered -= size
            if self.paused and self._buffered <= _LOW_WATER_BYTES:
                self.paused = False
                self._on_resume()

    def _take(self) -> tuple[list[Buffer], int]:
        parts = list(self._queue.popleft())
        size = sum(map(len, parts))
        while self._join and self._queue and size < _MESSAGE_BYTES:
            more = self._queue.popleft()
            parts += more
            size += sum(map(len, more))
        return parts, size
