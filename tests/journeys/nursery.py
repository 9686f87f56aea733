"""Runs `kapp` commands in forks of a process that has imported it, and kills them on the dot.

Run as a program: JSON requests on stdin, an answer for each on stdout. A command that is told to
is killed with SIGKILL before the N-th step of its event loop after its first write to the cluster.
Nothing of this is in kapp: the steps are counted where asyncio runs them.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_POLL_S = 0.005


class Nursery:
    """The side of the tests: starts, awaits and kills commands."""

    def __init__(self) -> None:
        self._asked = 0
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=30)

    def start(
        self, *argv: str, cwd: Path, env: dict[str, str], log: Path, kill_at: int = 0
    ) -> Command:
        """Start `kapp ARGV…`, to be killed before its step `kill_at` (0: never)."""
        counter = log.with_suffix(".steps")
        counter.write_bytes(bytes(8))
        pid = self._ask(
            argv=argv, cwd=str(cwd), env=env, log=str(log), counter=str(counter), kill_at=kill_at
        )
        return Command(self, int(pid), log, counter)

    def wait(self, pid: int, timeout_s: float) -> int | None:
        """The exit code (negative for a signal); None if it still runs."""
        return self._ask(wait=pid, timeout_s=timeout_s)

    def _ask(self, **request: Any) -> Any:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked += 1
        process.stdin.write(json.dumps({"number": self._asked, **request}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"the nursery has ended: {process.poll()}"
        number, answer = json.loads(line)
        # A test that was interrupted while it waited has left its answer unread.
        assert number == self._asked, "the nursery answers another question"
        return answer


class Command:
    """A command that was started."""

    def __init__(self, nursery: Nursery, pid: int, log: Path, counter: Path) -> None:
        self._nursery = nursery
        assert pid > 1
        self.pid = pid
        self.log = log
        self._counter = counter
        self.code: int | None = None

    @property
    def steps(self) -> int:
        """How many steps it took since its first write."""
        return int.from_bytes(self._counter.read_bytes(), "little")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.wait(0.0) is not None

    def wait(self, timeout_s: float = 60.0) -> int | None:
        """Its exit code, None if it does not end in time."""
        if self.code is None:
            self.code = self._nursery.wait(self.pid, timeout_s)
        return self.code

    def kill(self) -> None:
        """`kill -9`, unless it has ended."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            assert self.wait() == -signal.SIGKILL


def _serve() -> None:
    import kapp.cli.app
    import kapp.cli.showing
    import kapp.cli.up
    import kapp.engine.down
    import kapp.engine.engine  # noqa: F401 -- every child has them from here

    running: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _wait(request["wait"], request["timeout_s"])
            running -= {request["wait"]} if answer is not None else set()
        else:
            answer = _fork(request)
            running.add(answer)
        print(json.dumps([request["number"], answer]), flush=True)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _wait(pid: int, timeout_s: float) -> int | None:
    deadline = time.monotonic() + timeout_s
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_POLL_S)


def _fork(request: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        code = _command(request)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command(request: dict[str, Any]) -> int:
    os.setsid()
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    _count_steps(request["counter"], request["kill_at"])
    sys.argv = ["kapp", *request["argv"]]
    from kapp.cli.entry import main

    return main()


def _count_steps(counter: str, kill_at: int) -> None:
    """Count what the event loop runs, from the first write on; die before step `kill_at`."""
    from asyncio.events import Handle

    from kapp.runtime.transport import HttpTransport

    with open(counter, "r+b") as file:
        shown = mmap.mmap(file.fileno(), 8)
    steps, armed = 0, False
    run, request = Handle._run, HttpTransport.request

    def counted_run(self: Handle) -> None:
        nonlocal steps
        if armed:
            steps += 1
            shown[:] = steps.to_bytes(8, "little")
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        run(self)

    def noticed_request(self: HttpTransport, method: str, *args: Any, **kwargs: Any) -> Any:
        nonlocal armed
        armed = armed or method in _WRITES
        return request(self, method, *args, **kwargs)

    Handle._run = counted_run  # type: ignore[method-assign]
    HttpTransport.request = noticed_request  # type: ignore[method-assign]


if __name__ == "__main__":
    _serve()
