"""Reflectors: cache equals server, handlers see only changes, everything heals."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.errors import Unreachable
from kapp.machinery.objects import ObjectKey
from kapp.machinery.status import ApiError, gone
from kapp.runtime import reflector as module
from kapp.runtime.client import WatchEvent
from kapp.runtime.reflector import Reflector

from .scripted import CONFIG_MAPS, ScriptedClient, config_map, eventually, running


@pytest.fixture(autouse=True)
def no_long_delays(monkeypatch):
    monkeypatch.setattr(module, "BASE_DELAY_S", 0.001)
    monkeypatch.setattr(module, "MAX_DELAY_S", 0.002)


def recording(reflector):
    seen = []
    reflector.subscribe(
        lambda change, new, old: seen.append(
            (change, new["metadata"]["name"], new["data"].get("v"), (old or {}).get("data"))
        )
    )
    return seen


def event(change, *args, **kwargs):
    return WatchEvent(change, config_map(*args, **kwargs))


async def test_lists_then_follows_the_watch():
    client = ScriptedClient(
        lists=[([config_map("a", 1)], "5")],
        watches=[
            [
                event("ADDED", "b", 6, v="1"),
                event("MODIFIED", "b", 7, v="2"),
                event("DELETED", "a", 8),
                asyncio.Event(),
            ]
        ],
    )
    reflector = Reflector(client, CONFIG_MAPS)
    seen = recording(reflector)
    async with running(reflector):
        await reflector.synced.wait()
        await eventually(lambda: len(seen) == 4)
    assert client.watched_from == ["5"]
    assert seen == [
        ("ADDED", "a", None, None),
        ("ADDED", "b", "1", None),
        ("MODIFIED", "b", "2", {"v": "1"}),
        ("DELETED", "a", None, {}),
    ]
    assert [o["metadata"]["name"] for o in reflector.list()] == ["b"]
    assert reflector.get(ObjectKey("default", "a")) is None
    assert reflector.error == ""


@pytest.mark.parametrize("failure", [gone("too old"), Unreachable("cut"), ApiError(500, "", "x")])
async def test_a_relist_reports_only_what_changed(failure):
    after = [config_map("same", 1), config_map("changed", 9), config_map("new", 8)]
    client = ScriptedClient(
        lists=[
            ([config_map("same", 1), config_map("changed", 2), config_map("lost", 3)], "5"),
            (after, "9"),
        ],
        watches=[[failure]],
    )
    reflector = Reflector(client, CONFIG_MAPS)
    seen = recording(reflector)
    async with running(reflector):
        await eventually(lambda: len(client.watched_from) == 2)
    assert [s[:2] for s in seen[3:]] == [
        ("DELETED", "lost"),
        ("MODIFIED", "changed"),
        ("ADDED", "new"),
    ]
    assert client.watched_from == ["5", "9"]


async def test_an_object_made_again_while_nobody_watched_is_two_changes():
    client = ScriptedClient(
        lists=[
            ([config_map("a", 1, uid="old")], "1"),
            ([config_map("a", 5, uid="new")], "5"),
        ],
        watches=[[gone("too old")]],
    )
    reflector = Reflector(client, CONFIG_MAPS)
    seen = recording(reflector)
    async with running(reflector):
        await eventually(lambda: len(seen) == 3)
    assert [s[0] for s in seen] == ["ADDED", "DELETED", "ADDED"]


async def test_a_watch_that_ended_is_continued_from_the_newest_version_bookmarks_included():
    client = ScriptedClient(
        lists=[([], "1")],
        watches=[[event("ADDED", "a", 3), WatchEvent("BOOKMARK", config_map("", 8))]],
    )
    reflector = Reflector(client, CONFIG_MAPS)
    async with running(reflector):
        await eventually(lambda: len(client.watched_from) == 2)
    assert client.watched_from == ["1", "8"]
    assert client.listed == 1
    assert len(reflector.list()) == 1


async def test_an_error_is_shown_until_it_heals():
    down = Unreachable("connection refused")
    client = ScriptedClient(lists=[down, down, ([], "1")])
    reflector = Reflector(client, CONFIG_MAPS)
    health = []
    reflector.subscribe_health(health.append)
    async with running(reflector):
        await reflector.synced.wait()
        await eventually(lambda: reflector.error == "")
    assert health == ["connection refused", ""]


async def test_a_watch_that_is_refused_stays_an_error_though_the_list_works():
    forbidden = ApiError(403, "Forbidden", "you may not watch")
    client = ScriptedClient(lists=[([], "1")], watches=[[forbidden]] * 4)
    reflector = Reflector(client, CONFIG_MAPS)
    health = []
    reflector.subscribe_health(health.append)
    async with running(reflector):
        await eventually(lambda: len(client.watched_from) == 5)
        assert health == ["you may not watch"]


async def test_silence_beyond_the_servers_timeout_reconnects(monkeypatch):
    monkeypatch.setattr(module, "WATCH_TIMEOUT_S", 0)
    monkeypatch.setattr(module, "SILENCE_SLACK_S", 0.01)
    client = ScriptedClient(lists=[([], "1")])
    reflector = Reflector(client, CONFIG_MAPS)
    async with running(reflector):
        await eventually(lambda: client.listed >= 3)
    assert "silent" in reflector.error


async def test_a_handlers_bug_does_not_stop_the_others(caplog):
    client = ScriptedClient(lists=[([config_map("a", 1)], "1")])
    reflector = Reflector(client, CONFIG_MAPS)

    def broken(*_):
        raise ZeroDivisionError

    reflector.subscribe(broken)
    seen = recording(reflector)
    async with running(reflector):
        await eventually(lambda: seen)
    assert "watch handler failed" in caplog.text


async def test_a_late_subscriber_is_told_what_is_there_and_can_leave():
    client = ScriptedClient(
        lists=[([config_map("a", 1)], "1")],
        watches=[[asyncio.Event()]],
    )
    reflector = Reflector(client, CONFIG_MAPS)
    async with running(reflector):
        await reflector.synced.wait()
        seen = []
        unsubscribe = reflector.subscribe(lambda change, new, old: seen.append(change))
        assert seen == ["ADDED"]
        unsubscribe()
        unsubscribe()
        reflector._put(ObjectKey("default", "b"), config_map("b", 2))
        assert seen == ["ADDED"]


async def test_transform_is_applied_to_everything_cached():
    client = ScriptedClient(
        lists=[([config_map("a", 1, v="x")], "1")],
        watches=[[event("ADDED", "b", 2, v="y"), asyncio.Event()]],
    )

    def bare(obj):
        return {"metadata": obj["metadata"], "data": {}}

    reflector = Reflector(client, CONFIG_MAPS, transform=bare)
    async with running(reflector):
        await eventually(lambda: len(reflector.cache) == 2)
    assert all(obj["data"] == {} for obj in reflector.list())


changes = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete"]), st.sampled_from("abc"), st.sampled_from(["x", "y", ""])
    ),
    max_size=30,
)


@given(changes)
@settings(max_examples=50, deadline=None)
def test_an_index_equals_a_scan(steps):
    async def play():
        reflector = Reflector(ScriptedClient([([], "1")]), CONFIG_MAPS)
        index = reflector.index(lambda obj: [v for v in (obj["data"].get("v"),) if v])
        for version, (what, name, value) in enumerate(steps, start=2):
            change = "ADDED" if what == "put" else "DELETED"
            reflector._receive(event(change, name, version, v=value))
            for wanted in ("x", "y"):
                scan = [o for o in reflector.list() if o["data"].get("v") == wanted]
                assert sorted(index.by(wanted), key=str) == sorted(scan, key=str)

    asyncio.run(play())
