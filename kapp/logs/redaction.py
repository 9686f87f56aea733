"""Keeps the values of Secrets out of logs. Called by `kapp.logs.store` for every chunk.

A value of several lines is looked for line by line, since that is how it would be printed.
"""

from __future__ import annotations

from collections.abc import Iterable

REPLACEMENT = b"(redacted)"

# What is shorter ("1", "on", "dev") is no secret, and without it a log would be unreadable.
MIN_LENGTH_BYTES = 5


class Redaction:
    """The texts to hide, each for as long as its owner has it; none while `active` is False."""

    def __init__(self) -> None:
        self.active = True
        self._by_owner: dict[str, frozenset[bytes]] = {}
        self._hidden: tuple[bytes, ...] = ()

    def hide(self, owner: str, texts: Iterable[str]) -> None:
        """Replace what `owner` wants hidden; nothing lets it go."""
        lines = {line.strip().encode() for text in texts for line in text.splitlines()}
        hidden = frozenset(line for line in lines if len(line) >= MIN_LENGTH_BYTES)
        if hidden == self._by_owner.get(owner, frozenset()):
            return
        if hidden:
            self._by_owner[owner] = hidden
        else:
            del self._by_owner[owner]
        together = frozenset[bytes]().union(*self._by_owner.values())
        # A value that holds another goes first: what is left of it would tell the rest.
        self._hidden = tuple(sorted(together, key=len, reverse=True))

    def __call__(self, data: bytes) -> bytes:
        """`data` with every hidden text replaced."""
        for text in self._hidden if self.active else ():
            if text in data:
                data = data.replace(text, REPLACEMENT)
        return data
