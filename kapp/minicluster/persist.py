"""Keeps the cluster's objects on disk: SQLite, written behind the store.

The store tells of every write (`Store.journal`); a flusher writes what changed in one transaction
at most `FLUSH_DELAY_S` later. Several changes of one object between two flushes become one row.

Promises:
- `close()` leaves everything on disk. `kill -9` loses at most the last `FLUSH_DELAY_S`, and never
  leaves half a batch: WAL and one transaction for each flush see to that.
- Versions are never used twice: after an unclean end the counter starts `UNCLEAN_JUMP` further on,
  beyond whatever was given out and lost, so that a client's old version is too old, not wrong.
- Events are not kept.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from kapp.aio.supervise import TaskGroup
from kapp.errors import ConfigError
from kapp.machinery.objects import ObjectKey
from kapp.machinery.store import Change, Store

_log = logging.getLogger(__name__)

FLUSH_DELAY_S = 0.05
"""Half of what may be lost at most: the other half is for the write itself."""

RETRY_DELAY_S = 1.0
"""After a failed write (a full disk), the same changes are written again."""

UNCLEAN_JUMP = 1_000_000
"""More writes than fit between two flushes."""

_FORMAT = 1
_NOT_KEPT = frozenset(("events",))
_TABLES = """
    CREATE TABLE IF NOT EXISTS objects (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY (resource, namespace, name)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS versions (
        id INTEGER PRIMARY KEY CHECK (id = 1), resource_version INTEGER NOT NULL,
        clean INTEGER NOT NULL
    );
"""

_Row = tuple[str, ObjectKey]


class Persistence:
    """One database file, which belongs to this process (the caller holds the cluster's lock).

    Use: `open()`, `restore(store)`, then `start(store)`; `close()` at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: dict[_Row, bytes | None] = {}
        self._in_flight: dict[_Row, bytes | None] = {}
        # A cancelled flusher leaves its thread writing; close() waits for it here.
        self._writing = threading.Lock()
        self._wake = asyncio.Event()
        self._tasks = TaskGroup("persist")
        self._database: sqlite3.Connection | None = None
        self._store: Store | None = None

    def open(self) -> None:
        """Open or make the file (0600). Raises ConfigError if it is no database of kapp's."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            (found,) = database.execute("PRAGMA user_version").fetchone()
            if found not in (0, _FORMAT):
                raise sqlite3.DatabaseError(f"format {found} is not known")
            database.executescript(_TABLES)
            database.execute(f"PRAGMA user_version={_FORMAT}")
        except sqlite3.DatabaseError as e:
            database.close()
            raise ConfigError(
                f"the embedded cluster's state cannot be read: {e}",
                location=str(self._path),
                hint="remove the file to start with an empty cluster",
            ) from e
        self._database = database

    def restore(self, store: Store) -> int:
        """Fill an empty store; returns how many objects it got. Marks the file as in use."""
        database = self._connection()
        row = database.execute("SELECT resource_version, clean FROM versions").fetchone()
        version, clean = row or (0, 1)
        entries = list(self._entries())
        if entries or version:
            store.load(entries, version + (0 if clean else UNCLEAN_JUMP))
        self._write_version(store.resource_version, clean=False)
        return len(entries)

    def _entries(self) -> Iterator[tuple[str, ObjectKey, bytes]]:
        rows = self._connection().execute("SELECT resource, namespace, name, body FROM objects")
        for resource, namespace, name, body in rows:
            yield resource, ObjectKey(namespace, name), body

    def start(self, store: Store) -> None:
        """Keep what is written to `store` from now on."""
        self._store = store
        store.journal = self._note
        self._tasks.spawn(self._flush_forever(), "flusher")

    async def close(self) -> None:
        """Write what is left, say that the end was clean, and close. Safe to call twice."""
        await self._tasks.close()
        if self._database is None:
            return
        if self._store is not None:
            self._store.journal = None
            self._write(self._take(), self._store.resource_version, clean=True)
        self._database.close()
        self._database = None

    def _note(self, change: Change) -> None:
        if change.resource in _NOT_KEPT:
            return
        event = change.event
        body = None if event.type == "DELETED" else event.body
        self._pending[change.resource, event.key] = body
        self._wake.set()

    async def _flush_forever(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_DELAY_S)
            self._wake.clear()
            self._in_flight, version = self._take(), self._connected_store().resource_version
            try:
                await asyncio.to_thread(self._write, self._in_flight, version, clean=False)
                self._in_flight = {}
            except sqlite3.Error as e:
                _log.exception("state could not be written", extra={"error": str(e)})
                self._wake.set()
                await asyncio.sleep(RETRY_DELAY_S)

    def _take(self) -> dict[_Row, bytes | None]:
        """All that is not known to be on disk, a batch that was cut short included."""
        batch, self._pending = {**self._in_flight, **self._pending}, {}
        return batch

    def _write(self, batch: dict[_Row, bytes | None], version: int, *, clean: bool) -> None:
        with self._writing:
            self._transact(batch, version, clean=clean)

    def _transact(self, batch: dict[_Row, bytes | None], version: int, *, clean: bool) -> None:
        database = self._connection()
        gone = [(r, key.namespace, key.name) for (r, key), body in batch.items() if body is None]
        rows = [(r, k.namespace, k.name, body) for (r, k), body in batch.items() if body]
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(
                "DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", gone
            )
            database.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", rows)
            self._write_version(version, clean=clean)
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise

    def _write_version(self, version: int, *, clean: bool) -> None:
        self._connection().execute(
            "INSERT OR REPLACE INTO versions VALUES (1, ?, ?)", (version, int(clean))
        )

    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the database is not open")
        return self._database

    def _connected_store(self) -> Store:
        if self._store is None:
            raise RuntimeError("no store is attached")
        return self._store
