"""“Did you mean”: the nearest known name, as a hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_CUTOFF = 0.7  # difflib's ratio: one or two wrong letters pass, another word does not


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that `name` is most likely a misspelling of, or ""."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=_CUTOFF)
    return matches[0] if matches else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint, or "" when nothing is near."""
    match = nearest(name, known)
    return f"did you mean `{match}`?" if match else ""


def listing(names: Iterable[str]) -> str:
    """Names for a message: quoted, separated by commas."""
    return ", ".join(f"`{name}`" for name in names) or "none"
