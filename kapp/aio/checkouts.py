"""Whether git is about to replace files: a checkout is one change, however long it takes.

git holds `index.lock` in its directory from before it writes the first file until after the last.
Other commands hold it too, some while an editor is open, so it is a hint and no more.
Source: gitrepository-layout(5) for `.git` files; lockfile.h in git's sources.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def in_progress(paths: Iterable[str]) -> bool:
    """Whether a repository that one of these absolute paths lies in is locked."""
    known: dict[str, str] = {}
    found = {_git_directory(os.path.dirname(path), known) for path in paths}
    return any(one and os.path.exists(os.path.join(one, "index.lock")) for one in found)


def _git_directory(directory: str, known: dict[str, str]) -> str:
    """The git directory of the work tree that holds `directory`, or ""."""
    if directory not in known:
        candidate = os.path.join(directory, ".git")
        parent = os.path.dirname(directory)
        if os.path.isdir(candidate):
            known[directory] = candidate
        elif os.path.isfile(candidate):
            known[directory] = _linked(candidate)
        else:
            known[directory] = "" if parent == directory else _git_directory(parent, known)
    return known[directory]


def _linked(file: str) -> str:
    """Where the `.git` file of a worktree or a submodule leads."""
    try:
        with open(file, encoding="utf-8") as stream:
            target = stream.readline().strip().removeprefix("gitdir: ")
    except (OSError, UnicodeDecodeError):
        return ""
    return os.path.join(os.path.dirname(file), target)
