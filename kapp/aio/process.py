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
        on_end: called once, when the command has ended (or could not start).
        take_rest: whether processes that it leaves behind end with it.
        grace_s: how long after SIGTERM comes SIGKILL.

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
    ) -> None:
        if not Path(directory).is_dir():
            raise KappError(f"there is no directory {directory}")
        self.exit_code: int | None = None
        self._program = argv[0]
        self._on_output = on_output
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._ended = False
        self._said = b""
        self._output, output = os.pipe()
        words = [str(grace_s), "take" if take_rest else "leave", *argv]
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, *words],
                cwd=directory,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            os.close(self._output)
            raise KappError(f"`{argv[0]}` cannot be started: {error}") from error
        finally:
            os.close(output)
        assert self._keeper.stdout is not None
        self._status = self._keeper.stdout.fileno()
        for end in (self._output, self._status):
            os.set_blocking(end, False)
        self._loop.add_reader(self._output, self._read_output)
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

    def _read_output(self) -> None:
        if self._output < 0:
            return
        try:
            data = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._close_output()
            return
        self._on_output(data)
        if len(data) == _READ_BYTES:
            self._loop.remove_reader(self._output)
            self._loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        if self._output >= 0:
            self._loop.add_reader(self._output, self._read_output)

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
        for _ in range(_MAX_LAST_READS):
            if self._output < 0:
                break
            try:
                data = os.read(self._output, _READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                self._close_output()
                break
            self._on_output(data)
        self._ended = True
        self._on_end()

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    def _close_status(self) -> None:
        if self._status >= 0:
            self._loop.remove_reader(self._status)
            self._status = -1
            assert self._keeper.stdout is not None
            self._keeper.stdout.close()
