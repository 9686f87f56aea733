"""A command that runs beside the engine, with everything it starts; see `kapp.aio.keeper`.

`Process` starts at once and tells of its output and its end by callbacks in the event loop. What it
prints is read at a bounded rate, so that a flood slows down the command, not the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kapp.aio import keeper
from kapp.errors import KappError

# Docker gives 10 s, Kubernetes 30 s; somebody waits here for the newest version to start.
GRACE_S = 5.0
_READ_BYTES = 1 << 16
MAX_STDOUT_BYTES = 64 << 20
"""Of what `run` returns: it is held in memory."""
# After a full read: bounds a flood at some 13 MB/s, of which a log store keeps the last few MiB.
_PAUSE_S = 0.005
# What a command printed before its end is in the pipe, whose size is 64 KiB to 1 MiB.
_MAX_LAST_READS = 32


class Process:
    """One run of a command.

    Args:
        argv: the program and its arguments.
        directory: where it runs; must exist.
        env: its whole environment.
        on_output: told what it prints, both streams together, as it comes.
        on_stdout: told of the one stream, of which `on_output` is then not told.
        on_end: called once, when the command has ended (or could not start).
        take_rest: whether processes that it leaves behind end with it.
        grace_s: how long after SIGTERM comes SIGKILL.
        held: a descriptor that is kept open until nothing of it is left that is meant to end,
            whatever becomes of this process: a lock (see `kapp.aio.filelock`).

    Attributes:
        exit_code: once it has ended; negative: the signal that ended it.

    Raises KappError if it cannot even be tried.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        directory: str,
        env: Mapping[str, str],
        on_output: Callable[[bytes], None],
        on_end: Callable[[], None],
        take_rest: bool,
        grace_s: float = GRACE_S,
        on_stdout: Callable[[bytes], None] | None = None,
        held: int | None = None,
    ) -> None:
        if not Path(directory).is_dir():
            raise KappError(f"there is no directory {directory}")
        self.exit_code: int | None = None
        self._program = argv[0]
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._ended = False
        self._said = b""
        self._pipes = [_Pipe(on_output)]
        if on_stdout is not None:
            self._pipes.append(_Pipe(on_stdout))
        output, stdout = self._pipes[0].end, self._pipes[-1].end
        mode = "take" if take_rest else "leave"
        handed = () if on_stdout is None else (stdout,)
        kept = () if held is None else (held,)
        words = [str(grace_s), mode, str(*handed or (2,)), str(*kept or (-1,)), *argv]
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, *words],
                cwd=directory,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                pass_fds=(*handed, *kept),
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            self._close_output()
            raise KappError(f"`{argv[0]}` cannot be started: {error}") from error
        finally:
            for pipe in self._pipes:
                os.close(pipe.end)
        assert self._keeper.stdout is not None
        self._status = self._keeper.stdout.fileno()
        os.set_blocking(self._status, False)
        for pipe in self._pipes:
            pipe.start()
        self._loop.add_reader(self._status, self._read_status)

    async def started(self) -> int:
        """Its process ID. Raises KappError if the program cannot be started."""
        return await asyncio.shield(self._started)

    @property
    def ended(self) -> bool:
        """Whether the command has ended, or could not be started."""
        return self._ended

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is left that is meant to end."""
        return self._gone.done()

    def stop(self) -> None:
        """Have all of it end; `on_end` tells when it has."""
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()

    async def gone(self) -> None:
        """Wait until nothing of it is left that is meant to end."""
        await asyncio.shield(self._gone)

    def abandon(self) -> None:
        """Stop, and wait for nothing: its keeper sees to the end."""
        self.stop()
        self._close_status()
        self._close_output()
        # The interpreter is about to end: a child that still runs is none of its business.
        self._keeper.returncode = self._keeper.poll() or 0

    def _read_status(self) -> None:
        try:
            data = os.read(self._status, _READ_BYTES)
        except BlockingIOError:
            return
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            self._understand(json.loads(line))
        if not data:
            self._lost()

    def _understand(self, message: dict[str, object]) -> None:
        if "started" in message:
            self._started.set_result(int(str(message["started"])))
        elif "failed" in message:
            self._fail(f"`{self._program}` cannot be started: {message['failed']}")
            self._end()
        elif "exited" in message:
            self.exit_code = int(str(message["exited"]))
            self._end()

    def _lost(self) -> None:
        """The keeper is gone, which it should be last."""
        self._close_status()
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(1)
        if not self._ended and self._started.done() and not self._started.exception():
            with contextlib.suppress(OSError):
                os.killpg(self._started.result(), signal.SIGKILL)
            self.exit_code = -signal.SIGKILL
        self._fail(f"`{self._program}` was killed before it started")
        self._end()
        if not self._gone.done():
            self._gone.set_result(None)

    def _fail(self, message: str) -> None:
        if not self._started.done():
            self._started.set_exception(KappError(message))
            self._started.exception()  # it may be that nobody asks

    def _end(self) -> None:
        if self._ended:
            return
        for pipe in self._pipes:
            pipe.drain()
        self._ended = True
        self._on_end()

    def _close_output(self) -> None:
        for pipe in self._pipes:
            pipe.close()

    def _close_status(self) -> None:
        if self._status >= 0:
            self._loop.remove_reader(self._status)
            self._status = -1
            assert self._keeper.stdout is not None
            self._keeper.stdout.close()


class _Pipe:
    """What a command prints; `end` is the end that it writes to."""

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        self._loop = asyncio.get_running_loop()
        self._reading, self.end = os.pipe()
        os.set_blocking(self._reading, False)

    def start(self) -> None:
        """Read what comes."""
        if self._reading >= 0:
            self._loop.add_reader(self._reading, self._read)

    def drain(self) -> None:
        """Read what is there."""
        for _ in range(_MAX_LAST_READS):
            if not self._take():
                return

    def close(self) -> None:
        """Read no more."""
        if self._reading >= 0:
            self._loop.remove_reader(self._reading)
            os.close(self._reading)
            self._reading = -1

    def _read(self) -> None:
        if self._take() == _READ_BYTES:
            self._loop.remove_reader(self._reading)
            self._loop.call_later(_PAUSE_S, self.start)

    def _take(self) -> int:
        """Read once; how many bytes it was."""
        if self._reading < 0:
            return 0
        try:
            data = os.read(self._reading, _READ_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.close()
            return 0
        self._on_data(data)
        return len(data)


async def run(
    argv: Sequence[str],
    *,
    directory: str,
    env: Mapping[str, str],
    on_output: Callable[[bytes], None],
    timeout_s: float,
    held: int | None = None,
) -> tuple[int, bytes]:
    """Run a command to its end; returns its exit code and what it printed to stdout.

    `on_output` is told of its stderr. Raises KappError if it cannot be started, takes longer than
    `timeout_s`, or prints over MAX_STDOUT_BYTES; it is then ended, as it is on cancellation, which
    does not wait for that: `held` (see `Process`) tells when it has.
    """
    printed = bytearray()
    ended = asyncio.Event()

    def add(data: bytes) -> None:
        printed.extend(data[: MAX_STDOUT_BYTES + 1 - len(printed)])
        if len(printed) > MAX_STDOUT_BYTES:
            ended.set()

    process = Process(
        argv,
        directory=directory,
        env=env,
        on_output=on_output,
        on_end=ended.set,
        take_rest=False,
        on_stdout=add,
        held=held,
    )
    try:
        async with asyncio.timeout(timeout_s):
            await process.started()
            await ended.wait()
    except TimeoutError as error:
        raise KappError(f"`{argv[0]}` did not end within {timeout_s:g} s") from error
    finally:
        process.stop()
    await process.gone()
    if len(printed) > MAX_STDOUT_BYTES:
        raise KappError(f"`{argv[0]}` printed over {MAX_STDOUT_BYTES >> 20} MiB")
    return process.exit_code or 0, bytes(printed)
