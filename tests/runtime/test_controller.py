"""Controllers and the manager: what wakes a key, what is retried, what is shared, how it stops."""

import asyncio

from kapp.errors import KappError
from kapp.machinery.objects import ObjectKey
from kapp.runtime.client import WatchEvent
from kapp.runtime.controller import Controller, Source, TerminalError
from kapp.runtime.manager import Manager

from .scripted import CONFIG_MAPS, ScriptedClient, config_map, eventually

A = ObjectKey("default", "a")


class Recorder:
    """Reconciles by calling the next function of `script`, the last one for ever."""

    def __init__(self, *script):
        self.script = list(script)
        self.calls = []

    async def reconcile(self, key):
        self.calls.append(key)
        step = self.script.pop(0) if len(self.script) > 1 else (self.script or [None])[0]
        if isinstance(step, Exception):
            raise step
        if callable(step):
            return await step()
        return step


def run_manager(controller):
    manager = Manager()
    manager.add(controller)
    manager.start()
    return manager


def one_object():
    return ScriptedClient([([config_map("a", 1)], "1")])


async def test_listed_objects_are_reconciled_once_synced():
    client = ScriptedClient([([config_map("a", 1), config_map("b", 1)], "1")])
    recorder = Recorder(None)
    manager = run_manager(
        Controller("c", recorder, [Source(client=client, resource=CONFIG_MAPS)], workers=1)
    )
    await eventually(lambda: len(recorder.calls) == 2)
    await manager.close()
    assert recorder.calls == [A, ObjectKey("default", "b")]


async def test_a_change_wakes_what_the_new_and_the_old_object_refer_to():
    go = asyncio.Event()
    changed = WatchEvent("MODIFIED", config_map("a", 2, ref="new"))
    client = ScriptedClient([([config_map("a", 1, ref="old")], "1")], [[go, changed]])
    recorder = Recorder(None)

    def referred(obj):
        return [ObjectKey("", obj["data"]["ref"])]

    source = Source(client=client, resource=CONFIG_MAPS, map=referred)
    manager = run_manager(Controller("c", recorder, [source], workers=1))
    await eventually(lambda: len(recorder.calls) == 1)
    go.set()
    await eventually(lambda: len(recorder.calls) == 3)
    await manager.close()
    assert recorder.calls[1:] == [ObjectKey("", "new"), ObjectKey("", "old")]


async def test_changes_that_do_not_matter_wake_nothing():
    matters, client = asyncio.Event(), None
    steps = [WatchEvent("MODIFIED", config_map("a", 2)), WatchEvent("ADDED", config_map("b", 3))]
    client = ScriptedClient([([config_map("a", 1)], "1")], [[matters, *steps]])
    recorder = Recorder(None)
    source = Source(client=client, resource=CONFIG_MAPS, matters=lambda new, old: old is None)
    manager = run_manager(Controller("c", recorder, [source]))
    await eventually(lambda: len(recorder.calls) == 1)
    matters.set()
    await eventually(lambda: len(recorder.calls) == 2)
    await manager.close()
    assert recorder.calls == [A, ObjectKey("default", "b")]


async def test_seconds_returned_mean_again():
    recorder = Recorder(0.001, 0.001, None)
    manager = run_manager(
        Controller("c", recorder, [Source(client=one_object(), resource=CONFIG_MAPS)])
    )
    await eventually(lambda: len(recorder.calls) == 3)
    await manager.close()


async def test_errors_are_retried_reported_each_time_and_logged_once(caplog):
    error = KappError("it broke")
    reports = []
    recorder = Recorder(error, error, ValueError("another"), None)
    manager = run_manager(
        Controller(
            "c",
            recorder,
            [Source(client=one_object(), resource=CONFIG_MAPS)],
            on_error=lambda *report: reports.append(report),
        )
    )
    await eventually(lambda: len(reports) == 4)
    await manager.close()
    assert [type(r[1]) for r in reports] == [KappError, KappError, ValueError, type(None)]
    assert all(r[2] > 0 for r in reports[:3])
    logged = [r for r in caplog.records if r.message == "reconcile failed"]
    assert [r.error for r in logged] == ["KappError: it broke", "ValueError: another"]
    assert logged[0].exc_info is None
    assert logged[1].exc_info


async def test_a_terminal_error_waits_for_a_change():
    go = asyncio.Event()
    client = ScriptedClient(
        [([config_map("a", 1)], "1")], [[go, WatchEvent("MODIFIED", config_map("a", 2))]]
    )
    reports = []
    recorder = Recorder(TerminalError("wrong", hint="fix it"), None)
    controller = Controller(
        "c",
        recorder,
        [Source(client=client, resource=CONFIG_MAPS)],
        on_error=lambda *report: reports.append(report),
    )
    manager = run_manager(controller)
    await eventually(lambda: reports)
    assert reports[0][2] is None
    assert controller.queue.failures(A) == 0
    go.set()
    await eventually(lambda: len(recorder.calls) == 2)
    await manager.close()


async def test_something_else_that_is_cancelled_does_not_end_the_worker():
    async def awaits_what_is_cancelled():
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    recorder = Recorder(awaits_what_is_cancelled, None)
    manager = run_manager(
        Controller("c", recorder, [Source(client=one_object(), resource=CONFIG_MAPS)], workers=1)
    )
    await eventually(lambda: len(recorder.calls) == 2)
    await manager.close()


async def test_a_source_that_may_be_away_does_not_hold_up_the_rest():
    away = ScriptedClient([KappError("away")])
    recorder = Recorder(None)
    sources = [
        Source(client=one_object(), resource=CONFIG_MAPS),
        Source(client=away, resource=CONFIG_MAPS, wait=False),
    ]
    manager = run_manager(Controller("c", recorder, sources))
    await eventually(lambda: recorder.calls)
    await manager.close()


async def test_reflectors_are_shared_and_stop_with_their_last_user():
    client = one_object()
    first, second = Recorder(None), Recorder(None)
    manager = Manager()
    manager.start()
    one = manager.add(Controller("1", first, [Source(client=client, resource=CONFIG_MAPS)]))
    two = manager.add(Controller("2", second, [Source(client=client, resource=CONFIG_MAPS)]))
    shared = manager.reflector(client, CONFIG_MAPS)
    await eventually(lambda: first.calls and second.calls)
    assert client.listed == 1
    assert len(manager._tasks) == 1
    await manager.remove(one)
    await manager.remove(two)
    assert len(manager._tasks) == 1
    await manager.release(shared)
    assert len(manager._tasks) == 0
    await manager.close()


async def test_closing_cancels_work_in_progress_and_does_not_wait_for_the_deaf(caplog):
    stop = asyncio.Event()

    async def deaf():
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    recorder = Recorder(deaf)
    manager = run_manager(
        Controller("c", recorder, [Source(client=one_object(), resource=CONFIG_MAPS)], workers=1)
    )
    await eventually(lambda: recorder.calls)
    async with asyncio.timeout(5):
        await manager.close()
    assert "controller did not stop" in caplog.text
    stop.set()
    await asyncio.sleep(0)


async def test_run_ends_when_closed():
    manager = Manager()
    running = asyncio.create_task(manager.run())
    await asyncio.sleep(0)
    await manager.close()
    await asyncio.wait_for(running, 5)
