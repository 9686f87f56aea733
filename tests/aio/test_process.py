"""Commands end with everything they started, whatever ends them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kapp.aio.filelock import locked
from kapp.aio.process import Process, run
from kapp.errors import KappError

# A server with a child in its group and one that left it, which all ignore or take SIGTERM.
TREE = """
trap '{trap}' TERM
sleep 1000 & echo child $!
{python} -c 'import os, time; os.setsid(); print("stray", os.getpid(), flush=True); time.sleep(1000)' &
echo ready
while true; do sleep 0.05; done
"""  # noqa: E501


class Running:
    def __init__(self, script: str, directory: Path, *, take_rest=True, grace_s=5.0):
        self.output = ""
        self.changed = asyncio.Event()
        self.process = Process(
            ["sh", "-c", script],
            directory=str(directory),
            env=dict(os.environ),
            on_output=self._add,
            on_end=self.changed.set,
            take_rest=take_rest,
            grace_s=grace_s,
        )

    def _add(self, data: bytes) -> None:
        self.output += data.decode()
        self.changed.set()

    async def until(self, check) -> None:
        async with asyncio.timeout(20):
            while not check():
                self.changed.clear()
                await self.changed.wait()

    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"^(?:child|stray) (\d+)\n", self.output, re.M)]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state != b"Z"


async def all_gone(pids: list[int]) -> None:
    async with asyncio.timeout(20):
        while any(alive(pid) for pid in pids):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(("trap", "grace_s"), [("exit 0", 5.0), ("", 0.2)])
async def test_stopping_ends_the_whole_tree(tmp_path, trap, grace_s):
    running = Running(TREE.format(trap=trap, python=sys.executable), tmp_path, grace_s=grace_s)
    pid = await running.process.started()
    await running.until(lambda: "ready" in running.output and len(running.pids()) == 2)
    assert all(alive(one) for one in [pid, *running.pids()])
    running.process.stop()
    await running.process.gone()
    assert not any(alive(one) for one in [pid, *running.pids()])
    assert running.process.exit_code == (0 if trap else -signal.SIGKILL)


async def test_what_a_server_leaves_behind_ends_with_it(tmp_path):
    running = Running("sleep 1000 & echo child $!; exit 3", tmp_path)
    await running.process.gone()
    assert running.process.exit_code == 3
    assert not alive(running.pids()[0])


async def test_what_a_job_leaves_behind_lives_on(tmp_path):
    running = Running("sleep 1000 & echo child $!", tmp_path, take_rest=False)
    await running.process.gone()
    (pid,) = running.pids()
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


async def test_all_output_is_there_when_it_has_ended(tmp_path):
    running = Running("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", tmp_path)
    await running.until(lambda: running.process.ended)
    assert running.output.splitlines()[-1] == "line 2999"
    await running.process.gone()


async def test_a_flood_leaves_the_loop_free(tmp_path):
    running = Running("exec yes", tmp_path)
    running._add = lambda data: None
    await running.process.started()
    for _ in range(50):
        await asyncio.sleep(0)
    running.process.stop()
    await running.process.gone()
    assert running.process.exit_code == -signal.SIGTERM


async def test_a_lock_is_held_until_all_of_a_cancelled_command_is_gone(tmp_path):
    script = """
    (trap '' TERM; touch ready; sleep 0.3; sleep 0.3; echo last >> said) &
    trap 'exit 0' TERM
    while true; do sleep 0.05; done
    """
    waited = []

    def lock(timeout_s=20.0):
        return locked(tmp_path / "lock", timeout_s=timeout_s, on_wait=lambda: waited.append(1))

    async def command():
        async with lock() as held:
            argv, env = ["sh", "-c", script], dict(os.environ)
            await run(
                argv, directory=str(tmp_path), env=env, on_output=print, timeout_s=60, held=held
            )

    task = asyncio.create_task(command())
    async with asyncio.timeout(20):
        while not (tmp_path / "ready").exists():
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(KappError, match=r"has not ended within 0\.01 s"):
        async with lock(0.01):
            pass
    async with lock():
        assert (tmp_path / "said").read_text() == "last\n"
    assert waited == [1, 1]


async def test_what_a_job_leaves_behind_holds_no_lock(tmp_path):
    async with locked(tmp_path / "lock", timeout_s=0.1, on_wait=lambda: None) as held:
        argv, env = ["sh", "-c", "sleep 1000 & echo $!"], dict(os.environ)
        code, printed = await run(
            argv, directory=str(tmp_path), env=env, on_output=print, timeout_s=20, held=held
        )
    assert code == 0
    async with locked(tmp_path / "lock", timeout_s=20, on_wait=lambda: None):
        assert alive(int(printed))
    os.kill(int(printed), signal.SIGKILL)


async def test_what_cannot_start_says_why(tmp_path):
    started = Process(
        ["no-such-program"],
        directory=str(tmp_path),
        env=dict(os.environ),
        on_output=lambda _: None,
        on_end=lambda: None,
        take_rest=True,
    )
    with pytest.raises(KappError, match="`no-such-program` cannot be started: No such file"):
        await started.started()
    await started.gone()
    with pytest.raises(KappError, match="there is no directory"):
        Running("true", tmp_path / "missing")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_tree_ends_with_the_keeper(tmp_path, number):
    running = Running(TREE.format(trap="exit 0", python=sys.executable), tmp_path)
    pid = await running.process.started()
    await running.until(lambda: "ready" in running.output and len(running.pids()) == 2)
    os.kill(running.process._keeper.pid, number)
    await running.process.gone()
    stray = running.pids()[1]
    if number == signal.SIGKILL:
        os.kill(stray, signal.SIGKILL)  # nobody is left who knows of it
    await all_gone([pid, *running.pids()])


async def test_the_tree_ends_with_a_killed_engine(tmp_path):
    engine = textwrap.dedent(
        f"""
        import asyncio, os, sys
        from kapp.aio.process import Process

        async def main():
            show = lambda data: (sys.stdout.write(data.decode()), sys.stdout.flush())
            process = Process(["sh", "-c", {TREE.format(trap="exit 0", python=sys.executable)!r}],
                directory={str(tmp_path)!r}, env=dict(os.environ), on_output=show,
                on_end=lambda: None, take_rest=True)
            print("child", await process.started(), flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
        """
    )
    process = subprocess.Popen([sys.executable, "-c", engine], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids: list[int] = []
    while len(pids) < 3:
        word, *rest = process.stdout.readline().split()
        pids += [int(rest[0])] if word in ("child", "stray") else []
    process.kill()
    process.wait()
    process.stdout.close()
    await all_gone(pids)
