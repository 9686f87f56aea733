"""`kapp get` as its caller sees it: what to write to which stream, and the exit code.

The words are interpreted and the answer is rendered by `kapp.machinery.printers`; this file brings
in what that may not know: the caller's working directory, and waiting for changes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeAlias

from kapp.machinery.printers import run_api_resources, run_describe, run_explain, watch_get
from kapp.machinery.registry import Registry
from kapp.machinery.status import bad_request

STDOUT, STDERR, EXIT = 1, 2, 3

Output: TypeAlias = tuple[int, bytes]
"""A stream (STDOUT, STDERR, EXIT) and what goes there; EXIT comes last, in digits."""


_AT_ONCE = {
    "describe": run_describe,
    "explain": run_explain,
    "api-resources": run_api_resources,
}


async def print_command(
    registry: Registry, command: str, args: Sequence[str], cwd: str
) -> AsyncGenerator[Output, None]:
    """Run `kapp COMMAND ARGS…`, one of those that only read. Raises ApiError (400) for others."""
    if command == "get":
        async for output in print_get(registry, args, cwd):
            yield output
        return
    if command not in _AT_ONCE:
        raise bad_request(f"there is no command {command!r} to print")
    result = _AT_ONCE[command](registry, args)
    for stream, text in ((STDOUT, result.stdout), (STDERR, result.stderr)):
        if text:
            yield stream, text.encode()
    yield EXIT, str(result.exit_code).encode()


async def print_get(
    registry: Registry, args: Sequence[str], cwd: str
) -> AsyncGenerator[Output, None]:
    """Run `kapp get ARGS…`; with `-w`, until the caller stops.

    `cwd` is what the paths of template files are relative to.
    """
    # What does not ask to watch is a watch that has ended.
    watching = watch_get(registry, args, read_file=_reader(cwd))
    woken = asyncio.Event()
    watching.on_wake(woken.set)
    try:
        while True:
            # Cleared before taking: a change that comes after is then never slept through.
            woken.clear()
            ended = watching.ended
            result = watching.take()
            if result.stdout:
                yield STDOUT, result.stdout.encode()
            if result.stderr:
                yield STDERR, result.stderr.encode()
            if ended:
                yield EXIT, str(result.exit_code).encode()
                return
            if not watching.ended:
                await woken.wait()
    finally:
        watching.close()


def _reader(cwd: str) -> Callable[[str], str]:
    def read(path: str) -> str:
        with open(os.path.join(cwd, path), encoding="utf-8") as file:
            return file.read()

    return read
