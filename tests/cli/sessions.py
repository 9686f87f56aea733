"""Whole sessions of a shell with kapp, as texts: what was typed, and every byte that came back.

A snapshot (tests/cli/snapshots/*.txt) is such a text:

    # a remark
    $ kapp get kapp web
        NAME   STATUS …              standard output
      ! error: …                     standard error
      exit 1                         unless it is 0

What is typed may be `kapp …` or `cd DIR`; with `NAME=VALUE` before it, `< FILE` behind it, and `~/`
in any word. `# Ctrl-C once it says TEXT` behind a command that never ends interrupts it then.

What differs from run to run is written as tests/cli/normalising.py says.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from kapp.cli.entry import main

from .normalising import normalised

_DEADLINE_S = 30.0
_POLL_S = 0.02
_LIMIT_BYTES = 1 << 20
_INTERRUPT = re.compile(r" # Ctrl-C once it says (.+)$")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Session:
    """A shell in a directory; keeps the directory from command to command."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self._environment = dict(environment)

    def type(self, line: str) -> Outcome:
        """Run one line."""
        interrupt = _INTERRUPT.search(line)
        words = shlex.split(line[: interrupt.start()] if interrupt else line)
        environment = dict(self._environment)
        while _ASSIGNMENT.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            environment[name] = self._expand(value)
        words = [self._expand(word) for word in words]
        if words[0] == "cd":
            self._directory = (self._directory / words[1]).resolve()
            assert self._directory.is_dir(), line
            return Outcome(0, "", "")
        assert words[0] == "kapp", line
        stdin = Path(os.devnull)
        if "<" in words:
            stdin = self._directory / words.pop()
            assert words.pop() == "<", line
        if interrupt:
            return _in_a_process(words, self._directory, environment, interrupt[1])
        return _in_this_process(words, self._directory, environment, stdin)

    def _expand(self, word: str) -> str:
        return self._environment["HOME"] + word[1:] if word.startswith("~/") else word


def _in_this_process(
    words: list[str], directory: Path, environment: Mapping[str, str], stdin: Path
) -> Outcome:
    """Most commands print the same bytes here, thirty times as fast."""
    kept = sys.argv, sys.stdin, sys.stdout, sys.stderr
    with _world(directory, environment), stdin.open() as keys, _file() as out, _file() as err:
        sys.argv, sys.stdin, sys.stdout, sys.stderr = list(words), keys, out, err
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv, sys.stdin, sys.stdout, sys.stderr = kept
        return Outcome(code, _text(out), _text(err))


def _file() -> TextIO:
    # A file, and not only a buffer: some write to its descriptor.
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _text(stream: TextIO) -> str:
    stream.flush()
    return os.pread(stream.fileno(), _LIMIT_BYTES, 0).decode()


@contextmanager
def _world(directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Another working directory and environment, for as long as it takes."""
    before, here = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)


def _in_a_process(
    words: list[str], directory: Path, environment: Mapping[str, str], until: str
) -> Outcome:
    with _file() as out, _file() as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            _wait_for(until, out, err)
            process.send_signal(signal.SIGINT)
            process.wait(_DEADLINE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return Outcome(process.returncode, _text(out), _text(err))


def _wait_for(text: str, out: TextIO, err: TextIO) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while text not in (said := _text(out) + _text(err)):
        assert time.monotonic() < deadline, f"it never says {text!r}, but:\n{said}"
        time.sleep(_POLL_S)


def replay(text: str, session: Session, places: Mapping[str, str]) -> str:
    """Type every command of a snapshot again; the snapshot as it should read.

    `places` are paths of this run, and what is written in their place.
    """
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            lines.append(line)
        elif line.startswith("$ "):
            lines += [line, *shown(session.type(line[2:]), places)]
    return "\n".join(lines) + "\n"


def shown(outcome: Outcome, places: Mapping[str, str]) -> Iterator[str]:
    """An outcome as a snapshot shows it."""
    stdout = normalised(outcome.stdout, places)
    for line in stdout.splitlines():
        yield f"    {line}".rstrip()
    if stdout and not stdout.endswith("\n"):
        yield "  (no newline at the end)"
    for line in normalised(outcome.stderr, places).splitlines():
        yield f"  ! {line}".rstrip()
    if outcome.code:
        yield f"  exit {outcome.code}"
