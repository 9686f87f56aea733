"""Runs one command to its end from the evaluating thread, cancellable and bounded.

Output goes to unnamed files, not pipes: nothing can block on a full pipe, and a child that keeps
running in the background does not hold the evaluation up.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from kapp.kappfile.errors import KappfileError

POLL_INTERVAL_S = 0.02
"""How soon a cancelled evaluation ends; commands of a Kappfile take longer than this anyway."""

MAX_OUTPUT_BYTES = 64 << 20
"""A command that prints more than this is stopped: its output becomes a string in memory."""


class Completed(msgspec.Struct, frozen=True):
    """What a command left: exit code (negative: the signal that ended it) and its output."""

    code: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    directory: Path,
    env: Mapping[str, str],
    stdin: str | None,
    cancelled: Callable[[], bool],
) -> Completed:
    """Run `argv` and wait. Raises KappfileError if it cannot be started, or is stopped."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with tempfile.TemporaryFile() as given:
            given.write((stdin or "").encode())
            given.seek(0)
            process = _start(argv, directory, env, given, out, err)
        try:
            _wait(process, (out, err), cancelled)
        except BaseException:
            _kill(process)
            raise
        return Completed(process.returncode, _text(out), _text(err))


def _start(
    argv: Sequence[str],
    directory: Path,
    env: Mapping[str, str],
    given: IO[bytes],
    out: IO[bytes],
    err: IO[bytes],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=directory,
            env=dict(env),
            stdin=given,
            stdout=out,
            stderr=err,
            start_new_session=True,  # so that stopping it stops its children
        )
    except FileNotFoundError as error:
        if not directory.is_dir():
            raise KappfileError(f"there is no directory {directory}") from error
        raise KappfileError(f"there is no program `{argv[0]}`") from error
    except (OSError, ValueError) as error:
        raise KappfileError(f"`{argv[0]}` cannot be started: {error}") from error


def _wait(
    process: subprocess.Popen[bytes], files: Sequence[IO[bytes]], cancelled: Callable[[], bool]
) -> None:
    while not _ended(process):
        if cancelled():
            raise KappfileError("the evaluation was cancelled", cancelled=True)
        if any(os.fstat(file.fileno()).st_size > MAX_OUTPUT_BYTES for file in files):
            raise KappfileError(f"the command printed over {MAX_OUTPUT_BYTES >> 20} MiB")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; waits for that for POLL_INTERVAL_S."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not on Linux: a wait that looks now and then
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_INTERVAL_S)
        return process.returncode is not None
    try:
        watched = select.poll()
        watched.register(descriptor, select.POLLIN)
        watched.poll(POLL_INTERVAL_S * 1000)
    finally:
        os.close(descriptor)
    return process.poll() is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself meanwhile
    process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace")
