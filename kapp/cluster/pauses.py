"""Waits between looks at what usually changes soon, and now and then late."""

from __future__ import annotations

import asyncio

# Where nothing holds it up, an object has gone, or a CRD is served, after tens of milliseconds.
FIRST_S = 0.05
LONGEST_S = 1.0


class Pauses:
    """Pauses of one wait; each is longer than the one before, up to a bound."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    async def pause(self, at_least_s: float = 0.0) -> None:
        """Wait until it is time to look again."""
        await asyncio.sleep(max(self._next_s, at_least_s))
        self._next_s = min(self._next_s * 1.5, LONGEST_S)
