"""Where the symbolic links on the way to a path lie: each of them may be pointed elsewhere."""

from __future__ import annotations

import os

# As the kernel: path_resolution(7).
MAX_LINKS = 40


class LinkFinder:
    """Finds links, and remembers directories that it has gone through; for one moment only."""

    def __init__(self) -> None:
        self._ways: dict[str, tuple[str, frozenset[str]]] = {}

    def on_the_way_to(self, path: str) -> frozenset[str]:
        """The absolute paths of all links that are followed to get to the entry `path`, itself too.

        Each is given by where it really lies. What does not exist is no link.
        """
        return self._resolve(path, 0)[1]

    def _resolve(self, path: str, depth: int) -> tuple[str, frozenset[str]]:
        """The real path, and the links on the way."""
        if path in self._ways:
            return self._ways[path]
        parent = os.path.dirname(path)
        if parent == path or depth > MAX_LINKS:
            return path, frozenset()
        directory, links = self._resolve(parent, depth)
        entry = os.path.normpath(os.path.join(directory, os.path.basename(path)))
        try:
            target = os.readlink(entry)
        except OSError:
            found = entry, links
        else:
            real, more = self._resolve(os.path.normpath(os.path.join(directory, target)), depth + 1)
            found = real, links | more | {entry}
        self._ways[path] = found
        return found
