"""FileWatch objects against real files, and the rules of what is ignored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import NEWEST_EVENTS, FileWatch, FileWatchSpec, IgnoreDef
from kapp.api.v1alpha1.meta import ConfigMapDisableSource, DisableSource, ObjectMeta
from kapp.api.v1alpha1.scheme import scheme
from kapp.controllers.filewatch import FileWatchReconciler, ignoring
from kapp.machinery.objects import ObjectKey
from kapp.machinery.registry import Registry
from kapp.machinery.store import Store
from kapp.runtime.local import LocalClient

KEY = ObjectKey("", "files")
DEADLINE_S = 30


class Fixture:
    """A reconciler that is run by hand, and the objects it works on."""

    def __init__(self) -> None:
        def now() -> datetime:
            return datetime.now(UTC)

        self.objects = TypedClient(LocalClient(Registry(scheme(), Store(), now=now)))
        self._woken = asyncio.Event()
        self.reconciler = FileWatchReconciler(self.objects, lambda _: self._woken.set(), now)

    async def create(self, spec: FileWatchSpec) -> None:
        await self.objects.ensure(FileWatch(metadata=ObjectMeta(name="files"), spec=spec))
        await self.reconciler.reconcile(KEY)

    async def woken(self) -> FileWatch:
        async with asyncio.timeout(DEADLINE_S):
            await self._woken.wait()
        self._woken.clear()
        await self.reconciler.reconcile(KEY)
        return await self.read()

    async def read(self) -> FileWatch:
        found = await self.objects.get(FileWatch, "files")
        assert found is not None
        return found


@pytest.fixture
async def fixture() -> AsyncIterator[Fixture]:
    made = Fixture()
    yield made
    made.reconciler.close()


async def test_a_save_becomes_an_event(fixture: Fixture, tmp_path: Path) -> None:
    file = tmp_path / "a"
    await fixture.create(FileWatchSpec(watched_paths=[str(file)]))
    assert (await fixture.read()).status.monitor_start_time
    file.write_text("x")
    status = (await fixture.woken()).status
    assert [event.seen_files for event in status.file_events] == [[str(file)]]
    assert status.last_event_time == status.file_events[-1].time


async def test_the_newest_events_are_kept(fixture: Fixture, tmp_path: Path) -> None:
    file = tmp_path / "a"
    await fixture.create(FileWatchSpec(watched_paths=[str(file)]))
    for number in range(NEWEST_EVENTS + 2):
        file.write_text(str(number))
        status = (await fixture.woken()).status
    assert len(status.file_events) == NEWEST_EVENTS
    assert status.file_events[-1].time == status.last_event_time


async def test_a_changed_spec_watches_something_else(fixture: Fixture, tmp_path: Path) -> None:
    await fixture.create(FileWatchSpec(watched_paths=[str(tmp_path / "a")]))
    await fixture.create(FileWatchSpec(watched_paths=[str(tmp_path / "b")]))
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").write_text("x")
    status = (await fixture.woken()).status
    assert status.file_events[-1].seen_files == [str(tmp_path / "b")]


async def test_a_disabled_watch_sees_nothing(fixture: Fixture, tmp_path: Path) -> None:
    await fixture.objects.ensure(
        ConfigMap(metadata=ObjectMeta(name="off"), data={"isDisabled": "true"})
    )
    source = DisableSource(config_map=ConfigMapDisableSource(name="off", key="isDisabled"))
    await fixture.create(FileWatchSpec(watched_paths=[str(tmp_path)], disable_source=source))
    status = (await fixture.read()).status
    assert status.disable_status is not None
    assert status.disable_status.state == "Disabled"
    assert not status.monitor_start_time


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ([], "/src/anything", True),
        (["*.log"], "/src/a.log", True),
        (["*.log"], "/src/deep/a.log", False),
        (["**/*.log"], "/src/deep/a.log", True),
        (["node_modules"], "/src/node_modules/x/y", True),
        (["node_modules", "!node_modules/keep"], "/src/node_modules/keep", False),
        (["*.log"], "/other/a.log", False),
    ],
)
def test_ignores_are_those_of_dockerignore(patterns: list[str], path: str, ignored: bool) -> None:
    rule = ignoring([IgnoreDef(base_path="/src", patterns=patterns)])
    assert rule(path) is ignored
