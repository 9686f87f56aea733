"""Writes to a terminal or a pipe from a thread, so that whoever reads slowly holds up nobody else.

A terminal that was stopped with Ctrl-S, or a pipe nobody reads, blocks `write(2)` for as long as it
likes; in the event loop that would stop the engine. The thread is a daemon: a blocked write does
not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading


class OutputThread:
    """A file descriptor that is written to in order, piece by piece; made in a running loop."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._pieces: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def write(self, text: str) -> None:
        """Write all of it; returns when it is written. Raises OSError, BrokenPipeError among them.

        Cancelling the caller does not take the text back.
        """
        if not text:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="output", daemon=True)
            self._thread.start()
        written: asyncio.Future[None] = self._loop.create_future()
        self._pieces.put((text.encode("utf-8", "replace"), written))
        await written

    def _run(self) -> None:
        while True:
            piece, written = self._pieces.get()
            error: OSError | None = None
            try:
                while piece:
                    piece = piece[os.write(self._descriptor, piece) :]
            except OSError as caught:
                error = caught
            # The loop may have ended while the write was blocked.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_settle, written, error)


def _settle(written: asyncio.Future[None], error: OSError | None) -> None:
    if written.done():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
