"""Writes a watch to its client: as events come, many in one write when they come fast.

Invariants:
- An event that comes after a pause is sent at once; those that follow it closely share writes.
- Watches that see the same events are written to together, with the same bytes: then a delivery
  costs little more than its system call.
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

# Events this close together share a write.
_COALESCE_S = 0.005
# Where one round of writes takes long (many watchers, TLS, a busy machine), the next waits so many
# times as long, within a tenth of a second: watchers leave the loop to others. Few watchers are
# written to as soon as it costs little, however long events go on to come.
_REST = 5
_LONGEST_REST_S = 0.1
# A watcher that was not written to for so long has something new at once.
_PAUSE_S = 0.04
# With more than this unsent, a client is waited for.
_UNSENT_BYTES = 1 << 16
# Source: minRequestTimeout of k8s.io/apiserver: spread over twice this, so that clients do not
# come back all at once.
_DEFAULT_TIMEOUT_S = 1800
# Source: defaultBookmarkFrequency in k8s.io/apiserver/pkg/storage/cacher.
_BOOKMARK_S = 60.0
# A client that reads takes the last lines at once; the server's own end must not wait for others.
_END_S = 0.2


class Rhythm:
    """When the watches of one server are written to; no more than one timer for all of them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now: set[WatchStream] = set()
        self._later: set[WatchStream] = set()
        self._pause_s = _COALESCE_S
        self._last_beat = 0.0
        self._framed: tuple[bytes, memoryview] = (b"", memoryview(b""))

    def wake(self, stream: WatchStream) -> None:
        """Have `stream.flush` called: soon, or with others if it was written to a moment ago."""
        time = self._loop.time()
        if time - stream.last_write >= _PAUSE_S:
            if not self._now:
                self._loop.call_soon(self._flush_now)
            self._now.add(stream)
            return
        if not self._later:
            if time - self._last_beat > 2 * _PAUSE_S:
                self._pause_s, self._last_beat = _COALESCE_S, time
            self._loop.call_at(self._last_beat + self._pause_s, self._beat)
        self._later.add(stream)

    def framed(self, chunk: bytes) -> memoryview:
        """The bytes as a chunk of HTTP/1.1's chunked encoding; the same for the same bytes.

        A view, since asyncio's TLS cuts what it is given after each record of 16 KiB, which would
        copy all the rest.
        """
        if self._framed[0] is not chunk:
            self._framed = (chunk, memoryview(b"%x\r\n%b\r\n" % (len(chunk), chunk)))
        return self._framed[1]

    def _flush_now(self) -> None:
        streams, self._now = self._now, set()
        for stream in streams:
            stream.flush()

    def _beat(self) -> None:
        started = self._last_beat = self._loop.time()
        streams, self._later = self._later, set()
        for stream in streams:
            stream.flush()
        self._framed = (b"", memoryview(b""))
        rest_s = min(_REST * (self._loop.time() - started), _LONGEST_REST_S)
        self._pause_s = max(_COALESCE_S, rest_s)


class WatchStream:
    """One client's watch.

    What comes is written by `flush`, straight to the connection. The task that runs the watch only
    begins and ends it, sends bookmarks, and writes while the client is slow.

    Attributes:
        last_write: when something was written, by the loop's clock.
    """

    def __init__(self, watch: WatchResponse, rhythm: Rhythm) -> None:
        self.last_write = 0.0
        self._watch = watch
        self._rhythm = rhythm
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._needed = asyncio.Event()  # the task has something to do
        self._behind = False
        self._stopped = False

    def stop(self) -> None:
        """End it soon, as if its time had run out."""
        self._stopped = True
        self._needed.set()

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
            self._transport = request.transport
            timeout_s = watch.timeout_s or _DEFAULT_TIMEOUT_S * (1 + random.random())
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._send_initial(response)
                    await self._send(response)
            await self._end(request, response)
            return response
        finally:
            watch.selection.close()

    def flush(self) -> None:
        """Write what has come, unless the client is behind: then its task does."""
        transport = self._transport
        if transport is None or self._behind or self._stopped:
            return
        while not transport.is_closing():
            if transport.get_write_buffer_size() > _UNSENT_BYTES:
                self._behind = True
                break
            chunk = self._taken()
            if not chunk:
                break
            transport.write(self._rhythm.framed(chunk))
            self.last_write = self._loop.time()
        if self._behind or self._watch.selection.closed:
            self._needed.set()

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
        selection = self._watch.selection
        selection.on_wake(lambda: self._rhythm.wake(self))
        self._behind = True  # something may have come while the first events were sent
        timer = self._loop.call_later(_BOOKMARK_S, self._needed.set)
        try:
            while not self._stopped:
                self._needed.clear()
                if self._behind:
                    await self._catch_up(response)
                if selection.closed:
                    if selection.error is not None:
                        await response.write(error_line(selection.error))
                    return
                if self._loop.time() >= timer.when():
                    await self._bookmark(response)
                    timer = self._loop.call_later(_BOOKMARK_S, self._needed.set)
                await self._needed.wait()
        finally:
            timer.cancel()

    async def _catch_up(self, response: web.StreamResponse) -> None:
        """Write at the client's speed until nothing is left to write."""
        while chunk := self._taken():
            await response.write(chunk)
            self.last_write = self._loop.time()
        self._behind = False

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
