"""A real pseudo-terminal, with pyte as the screen behind it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte


class Terminal:
    """A pseudo-terminal of so many columns and rows, and what it shows.

    Attributes:
        bytes: all that was written to it, as far as it was read.
    """

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=5000)
        self._stream = pyte.ByteStream(self.screen)
        self.master, self.slave = pty.openpty()
        self.bytes = b""
        self._set_size(columns, rows)

    def run(
        self, command: list[str], directory: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a command with it as its own terminal."""
        return subprocess.Popen(
            command,
            cwd=directory,
            env={**environment, "TERM": "xterm-256color"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """As a window manager does; the process hears of it by SIGWINCH."""
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def lines(self) -> list[str]:
        """What is on the screen now."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # nobody has it open any more
                break
            self.bytes += data
            self._stream.feed(data)
        return [line.rstrip() for line in self.screen.display]

    def close(self) -> None:
        """Nobody looks at it any more."""
        os.close(self.slave)
        os.close(self.master)

    def shows(self, *texts: str) -> Callable[[], bool]:
        """Whether the screen shows each of these, for `eventually`."""

        def check() -> bool:
            shown = "\n".join(self.lines())
            assert all(text in shown for text in texts), f"{texts} in:\n{shown}"
            return True

        return check
