"""Single keys from a terminal, read in the event loop.

Interrupt and suspend (Ctrl-C, Ctrl-Z) stay the terminal's: they arrive as signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Callable, Iterator

_READ_BYTES = 64
# ECMA-48 cursor keys, as sent in normal and in application mode.
_SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
}
_ALIASES = {"k": "up", "j": "down", "\x04": "q"}


def decode(data: bytes) -> list[str]:
    """The keys in what a terminal sent: `up`, `down`, or single characters. Others are left out."""
    keys = []
    while data:
        sequence = next((known for known in _SEQUENCES if data.startswith(known)), None)
        if sequence:
            keys.append(_SEQUENCES[sequence])
            data = data[len(sequence) :]
        elif data[:1] == b"\x1b":
            break  # a key without a meaning here: the rest of its sequence is not text
        else:
            character = data[:1].decode("latin-1")
            keys.append(_ALIASES.get(character, character))
            data = data[1:]
    return keys


@contextlib.contextmanager
def reading(on_key: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Call `on_key` for each key while the block runs; yields what sets the terminal up again.

    That is needed after the process was suspended: the shell has set the terminal as it likes it.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    wanted = termios.tcgetattr(descriptor)
    # No line editing and no echo; signals stay.
    wanted[3] &= ~(termios.ICANON | termios.ECHO)
    loop = asyncio.get_running_loop()

    def set_up() -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, wanted)

    def read() -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except OSError:
            data = b""
        if not data:  # the terminal is gone
            loop.remove_reader(descriptor)
        for key in decode(data):
            on_key(key)

    set_up()
    loop.add_reader(descriptor, read)
    try:
        yield set_up
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
