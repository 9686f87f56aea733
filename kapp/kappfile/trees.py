"""Everything in a directory that a program reads as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kapp.kappfile.errors import KappfileError

MAX_ENTRIES = 10_000
"""More than any chart has; somebody who names `/` instead shall be told."""


def walk(root: Path) -> Iterator[Path]:
    """Every directory and file at and below a directory, links followed, version control left out.

    Raises KappfileError for more than MAX_ENTRIES of them.
    """
    seen: set[str] = set()
    count = 0
    for parent, directories, names in os.walk(root, followlinks=True):
        real = os.path.realpath(parent)
        directories[:] = sorted(name for name in directories if name != ".git")
        if real in seen:
            directories.clear()
            continue
        seen.add(real)
        count += 1 + len(names)
        if count > MAX_ENTRIES:
            raise KappfileError(f"{root} holds over {MAX_ENTRIES} files")
        yield Path(parent)
        yield from (Path(parent, name) for name in sorted(names))
