"""What an apply or a removal tells of each object while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """What happens to one object, which is named as `Kind/namespace/name`.

    `state` is applying, applied, retrying, waiting, recreating, deleting or deleted.
    """

    object: str
    state: str
    message: str = ""


OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """An `OnProgress` for those who do not want to know."""
