"""Writes a watch to its client: as events come, many in one write when they come fast.

Invariants:
- An event that comes after a pause is sent at once; those that follow it closely share writes.
- A client that does not read stops nothing: the selection is overtaken by its log and the client
  is told 410, or the watch's time runs out.
- The watch ends with its client, with its time, or with the server, and frees its cursor.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from aiohttp import web

from kapp.machinery.requests import WatchResponse
from kapp.machinery.watching import error_line

# Events this close together share a write; under lasting load a watcher is written to at most 50
# times a second, whatever the rate of events: each write costs about as much as 20 events.
_COALESCE_S = 0.005
_LONGEST_COALESCE_S = 0.02
# Source: minRequestTimeout of k8s.io/apiserver: spread over twice this, so that clients do not
# come back all at once.
_DEFAULT_TIMEOUT_S = 1800
# Source: defaultBookmarkFrequency in k8s.io/apiserver/pkg/storage/cacher.
_BOOKMARK_S = 60.0
# A client that reads takes the last lines at once; the server's own end must not wait for others.
_END_S = 0.2


class WatchStream:
    """One client's watch."""

    def __init__(self, watch: WatchResponse) -> None:
        self._watch = watch
        self._woken = asyncio.Event()
        self._stopped = False
        watch.selection.on_wake(self._woken.set)

    def stop(self) -> None:
        """End it soon, as if its time had run out."""
        self._stopped = True
        self._woken.set()

    async def run(self, request: web.Request) -> web.StreamResponse:
        """Answer the request; returns when the watch has ended."""
        watch = self._watch
        try:
            response = web.StreamResponse(
                headers={
                    "Content-Type": watch.content_type,
                    "Cache-Control": "no-cache, private",
                }
            )
            response.enable_chunked_encoding()
            await response.prepare(request)
            timeout_s = watch.timeout_s or _DEFAULT_TIMEOUT_S * (1 + random.random())
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._send_initial(response)
                    await self._send(response)
            await self._end(request, response)
            return response
        finally:
            watch.selection.close()

    async def _end(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say how far it got, and end the response; one that cannot be written to is cut off."""
        try:
            async with asyncio.timeout(_END_S):
                await self._bookmark(response)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()

    async def _send_initial(self, response: web.StreamResponse) -> None:
        watch = self._watch
        chunk = b"".join(iter(self._taken, b""))
        if watch.initial_end:
            chunk += watch.bookmark(watch.version(), True)
        if chunk:
            await response.write(chunk)

    async def _send(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        selection = self._watch.selection
        last_write, pause_s = loop.time(), _COALESCE_S
        timer = loop.call_later(_BOOKMARK_S, self._woken.set)
        try:
            while not self._stopped:
                self._woken.clear()
                chunk = self._taken()
                if chunk:
                    await response.write(chunk)
                    last_write = loop.time()
                    continue
                if selection.closed:
                    if selection.error is not None:
                        await response.write(error_line(selection.error))
                    return
                if loop.time() >= timer.when():
                    await self._bookmark(response)
                    timer = loop.call_later(_BOOKMARK_S, self._woken.set)
                await self._woken.wait()
                # Woken again right after a write: there is a burst, so wait for more of it.
                since_s = loop.time() - last_write
                if since_s < pause_s and not self._stopped:
                    await asyncio.sleep(pause_s - since_s)
                    pause_s = min(2 * pause_s, _LONGEST_COALESCE_S)
                else:
                    pause_s = _COALESCE_S
        finally:
            timer.cancel()

    def _taken(self) -> bytes:
        """Lines of what has come; nothing arms the next wake-up."""
        lines = self._watch.lines
        if lines is None:
            return self._watch.selection.take_lines()
        events = self._watch.selection.take()
        return lines(events) if events else b""

    async def _bookmark(self, response: web.StreamResponse) -> None:
        if not self._watch.bookmarks or self._watch.selection.closed:
            return
        # The version is true only once everything up to it has been taken.
        chunk = b"".join(iter(self._taken, b""))
        await response.write(chunk + self._watch.bookmark(self._watch.version(), False))
