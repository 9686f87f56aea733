"""Which lines a reader wants. Pure; called by `kapp.logs.store` for every chunk that it gives.

What belongs to a line that is wanted comes with it: a program that prints an error over several
lines (a traceback, a stack) says how bad it is in the first one.
"""

from __future__ import annotations

from kapp.logs.chunks import Chunk, chosen, lines_of
from kapp.logs.levels import LineLevels, is_at_least
from kapp.logs.plain import without_controls


class AtLeast:
    """Leaves lines out that are less bad than a level; one for each reader.

    Args:
        level: one of `kapp.logs.levels.LEVELS`.
    """

    def __init__(self, level: str) -> None:
        self._level = level
        self._levels = LineLevels()

    def __call__(self, chunk: Chunk) -> Chunk | None:
        """The lines that are wanted, None if there are none."""
        texts = (without_controls(line.decode("utf-8", "replace")) for line in lines_of(chunk))
        found = [self._levels.of(chunk.span.id, text, chunk.level) for text in texts]
        wanted = [number for number, one in enumerate(found) if is_at_least(one, self._level)]
        return chosen(chunk, wanted)
