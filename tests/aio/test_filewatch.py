"""Saves of every kind are seen, once, by whichever backend there is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from kapp.aio import checkouts, filewatch
from kapp.aio.filethread import ThreadBackend
from kapp.aio.filewatch import EntryChange, MakeBackend, PathWatcher, system_backend

DEADLINE_S = 30


class Seen:
    """What a watcher reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self._news = asyncio.Event()

    def __call__(self, paths: list[str]) -> None:
        self.batches.append(paths)
        self._news.set()

    async def until(self, path: Path) -> list[str]:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for batch in self.batches:
                    if str(path) in batch:
                        self.batches.clear()
                        return batch
                self._news.clear()
                await self._news.wait()


Watch = Callable[..., Seen]


@pytest.fixture(params=[system_backend, ThreadBackend], ids=["system", "thread"])
async def watch(request: pytest.FixtureRequest) -> object:
    backend: MakeBackend = request.param
    watchers: list[PathWatcher] = []

    def start(paths: list[Path], listed: list[Path] | None = None, **options: object) -> Seen:
        seen = Seen()
        watchers.append(
            PathWatcher(map(str, paths), map(str, listed or []), seen, backend=backend, **options)
        )
        return seen

    yield start
    for watcher in watchers:
        watcher.close()


async def test_a_write_in_place(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "Kappfile"
    file.write_text("one")
    seen = watch([file])
    file.write_text("two")
    assert await seen.until(file) == [str(file)]


async def test_a_rename_over_and_again(watch: Watch, tmp_path: Path) -> None:
    file, new = tmp_path / "a.yaml", tmp_path / "a.yaml.tmp"
    file.write_text("one")
    seen = watch([file])
    for text in ("two", "three"):
        new.write_text(text)
        new.rename(file)
        await seen.until(file)


async def test_deletion_and_re_creation(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one")
    seen = watch([file])
    file.unlink()
    await seen.until(file)
    file.write_text("two")
    await seen.until(file)


async def test_a_file_whose_directories_do_not_exist_yet(watch: Watch, tmp_path: Path) -> None:
    file = tmp_path / "x" / "y" / "values.yaml"
    seen = watch([file])
    file.parent.mkdir(parents=True)
    file.write_text("one")
    await seen.until(file)
    file.write_text("two")
    await seen.until(file)


async def test_nothing_is_lost_when_the_kernel_loses_events(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("one")
    seen = Seen()
    watcher = PathWatcher([str(file)], [], seen)
    busy = tmp_path / "0"
    busy.touch()
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    room = int(limit.read_text()) if limit.exists() else 16384
    for number in range(room // 2 + 1):  # a rename is two events
        busy = busy.rename(tmp_path / str(number + 1))
    file.write_text("two")
    await seen.until(file)
    watcher.close()


async def test_a_file_that_is_being_written_is_waited_for_and_delays_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filewatch, "UNFINISHED_SETTLE_S", 60.0)
    monkeypatch.setattr(filewatch, "WRITING_SETTLE_S", 60.0)
    monkeypatch.setattr(filewatch, "MAX_SETTLE_S", 0.02)
    report: list[Callable[[list[EntryChange]], None]] = []

    class Scripted:
        def __init__(self, on_entries: Callable[[list[EntryChange]], None]) -> None:
            report.append(on_entries)

        def watch(self, directories: object) -> None: ...

        def close(self) -> None: ...

    slow, other = tmp_path / "slow.yaml", tmp_path / "other.yaml"
    seen = Seen()
    watcher = PathWatcher([str(slow), str(other)], [], seen, backend=Scripted)
    report[0]([EntryChange(str(slow), False, False, False)])
    report[0]([EntryChange(str(other), True, False, False)])
    assert await seen.until(other) == [str(other)]
    report[0]([EntryChange(str(slow), True, False, False)])
    assert await seen.until(slow) == [str(slow)]
    watcher.close()


async def test_a_tree_with_new_directories(watch: Watch, tmp_path: Path) -> None:
    seen = watch([tmp_path])
    deep = tmp_path / "templates" / "sub"
    deep.mkdir(parents=True)
    (deep / "one.yaml").write_text("one")
    await seen.until(deep / "one.yaml")
    (deep / "two.yaml").write_text("two")
    await seen.until(deep / "two.yaml")


async def test_a_link_s_target(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.yaml", tmp_path / "a.yaml"
    target.write_text("one")
    link.symlink_to(target)
    seen = watch([link])
    target.write_text("two")
    await seen.until(link)


async def test_a_listed_directory_reports_entries_only(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    seen = watch([], [tmp_path])
    (tmp_path / "sub" / "deep.yaml").write_text("no entry of it")
    (tmp_path / "new.yaml").write_text("an entry")
    assert await seen.until(tmp_path / "new.yaml") == [str(tmp_path / "new.yaml")]


async def test_ignored_and_foreign_files_say_nothing(watch: Watch, tmp_path: Path) -> None:
    seen = watch([tmp_path], ignored=lambda path: path.endswith(".swp"))
    (tmp_path / "a.swp").write_text("x")
    (tmp_path / "b").write_text("x")
    batch = await seen.until(tmp_path / "b")
    assert str(tmp_path / "a.swp") not in batch


async def test_a_burst_is_one_change(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.yaml" for number in range(20)]
    seen = Seen()
    watcher = PathWatcher(map(str, files), (), seen)
    for file in files:
        file.write_text("x")
    batch = await seen.until(files[-1])
    watcher.close()
    assert batch == sorted(map(str, files))


async def test_a_truncated_file_waits_for_its_end(tmp_path: Path) -> None:
    """The event of a write that is not closed yet is held back, so that the whole is reported."""
    file = tmp_path / "a.yaml"
    file.write_text("one")
    seen = Seen()
    watcher = PathWatcher([str(file)], (), seen)
    descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC)
    await asyncio.sleep(0)
    os.write(descriptor, b"two")
    os.close(descriptor)
    await seen.until(file)
    watcher.close()
    assert seen.batches == []


async def test_a_checkout_is_one_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While git holds its lock, changes are kept, however long they take; then all are told."""
    monkeypatch.setattr(filewatch, "BUSY_SETTLE_S", 60.0)
    monkeypatch.setattr(filewatch, "MAX_SETTLE_S", 0.02)
    (tmp_path / ".git").mkdir()
    lock = tmp_path / ".git" / "index.lock"
    files = [tmp_path / "src" / f"{number}.txt" for number in range(2)]
    files[0].parent.mkdir()
    seen, looks = Seen(), asyncio.Semaphore(0)

    def busy(paths: Collection[str]) -> bool:
        looks.release()
        return checkouts.in_progress(paths)

    watcher = PathWatcher(map(str, files), (), seen, busy=busy)
    lock.touch()
    files[0].write_text("x")
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(5):
            await looks.acquire()
    assert seen.batches == []
    files[1].write_text("x")
    lock.unlink()
    assert await seen.until(files[1]) == [str(file) for file in files]
    watcher.close()


async def test_a_lock_that_stays_does_not_silence_a_save(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "git").mkdir()
    (tmp_path / "git" / "index.lock").touch()
    (tmp_path / "work" / ".git").write_text("gitdir: ../git\n")
    file = tmp_path / "work" / "a.yaml"
    seen = Seen()
    watcher = PathWatcher([str(file)], (), seen)
    file.write_text("x")
    await seen.until(file)
    watcher.close()


@pytest.mark.parametrize("way", ["link to the directory", "link to a link", "link above"])
async def test_a_link_on_the_way_is_replaced(watch: Watch, tmp_path: Path, way: str) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version / "deep").mkdir(parents=True)
        (tmp_path / version / "deep" / "a.yaml").write_text(version)
    current = tmp_path / "links" / "current"
    current.parent.mkdir()
    current.symlink_to("../v1/deep" if way == "link to the directory" else "../v1")
    path = current / "deep" / "a.yaml"
    if way == "link to the directory":
        path = current / "a.yaml"
    elif way == "link to a link":
        (tmp_path / "outer").symlink_to("links/current")
        path = tmp_path / "outer" / "deep" / "a.yaml"
    seen = watch([path])
    new = tmp_path / "links" / "new"
    for version in ("v2", "v1"):
        new.symlink_to(f"../{version}/deep" if way == "link to the directory" else f"../{version}")
        new.replace(current)
        await seen.until(path)
        assert path.read_text() == version
    path.write_text("now")
    await seen.until(path)


async def test_a_temporary_file_is_no_change(tmp_path: Path) -> None:
    """In a tree, what came and went again is not reported, and nobody waits for it."""
    file, temporary = tmp_path / "a.yaml", tmp_path / "a.yaml.swp"
    file.write_text("one")
    seen = Seen()
    watcher = PathWatcher([str(tmp_path)], (), seen)
    for text in ("two", "three"):
        temporary.write_text(text)
        temporary.replace(file)
        assert await seen.until(file) == [str(file)]
    file.write_text("four")
    file.unlink()
    assert await seen.until(file) == [str(file)]
    watcher.close()
