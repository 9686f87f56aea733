"""Log lines a second: what it costs to take in what the API server sends, line by line.

The path from a response's bytes to the store, without the network: the cursor that takes the
timestamps off and remembers where it is, then the store with its budget. CPU time, so that a busy
machine does not blur it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Figure, main
from kapp.cluster.podlogcursor import LogCursor
from kapp.logs.store import LogStore

LINES = 1_000_000
_CHUNK_BYTES = 64 * 1024
_TEXT = b"x" * 60


def measure(_kubeconfig: Path | None) -> list[Figure]:
    """A million lines of 95 bytes from one container."""
    stamp = b"2026-11-26T20:00:%02d.%09dZ "
    wire = b"".join(stamp % (n // 100_000, n) + _TEXT + b"\n" for n in range(LINES))
    store = LogStore(now=lambda: datetime.now(UTC))
    span, cursor = store.open("web", "main"), LogCursor()
    cursor.begin()
    taken = 0
    started = time.process_time()
    for start in range(0, len(wire), _CHUNK_BYTES):
        batch = cursor.feed(wire[start : start + _CHUNK_BYTES])
        if batch is not None:
            store.append(span, batch.data)
            taken += batch.lines
    used = time.process_time() - started
    if taken != LINES:
        raise RuntimeError(f"{taken} of {LINES} lines arrived")
    share = used / LINES * 100_000 * 100
    return [Figure("log ingest at 100 000 lines/s", share, "% of a core", budget=25)]


if __name__ == "__main__":
    main(measure)
