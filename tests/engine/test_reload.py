"""Every kind of save of an input is one evaluation, of the final content.

Evaluations are counted as any client of kapp's API can: by a watch of the Kappfile. After each
story another file is saved; once that is evaluated, nothing of the story can be still to come.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kappfile import Kappfile
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
from kapp.engine.engine import Engine
from kapp.machinery.objects import Resource

from .conftest import Project, applied, eventually

NAME = "(Kappfile)"
KAPPFILES = Resource("kapp.dev", "v1alpha1", "kappfiles", "Kappfile", False)
Start = Callable[..., Awaitable["Story"]]
HEAD = """
seen = {'sentinel': str(read_file('sentinel'))}
"""
TAIL = """
k8s_yaml(encode_yaml({
    'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'seen'}, 'data': seen,
}))
"""


class Story:
    """A running engine, the evaluations that it has ended, and what the last of them saw."""

    def __init__(self, project: Project, engine: Engine) -> None:
        self.root = project.directory
        self.engine = engine
        self._client = engine.client
        self._objects = TypedClient(engine.client)
        self._finished: list[str] = []
        self._sentinels = itertools.count(1)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def watch(self) -> None:
        """Note when each evaluation ended."""
        listed = await self._client.list(KAPPFILES)
        changes = self._client.watch(KAPPFILES, resource_version=listed.resource_version)
        async for event in changes:
            status = event.object.get("status") or {}
            ended = (status.get("terminated") or {}).get("finishedAt")
            if ended and ended not in self._finished:
                self._finished.append(ended)

    async def _rests(self) -> str | None:
        """What the newest evaluation saw, once it has ended and nothing calls for another."""
        kappfile = await self._objects.get(Kappfile, NAME)
        files = await self._objects.get(FileWatch, NAME)
        apply = await self._objects.get(KubernetesApply, "uncategorized")
        if kappfile is None or files is None or kappfile.status.terminated is None:
            return None
        if kappfile.status.terminated.finished_at not in self._finished:
            return None  # it is, as soon as the watch is told
        if not kappfile.status.evaluated_input.endswith(files.status.last_event_time):
            return None
        return f"{kappfile.status.error}\n{apply.spec.yaml if apply is not None else ''}"

    async def logs(self, text: str) -> None:
        """Wait until the Kappfile's logs hold `text`."""

        async def check() -> bool:
            entries = [entry.data async for entry in self.engine.logs.read([NAME])]
            return text.encode() in b"".join(entries)

        await eventually(check)

    async def sees(self, text: str) -> None:
        """Wait until the newest evaluation saw `text`, or failed with it."""

        async def check() -> bool:
            return text in (await self._rests() or "")

        await eventually(check)

    async def _save_sentinel(self) -> None:
        sentinel = f"sentinel-{next(self._sentinels)}"
        self.write("sentinel", sentinel)
        await self.sees(sentinel)

    async def once(self, change: Callable[[], object], text: str) -> None:
        """`change` leads to one evaluation, which sees `text`."""
        await self._save_sentinel()
        before = len(self._finished)
        await asyncio.to_thread(change)
        await self.sees(text)
        seen = await self._objects.get(Kappfile, NAME)
        if seen is None or not seen.status.error:
            await self._save_sentinel()
            assert len(self._finished) - before == 2
        else:
            assert len(self._finished) - before == 1


@pytest.fixture
async def story(project: Project) -> AsyncIterator[Start]:
    watching: list[asyncio.Task[None]] = []

    async def start(body: str, files: dict[str, str] | None = None) -> Story:
        made = Story(project, await project.start())
        for name, text in {**(files or {}), "sentinel": "sentinel-0"}.items():
            made.write(name, text)
        watching.append(asyncio.create_task(made.watch()))
        await asyncio.sleep(0)
        made.write("Kappfile", HEAD + body + TAIL)
        await made.sees("sentinel-0")
        return made

    yield start
    for task in watching:
        task.cancel()


async def test_a_new_file_of_a_listing(story: Start) -> None:
    made = await story("seen['files'] = ' '.join([os.path.basename(f) for f in listdir('.')])")
    await made.once(lambda: made.write("another", "x"), "another")


READ = "seen['a'] = str(read_file('a.txt'))\n"


async def test_a_save_in_place(story: Start) -> None:
    made = await story(READ, {"a.txt": "one"})
    await made.once(lambda: made.write("a.txt", "two"), "a: two")


async def test_an_editor_s_save(story: Start) -> None:
    """A backup, a new file beside it, moved over the old one: as vim does it."""
    made = await story(READ, {"a.txt": "one"})

    def save() -> None:
        made.write("4913", "")
        (made.root / "4913").unlink()
        os.rename(made.root / "a.txt", made.root / "a.txt~")
        made.write("a.txt", "two")
        os.chmod(made.root / "a.txt", 0o600)
        (made.root / "a.txt~").unlink()

    await made.once(save, "a: two")


async def test_a_rename_over(story: Start) -> None:
    made = await story(READ, {"a.txt": "one"})

    def save() -> None:
        made.write(".a.txt.tmp", "two")
        os.replace(made.root / ".a.txt.tmp", made.root / "a.txt")

    await made.once(save, "a: two")


async def test_a_half_written_save(story: Start) -> None:
    """The Kappfile itself, written in two parts, the first of which is an error."""
    made = await story(READ, {"a.txt": "one"})
    text = (made.root / "Kappfile").read_text().replace("'a'", "'b'")

    def save() -> None:
        with (made.root / "Kappfile").open("w") as file:
            file.write(text[:-20])
            file.flush()
            time.sleep(0.02)
            file.write(text[-20:])

    await made.once(save, "b: one")


async def test_a_file_that_is_emptied_and_closed_before_it_is_written(story: Start) -> None:
    made = await story(READ, {"a.txt": "one"})
    text = (made.root / "Kappfile").read_text().replace("'a'", "'b'")

    def save() -> None:
        made.write("Kappfile", "")
        time.sleep(0.03)
        made.write("Kappfile", text)

    await made.once(save, "b: one")


async def test_a_replaced_link(story: Start) -> None:
    """A link to a directory, swapped for another, as Kubernetes swaps mounted ConfigMaps."""
    made = await story(
        "seen['a'] = str(read_file('current/a.txt'))\n",
        {"v1/a.txt": "one", "v2/a.txt": "two", "current/a.txt": "zero"},
    )

    def swap(target: str) -> None:
        os.symlink(target, made.root / "new")
        os.replace(made.root / "new", made.root / "current")

    shutil.rmtree(made.root / "current")
    os.symlink("v1", made.root / "current")
    await made.sees("a: one")
    await made.once(lambda: swap("v2"), "a: two")
    await made.once(lambda: made.write("v2/a.txt", "three"), "a: three")


async def test_a_deleted_include(story: Start) -> None:
    made = await story("include('lib/Kappfile')\n", {"lib/Kappfile": "print('here')\n"})
    lib = made.root / "lib"
    await made.once(lambda: shutil.rmtree(lib), "no such file: lib/Kappfile")
    made.write("lib/Kappfile", "k8s_yaml('../a.yaml')\n")
    await made.sees("no such file: a.yaml")
    made.write("a.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: again}}")
    await made.sees("name: again")


def git(directory: Path, *words: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=n@example.dev", *words]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)


async def test_a_checkout_of_two_thousand_files(story: Start) -> None:
    made = await story(
        "seen['count'] = str(len(listdir('src', recursive=True)))\n"
        "seen['a'] = str(read_file('src/a.txt'))\n",
        {"src/a.txt": "few"},
    )

    def commit(branch: str) -> None:
        git(made.root, "checkout", "--orphan", branch)
        git(made.root, "add", "src")
        git(made.root, "commit", "-m", branch)

    git(made.root, "init")
    commit("few")
    for number in range(1999):
        made.write(f"src/{number % 40}/{number}.txt", "x")
    made.write("src/a.txt", "many")
    commit("many")
    await made.sees('a: many\n  count: "2000"')
    await made.once(lambda: git(made.root, "checkout", "few"), 'a: few\n  count: "1"')
    await made.once(lambda: git(made.root, "checkout", "many"), 'a: many\n  count: "2000"')


async def test_ignored_files_do_not_count(story: Start) -> None:
    made = await story(
        "watch_settings(ignore=['src/*.log', '**/*.tmp'])\n"
        "seen['files'] = ' '.join([f[-5:] for f in listdir('src', recursive=True)])\n"
        "watch_file('src')\n",
        {"src/1.txt": ""},
    )

    def change() -> None:
        for name in ("1.log", "deep/2.tmp", "3.tmp"):
            made.write(f"src/{name}", "x")
        made.write("src/4.txt", "x")

    await made.once(change, "4.txt")
    made.write("src/5.tmp", "x")
    await made.once(lambda: made.write("src/6.txt", "x"), "6.txt")


SECRET = """
update_settings(k8s_upsert_timeout_secs=7)
secret_settings(disable_scrub=True)
k8s_yaml(encode_yaml({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 's'},
    'stringData': {'key': 'password-1'}}))
print('at', read_file('sentinel'), 'password-1')
"""


async def test_settings_of_the_whole_run(story: Start) -> None:
    """What `update_settings` and `secret_settings` say arrives where it counts."""
    made = await story(SECRET)
    apply = await applied(made.engine, "uncategorized")  # from now on the secret is known
    assert apply.spec.timeout == "7s"
    made.write("sentinel", "shown")
    await made.logs("at shown password-1")
    text = (made.root / "Kappfile").read_text()
    made.write("Kappfile", text.replace("disable_scrub=True", ""))
    await made.logs("at shown (redacted)")
