"""The log store: order, budgets, what is dropped, readers fast and slow."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.logs.chunks import chosen
from kapp.logs.store import Chunk, Entry, LogStore, Missed

NOW = datetime(2026, 11, 23, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> LogStore:
    return LogStore(now=clock)


async def kept(store: LogStore, *resources: str, **options: object) -> list[Entry]:
    found = store.read(resources or None, **options)  # type: ignore[arg-type]
    return [entry async for entry in found]


def text(entries: list[Entry]) -> bytes:
    return b"".join(entry.data for entry in entries if isinstance(entry, Chunk))


async def test_spans_come_out_in_the_order_they_were_written(store: LogStore) -> None:
    web, db = store.open("web", "main"), store.open("db", "main")
    store.append(web, b"one\n")
    store.append(db, b"two\n")
    store.append(web, b"three\nfour\n", level="error")
    entries = await kept(store)
    assert text(entries) == b"one\ntwo\nthree\nfour\n"
    assert [e.seq for e in entries if isinstance(e, Chunk)] == [1, 2, 3]
    assert [e.level for e in entries if isinstance(e, Chunk)] == ["info", "info", "error"]
    assert text(await kept(store, "db")) == b"two\n"
    assert store.resources == ["web", "db"]


async def test_chunks_are_cut_at_newlines(store: LogStore) -> None:
    span = store.open("web")
    store.append(span, b"be")
    assert await kept(store) == []
    store.append(span, b"gin\nen")
    assert text(await kept(store)) == b"begin\n"
    store.append(span, b"d")
    store.close(span)
    store.close(span)
    assert text(await kept(store)) == b"begin\nend\n"


async def test_a_line_without_end_is_bounded(store: LogStore) -> None:
    span = store.open("web")
    for _ in range(10):
        store.append(span, b"x" * 100_000)
    assert len(text(await kept(store))) > 700_000


async def test_a_talkative_resource_drops_its_own_oldest_lines(clock: Clock) -> None:
    store = LogStore(now=clock, budget_bytes=100_000)
    quiet, loud = store.open("quiet"), store.open("loud")
    store.append(quiet, b"precious\n")
    for number in range(1000):
        store.append(loud, b"%d\n" % number * 10)
    entries = await kept(store)
    assert isinstance(entries[0], Missed)
    assert entries[0] == Missed("loud", store.dropped("loud"))
    lines = text(entries).splitlines()
    assert lines[0] == b"precious"
    assert lines[-1] == b"999"
    assert len(lines) - 1 + store.dropped("loud") == 10_000
    assert store.dropped("quiet") == store.dropped("nobody") == 0


async def test_since_and_tail(store: LogStore, clock: Clock) -> None:
    span = store.open("web")
    for number in range(5):
        clock.time = NOW + timedelta(seconds=number)
        store.append(span, b"a%d\nb%d\n" % (number, number))
    assert text(await kept(store, since=NOW + timedelta(seconds=4))) == b"a4\nb4\n"
    assert text(await kept(store, tail=3)) == b"b3\na4\nb4\n"
    assert text(await kept(store, tail=0)) == b""
    assert len(text(await kept(store, tail=100)).splitlines()) == 10


async def test_since_is_each_lines_own_time(store: LogStore) -> None:
    span = store.open("web")
    stamps = b"\n".join(b"2026-11-23T00:00:%02dZ" % second for second in range(4))
    store.append(span, b"0\n1\n2\n3\n", time=NOW + timedelta(seconds=3), stamps=stamps)
    assert text(await kept(store, since=NOW + timedelta(seconds=2))) == b"2\n3\n"


async def test_what_was_dropped_long_ago_is_no_matter_since_a_moment(clock: Clock) -> None:
    store = LogStore(now=clock, budget_bytes=1000)
    span = store.open("web")
    for number in range(10):
        clock.time = NOW + timedelta(seconds=number)
        store.append(span, b"%d\n" % number)
    assert isinstance((await kept(store, since=NOW))[0], Missed)
    since = NOW + timedelta(seconds=9)
    assert [type(entry) for entry in await kept(store, since=since)] == [Chunk]


async def test_tail_counts_what_is_selected(store: LogStore) -> None:
    span = store.open("web")
    for number in range(4):
        store.append(span, b"bad %d\nfine\n" % number)

    def bad(chunk: Chunk) -> Chunk | None:
        return chosen(chunk, [0])

    assert text(await kept(store, tail=2, select=bad)) == b"bad 2\nbad 3\n"


async def test_a_reader_follows(store: LogStore) -> None:
    span = store.open("web")
    store.append(span, b"before\n")
    got = bytearray()

    async def read() -> None:
        async for entry in store.read(follow=True):
            assert isinstance(entry, Chunk)
            got.extend(entry.data)
            if entry.data == b"last\n":
                return

    task = asyncio.create_task(read())
    for number in range(50):
        await asyncio.sleep(0)
        store.append(span if number % 2 else store.open("other"), b"%d\n" % number)
    store.append(span, b"last\n")
    async with asyncio.timeout(5):
        await task
    assert bytes(got) == b"before\n" + b"".join(b"%d\n" % n for n in range(50)) + b"last\n"


async def test_a_slow_reader_is_told_what_it_missed(clock: Clock) -> None:
    store = LogStore(now=clock, budget_bytes=10_000)
    span = store.open("web")
    reading = store.read(follow=True)
    store.append(span, b"first\n")
    assert text([await anext(reading)]) == b"first\n"
    for number in range(500):
        store.append(span, b"%d\n" % number)
    missed = await anext(reading)
    following = await anext(reading)
    assert isinstance(missed, Missed)
    assert isinstance(following, Chunk)
    assert following.data == b"%d\n" % missed.lines
    assert 0 < missed.lines < 500
    await reading.aclose()


async def test_secrets_are_taken_out_of_whole_lines(store: LogStore) -> None:
    store.redact = lambda data: data.replace(b"hunter2", b"***")
    span = store.open("web")
    store.append(span, b"password is hun")
    store.append(span, b"ter2\n")
    assert text(await kept(store)) == b"password is ***\n"


async def test_what_is_gone_is_forgotten(store: LogStore) -> None:
    store.append(store.open("web"), b"x\n")
    store.forget("web")
    store.forget("web")
    assert await kept(store) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=20)), max_size=40))
async def test_each_span_reads_as_it_was_written(pieces: list[tuple[str, bytes]]) -> None:
    store = LogStore(now=Clock())
    spans = {name: store.open(name) for name in "abc"}
    for name, piece in pieces:
        store.append(spans[name], piece)
    for span in spans.values():
        store.close(span)
    for name in "abc":
        written = b"".join(piece for who, piece in pieces if who == name)
        if written and not written.endswith(b"\n"):
            written += b"\n"
        assert text(await kept(store, name)) == written
