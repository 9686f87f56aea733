"""Following a container's log: nothing lost, nothing twice, over any breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kapp.cluster import podlogs as podlogs_module
from kapp.cluster.podlogcursor import MAX_LINE_BYTES, LogCursor, timestamp_ns
from kapp.cluster.podlogs import PodLog
from kapp.runtime.transport import HttpTransport
from kapp.server.http import end

from .fake_kubelet import until

START_NS = 1_795_000_000_000_000_000


def stamp(ns: int) -> bytes:
    seconds, rest = divmod(ns, 1_000_000_000)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S").encode() + b".%09dZ" % rest


def answer(log: list[tuple[int, bytes]], since: str) -> bytes:
    """What a kubelet sends: lines from the whole second on, each with its timestamp."""
    from_ns = timestamp_ns(since.encode()) if since else 0
    return b"".join(stamp(ns) + b" " + line + b"\n" for ns, line in log if ns >= from_ns)


# few distinct times: many lines share one, as with a program that prints in a burst
TIMES = st.lists(st.sampled_from([0, 1, 2, 500_000_000, 999_999_999]), max_size=40)
BREAKS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(TIMES, BREAKS)
@example([0] * 9 + [1], [(342, 1), (107, 1)])  # broken off again among lines already delivered
def test_any_breaks_lose_and_repeat_nothing(
    steps: list[int], breaks: list[tuple[int, int]]
) -> None:
    ns, log = START_NS, []
    for number, step in enumerate(steps):
        ns += step
        log.append((ns, b"line %d" % number))
    cursor, got = LogCursor(), b""
    for length, size in [*breaks, (10**9, 1000)]:
        wire = answer(log, cursor.since_time)[:length]
        cursor.begin()
        for start in range(0, len(wire), size):
            batch = cursor.feed(wire[start : start + size])
            if batch is not None:
                got += batch.data
                assert batch.lines == batch.data.count(b"\n")
    assert got == b"".join(line + b"\n" for _, line in log)


def test_lines_after_a_file_that_was_rotated_away_are_held_until_asked_for() -> None:
    cursor = LogCursor()
    cursor.begin()
    cursor.feed(answer([(START_NS, b"one"), (START_NS + 5, b"two")], ""))
    cursor.begin()
    assert cursor.feed(answer([(START_NS + 9, b"three")], "")) is None
    assert cursor.strayed
    batch = cursor.resume()
    assert batch is not None
    assert batch.data == b"three\n"


def test_a_last_line_without_a_newline() -> None:
    cursor = LogCursor()
    cursor.begin()
    assert cursor.feed(stamp(START_NS) + b" no newl") is None
    assert cursor.feed(b"ine") is None
    batch = cursor.end()
    assert batch is not None
    assert batch.data == b"no newline\n"
    assert cursor.end() is None


def test_the_last_words_of_a_container_that_was_replaced() -> None:
    cursor = LogCursor()
    cursor.begin()
    cursor.feed(stamp(START_NS) + b" fine\n" + stamp(START_NS + 1) + b" panic: no")
    cursor.begin()
    cursor.feed(answer([(START_NS + 3 * 10**9, b"started")], ""))
    batch = cursor.resume()
    assert batch is not None
    assert batch.data == b"panic: no\nstarted\n"


def test_what_the_kubelet_says_itself_is_no_line() -> None:
    remark = b"unable to retrieve container logs for containerd://0123"
    log = [(START_NS, b"one"), (START_NS, b"two")]
    cursor = LogCursor()
    cursor.begin()
    assert cursor.feed(answer(log, "") + remark) is not None
    assert cursor.end() is None
    assert cursor.remark == remark.decode()
    for ending in (b"", b"\n"):
        cursor.begin()
        assert cursor.remark == ""
        assert cursor.feed(remark + ending) is None
        assert not cursor.strayed
    cursor.begin()
    batch = cursor.feed(answer([*log, (START_NS + 1, b"three")], ""))
    assert batch is not None
    assert batch.data == b"three\n"
    assert batch.stamps == stamp(START_NS + 1)


def test_two_streams_that_are_a_little_out_of_order() -> None:
    log = [(START_NS, b"one"), (START_NS + 7, b"two"), (START_NS + 5, b"three")]
    cursor = LogCursor()
    cursor.begin()
    batch = cursor.feed(answer(log, ""))
    assert batch is not None
    assert batch.stamps.split(b"\n") == [stamp(ns) for ns, _ in log]
    cursor.begin()
    batch = cursor.feed(answer([*log, (START_NS + 9, b"four")], ""))
    assert batch is not None
    assert batch.data == b"four\n"


def test_a_line_without_end_is_cut_and_counts_as_one() -> None:
    cursor = LogCursor()
    cursor.begin()
    cursor.feed(stamp(START_NS) + b" ")
    for _ in range(100):
        assert cursor.feed(b"x" * 65536) is None
    batch = cursor.feed(b"end\n" + stamp(START_NS + 1) + b" next\n")
    assert batch is not None
    first, second, rest = batch.data.split(b"\n")
    assert first.endswith(b" [line cut by kapp]")
    assert len(first) <= MAX_LINE_BYTES + 30
    assert (second, rest) == (b"next", b"")


@pytest.mark.parametrize(
    "text",
    [
        b"2026-11-18T11:06:40.000000007Z",
        b"2026-11-18T12:06:40.000000007+01:00",
    ],
)
def test_timestamps_of_any_server(text: bytes) -> None:
    assert timestamp_ns(text) % 1_000_000_000 == 7
    assert timestamp_ns(text) == timestamp_ns(b"2026-11-18T11:06:40.000000007Z")
    assert timestamp_ns(b"2026-11-18T11:06:40.5Z") > timestamp_ns(b"2026-11-18T11:06:40.49Z")
    assert timestamp_ns(b"not a time") == 0


class FakeLog:
    """A kubelet's log endpoint: follows `lines` until `ended`; `cut` breaks the connections.

    It is reached by `server`. `restart` begins a new instance: requests that follow get its log,
    `previous` the last one's.
    """

    server: HttpTransport

    def __init__(self) -> None:
        self.lines: list[tuple[int, bytes]] = []
        self.previous: list[tuple[int, bytes]] | None = None
        self.written = 0
        self.more = asyncio.Event()
        self.ended = False
        self.status = 0
        self.details: dict[str, str] = {}
        self.unknown_previous = 0
        self.requests: list[dict[str, str]] = []
        self.transports: set[asyncio.Transport] = set()

    def write(self, text: bytes) -> None:
        self.lines.append((START_NS + self.written * 300_000_000, text))
        self.written += 1
        self.more.set()

    def restart(self) -> None:
        self.previous, self.lines = self.lines, []
        self.more.set()

    def end(self) -> None:
        self.ended = True
        self.more.set()

    def cut(self) -> None:
        for transport in self.transports:
            transport.abort()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(dict(request.query))
        if self.status:
            body = {"kind": "Status", "status": "Failure", "message": "no", "code": self.status}
            return web.json_response({**body, "details": self.details}, status=self.status)
        since = request.query.get("sinceTime", "")
        from_ns = timestamp_ns(since.encode()) if since else 0
        if "previous" in request.query:
            self.unknown_previous -= 1
            if self.previous is None or self.unknown_previous >= 0:
                return web.json_response({"kind": "Status", "code": 400}, status=400)
            return web.Response(body=answer(self.previous, since))
        response = web.StreamResponse()
        await response.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        self.transports.add(request.transport)
        position, lines = 0, self.lines
        while True:
            new, position = lines[position:], len(lines)
            for ns, line in new:
                if ns >= from_ns:
                    await response.write(stamp(ns) + b" " + line + b"\n")
            if self.ended or lines is not self.lines:
                return response
            self.more.clear()
            await self.more.wait()


@pytest.fixture
async def log() -> AsyncIterator[FakeLog]:
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    log = FakeLog()
    app.router.add_get("/api/v1/namespaces/default/pods/p/log", log.handle)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    log.server = HttpTransport(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield log
    await log.server.close()
    log.end()
    await end(runner)


class Following:
    def __init__(self, log: FakeLog, cursor: LogCursor | None = None) -> None:
        self.data = b""
        self.gone, self.restarts = False, 0
        self.errors: list[str] = []
        self.gaps: list[str] = []
        self.pod_log = PodLog(
            partial(log.server.stream, "GET"),
            "default",
            "p",
            "main",
            cursor=cursor,
            gone=lambda: self.gone,
            restarts=lambda: self.restarts,
            ended=lambda: log.ended,
            on_error=self.errors.append,
            on_gap=self.gaps.append,
        )
        self.task = asyncio.create_task(self.run())

    async def run(self) -> None:
        async for batch in self.pod_log.follow():
            self.data += batch.data

    async def wait(self) -> bytes:
        async with asyncio.timeout(10):
            await self.task
        return self.data


async def test_from_the_first_line_to_the_containers_end(log: FakeLog) -> None:
    log.write(b"one")
    following = Following(log)
    await until(lambda: following.data == b"one\n")
    log.write(b"two")
    await until(lambda: following.data == b"one\ntwo\n")
    log.write(b"three")
    log.end()
    assert await following.wait() == b"one\ntwo\nthree\n"
    assert log.requests[0] == {"container": "main", "follow": "true", "timestamps": "true"}


async def test_cuts_and_errors_in_between(log: FakeLog) -> None:
    following = Following(log)
    expected = b""
    for number in range(12):
        log.write(b"line %d" % number)
        expected += b"line %d\n" % number
        if number % 3 == 0:
            await until(lambda: following.data == expected)  # noqa: B023
            log.cut()
    await until(lambda: following.data == expected)
    log.status = 500
    log.cut()
    await until(lambda: "no" in following.errors)
    log.status = 0
    log.write(b"last")
    await until(lambda: following.data == expected + b"last\n")
    assert following.errors[-1] == ""
    log.end()
    assert await following.wait() == expected + b"last\n"


async def test_a_container_that_starts_later(log: FakeLog) -> None:
    log.status = 400
    following = Following(log)
    await until(lambda: len(log.requests) >= 3)
    log.status = 0
    log.write(b"hello")
    await until(lambda: following.data == b"hello\n")
    assert following.errors == []
    log.end()
    await following.wait()


async def test_a_pod_that_is_gone_ends_it(log: FakeLog) -> None:
    log.status = 404
    assert await Following(log).wait() == b""
    log.details = {"name": "p", "kind": "pods"}
    assert await Following(log).wait() == b""


async def test_a_kubelet_that_was_restarted_and_does_not_know_its_pods_yet(log: FakeLog) -> None:
    log.write(b"one")
    following = Following(log)
    await until(lambda: following.data == b"one\n")
    log.status, log.details = 404, {"name": "p", "kind": "pods/log"}
    asked = len(log.requests)
    log.cut()
    await until(lambda: len(log.requests) > asked + 1)
    log.write(b"two")
    log.status = 0
    await until(lambda: following.data == b"one\ntwo\n")
    log.status = 404
    log.cut()
    following.gone = True
    assert await following.wait() == b"one\ntwo\n"


async def test_a_kubelet_that_never_comes_to_know_its_pod(
    log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs_module, "_START_S", 0.0)
    log.status, log.details = 404, {"name": "p", "kind": "pods/log"}
    following = Following(log)
    await until(lambda: following.errors)
    log.ended = True
    assert await following.wait() == b""


async def test_a_container_that_never_ran(log: FakeLog) -> None:
    log.status, log.ended = 400, True
    assert await Following(log).wait() == b""


async def test_what_a_container_printed_before_a_restart_that_nobody_saw(log: FakeLog) -> None:
    log.write(b"one")
    following = Following(log)
    await until(lambda: following.data == b"one\n")
    log.cut()
    log.write(b"last words")
    log.restart()
    log.unknown_previous = 2  # the kubelet has not noticed yet
    log.write(b"again")
    await until(lambda: following.data == b"one\nlast words\nagain\n")
    log.restart()  # while it is followed: nothing is missing, nothing comes twice
    log.write(b"and again")
    await until(lambda: following.data.endswith(b"again\nand again\n"))
    assert following.gaps == []

    log.cut()
    log.write(b"lost: two restarts while the connection is broken")
    log.restart()
    log.write(b"kept")
    log.restart()
    log.write(b"new")
    await until(lambda: following.data.endswith(b"and again\nkept\nnew\n"))
    assert len(following.gaps) == 1
    log.end()
    await following.wait()


async def test_another_follower_goes_on_where_one_stopped(log: FakeLog) -> None:
    cursor = LogCursor()
    log.write(b"one")
    before = Following(log, cursor)
    await until(lambda: before.data == b"one\n")
    before.task.cancel()
    log.write(b"two")
    after = Following(log, cursor)
    await until(lambda: after.data == b"two\n")
    log.end()
    await after.wait()


async def test_a_name_that_is_another_pods_by_now(log: FakeLog) -> None:
    log.write(b"one")
    following = Following(log)
    await until(lambda: following.data == b"one\n")
    following.gone = True
    log.restart()  # the answer ends
    log.write(b"another pod's")
    assert await following.wait() == b"one\n"
    assert len(log.requests) == 2  # the log, and that of an instance before, at the beginning


async def test_a_container_that_failed_before_anybody_asked(log: FakeLog) -> None:
    log.status = 400
    following = Following(log)
    await until(lambda: len(log.requests) >= 2)
    log.write(b"no such file")
    log.restart()
    log.status = 0
    following.pod_log.hurry()
    await until(lambda: following.data == b"no such file\n")  # the new instance is silent
    log.write(b"well")
    await until(lambda: following.data == b"no such file\nwell\n")
    assert following.gaps == []
    log.end()
    await following.wait()


async def test_a_container_that_failed_twice_before_anybody_asked(log: FakeLog) -> None:
    log.write(b"one")
    log.restart()
    log.write(b"two")
    following = Following(log)
    following.restarts = 2
    await until(lambda: following.data == b"one\ntwo\n")
    assert len(following.gaps) == 1
    log.end()
    await following.wait()


async def test_an_instance_that_ends_between_two_questions(log: FakeLog) -> None:
    log.write(b"one")
    log.write(b"two")
    log.previous = log.lines  # it ended just now: both requests answer with its log
    following = Following(log)
    await until(lambda: following.data == b"one\ntwo\n")
    log.write(b"three")
    await until(lambda: following.data == b"one\ntwo\nthree\n")
    log.end()
    assert await following.wait() == b"one\ntwo\nthree\n"
