"""File events from watchfiles, in a thread: for systems without inotify."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from kapp.aio.filewatch import EntryChange

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

# How long watchfiles waits between looks at its queue, and how long it waits for quiet.
_STEP_MS = 10
_DEBOUNCE_MS = 50
# For file systems without events, which watchfiles finds out by itself.
_POLL_DELAY_MS = 300
# A thread that waits for a dead watcher's next event ends within this.
_TIMEOUT_MS = 500


class ThreadBackend:
    """Implements `kapp.aio.filewatch.Backend`; made in a running loop."""

    def __init__(self, on_entries: Callable[[list[EntryChange]], None]) -> None:
        self._on_entries = on_entries
        self._loop = asyncio.get_running_loop()
        self._directories: frozenset[str] = frozenset()
        self._stop = threading.Event()

    def watch(self, directories: Collection[str]) -> None:
        """Watch the entries of exactly these; a changed set starts a new thread."""
        wanted = frozenset(one for one in directories if os.path.isdir(one))
        if wanted == self._directories:
            return
        # The constructor of the notifier begins to watch, so nothing is missed from here on.
        from watchfiles._rust_notify import RustNotify

        self._directories = wanted
        self._stop.set()
        self._stop = threading.Event()
        if wanted:
            notifier = RustNotify(sorted(wanted), False, False, _POLL_DELAY_MS, False, True)
            threading.Thread(
                target=self._run, args=(notifier, self._stop), name="filewatch", daemon=True
            ).start()

    def close(self) -> None:
        """Stop. Safe to call twice."""
        self._stop.set()

    def _run(self, notifier: RustNotify, stop: threading.Event) -> None:
        import watchfiles

        with notifier:
            while True:
                batch = notifier.watch(_DEBOUNCE_MS, _STEP_MS, _TIMEOUT_MS, stop)
                if stop.is_set():
                    return
                if not isinstance(batch, set):
                    continue
                entries = [
                    EntryChange(
                        path, True, kind != watchfiles.Change.modified, not os.path.isfile(path)
                    )
                    for kind, path in batch
                ]
                self._loop.call_soon_threadsafe(self._report, entries, stop)

    def _report(self, entries: list[EntryChange], stop: threading.Event) -> None:
        if not stop.is_set():
            self._on_entries(entries)
