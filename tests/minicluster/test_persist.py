import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.errors import ConfigError
from kapp.machinery.objects import ObjectKey
from kapp.machinery.store import Store
from kapp.minicluster.persist import UNCLEAN_JUMP, Persistence

WRITER = """
import asyncio, sys
from pathlib import Path
from kapp.machinery.objects import ObjectKey
from kapp.machinery.store import Store
from kapp.minicluster.persist import Persistence

async def main():
    store, persistence = Store(), Persistence(Path(sys.argv[1]))
    persistence.open()
    persistence.restore(store)
    persistence.start(store)
    for number in range(1_000_000):
        for part in "ab":
            key = ObjectKey("default", part)
            obj = {"metadata": {"name": part}, "number": number}
            (store.replace if number else store.create)("things", key, obj)
        if number % 50 == 0:
            print(number, flush=True)
            await asyncio.sleep(0.001)

asyncio.run(main())
"""


def thing(name, **fields):
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name}, **fields}


def write(store, name, **fields):
    key = ObjectKey("default", name)
    exists = store.get("things", key) is not None
    (store.replace if exists else store.create)("things", key, thing(name, **fields))


def bodies(store, resource="things"):
    return {key: entry.object() for key, entry in store.list(resource)}


async def reopened(path):
    store, persistence = Store(), Persistence(path)
    persistence.open()
    persistence.restore(store)
    await persistence.close()
    return store


async def test_what_was_written_is_there_again(tmp_path):
    store, persistence = Store(), Persistence(tmp_path / "objects.db")
    persistence.open()
    assert persistence.restore(store) == 0
    persistence.start(store)
    write(store, "a", n=1)
    write(store, "a", n=2)
    write(store, "b")
    store.remove("things", ObjectKey("default", "b"))
    store.create("events", ObjectKey("default", "e"), thing("e"))
    await persistence.close()

    again = await reopened(tmp_path / "objects.db")

    assert bodies(again) == bodies(store)
    assert again.resource_version == store.resource_version
    assert bodies(again, "events") == {}
    assert stat.S_IMODE((tmp_path / "objects.db").stat().st_mode) == 0o600


async def test_writes_reach_the_disk_without_being_closed(tmp_path):
    path = tmp_path / "objects.db"
    store, persistence = Store(), Persistence(path)
    persistence.open()
    persistence.restore(store)
    persistence.start(store)
    write(store, "a")
    reader = sqlite3.connect(path)
    try:
        async with asyncio.timeout(5):
            while not reader.execute("SELECT count(*) FROM objects").fetchone()[0]:
                await asyncio.sleep(0.005)
    finally:
        reader.close()
        await persistence.close()


def test_kill_leaves_whole_batches_and_never_repeats_a_version(tmp_path):
    path = tmp_path / "objects.db"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 5000:
                break
        os.kill(writer.pid, signal.SIGKILL)
        seen = int(line)
    store, persistence = Store(), Persistence(path)
    persistence.open()
    persistence.restore(store)

    numbers = {obj["number"] for obj in bodies(store).values()}

    # Both objects are written in one go of the loop, so one batch holds both or neither.
    assert len(numbers) == 1
    assert numbers.pop() > 0
    assert store.resource_version > 2 * seen
    assert store.resource_version > UNCLEAN_JUMP
    persistence._connection().close()


async def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "objects.db"
    path.write_bytes(b"not a database, but long enough to look at" * 10)
    with pytest.raises(ConfigError) as e:
        Persistence(path).open()
    assert str(path) in str(e.value)
    assert "remove the file" in e.value.hint


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 3) | st.none(), st.booleans()),
        max_size=20,
    )
)
def test_a_restored_store_equals_the_store(tmp_path_factory, steps):
    async def run():
        path = tmp_path_factory.mktemp("state") / "objects.db"
        store = Store()
        persistence = Persistence(path)
        persistence.open()
        persistence.restore(store)
        persistence.start(store)
        for name, value, pause in steps:
            key = ObjectKey("default", name)
            if value is not None:
                write(store, name, value=value)
            elif store.get("things", key) is not None:
                store.remove("things", key)
            if pause:
                await asyncio.sleep(0)
        await persistence.close()
        assert bodies(await reopened(path)) == bodies(store)

    asyncio.run(run())
