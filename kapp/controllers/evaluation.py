"""Evaluates a Kappfile so that nobody sees a half-written file.

A result that looks like one (an error that says so, or resources that are gone all of a sudden) is
believed only when the files it was read from have been quiet for a moment; until then they are
read again. Used by `kapp.controllers.kappfile`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

from kapp.api.v1alpha1.filewatch import IgnoreDef
from kapp.controllers.filewatch import ignoring
from kapp.controllers.kappfileobjects import ignores_of
from kapp.kappfile.contents import digest_of
from kapp.kappfile.context import KubeContextInfo
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.model import Result

# Editors and tools write a file within some milliseconds; a person does not notice twice as long.
QUIET_S = 0.1
# Files that never rest (a tool that writes them all the time) are believed after this many looks.
MAX_LOOKS = 20
# The kernel stamps files with the time of its last tick: up to 10 ms before the moment itself.
_CLOCK_GRAIN_NS = 10_000_000
# Looking at so many files takes some milliseconds.
MAX_TREE_ENTRIES = 2000


Signature: TypeAlias = tuple[tuple[Path, tuple[int, int, int] | None], ...]


class Outcome(NamedTuple):
    """How an evaluation ended: exactly one of `result` and `error`; and what it depended on."""

    result: Result | None
    error: KappfileError | None
    watched_paths: tuple[Path, ...]
    watched_trees: tuple[Path, ...]
    ignores: list[IgnoreDef]
    contents: Mapping[Path, bytes]
    output: tuple[str, ...]
    signature: Signature
    started_ns: int

    def changed_on_disk(self, watched_before: Collection[Path]) -> bool:
        """Whether a file is no longer as it was read.

        A change during the evaluation made an event, unless the file was not watched yet: then its
        modification time tells.
        """
        now = self.signature_now()
        return now != self.signature or any(
            stat is not None and stat[1] >= self.started_ns and path not in watched_before
            for path, stat in now
        )

    def saw_everything(self) -> bool:
        """Whether it was evaluated from what the files hold now, so that an event tells no news.

        What was written to lately is compared: two writes may bear the same time.
        """
        return self.signature_now() == self.signature and all(
            self._saw(path) for path, _ in self.signature
        )

    def _saw(self, path: Path) -> bool:
        try:
            info = os.stat(path)
            if max(info.st_mtime_ns, info.st_ctime_ns) < self.started_ns:
                return True
            return self.contents.get(path) == digest_of(path.read_bytes())
        except OSError:
            return not os.path.lexists(path) and path not in self.contents

    def signature_now(self) -> Signature:
        """The signature of what it depended on, as things are now."""
        return signature(self.watched_paths, self.watched_trees, ignoring(self.ignores))

    def resource_names(self) -> set[str]:
        """The resources it declares; none after an error."""
        return set(self.result.names) if self.result is not None else set()


class Evaluator:
    """Evaluates Kappfiles in a thread, and keeps what makes the next evaluation fast.

    Args:
        context: the cluster they are evaluated for.
        env: the environment they see.
        now: wall time.
        subcommand: the command that evaluates, `up` or `ci`.
    """

    def __init__(
        self,
        context: KubeContextInfo,
        env: Mapping[str, str],
        now: Callable[[], datetime],
        subcommand: str = "up",
    ) -> None:
        # The interpreter is loaded when the first Kappfile is, not when the engine's code is.
        from kapp.kappfile.caches import EvaluationCache

        self._context = context
        self._env = env
        self._now = now
        self._caches: dict[str, EvaluationCache] = {}
        self._make_cache = EvaluationCache
        self._closed = False
        self._subcommand = subcommand

    async def evaluate(
        self,
        path: str,
        args: Sequence[str],
        *,
        known: Iterable[str],
        superseded: Callable[[], bool],
    ) -> Outcome | None:
        """The outcome once it can be believed, or None when `superseded` says it is of no use.

        `known` names the resources of the evaluation before: that one is gone is believed late.
        """
        known = set(known)

        def useless() -> bool:
            return self._closed or superseded()

        for look in range(MAX_LOOKS):
            outcome = await asyncio.to_thread(self._evaluate, path, args, useless)
            if useless():
                return None
            if outcome.error is not None and outcome.error.cancelled and look < MAX_LOOKS - 1:
                continue  # a file was saved while it was executed
            if not _looks_half_written(outcome, known) or look == MAX_LOOKS - 1:
                return outcome
            await asyncio.sleep(QUIET_S)
            if useless():
                return None
            if outcome.saw_everything():
                return outcome
        return None

    def close(self) -> None:
        """End what is being evaluated: a process waits for its threads."""
        self._closed = True

    def _evaluate(self, path: str, args: Sequence[str], superseded: Callable[[], bool]) -> Outcome:
        from kapp.kappfile.evaluate import evaluate

        started_ns = int(self._now().timestamp() * 1e9) - _CLOCK_GRAIN_NS
        cache = self._caches.setdefault(path, self._make_cache())
        try:
            result = evaluate(
                Path(path),
                args=args,
                context=self._context,
                env=self._env,
                subcommand=self._subcommand,
                cancelled=superseded,
                cache=cache,
            )
        except KappfileError as error:
            return _outcome(None, error, error, started_ns)
        return _outcome(result, None, result, started_ns)


def _outcome(
    result: Result | None,
    error: KappfileError | None,
    ending: Result | KappfileError,
    started_ns: int,
) -> Outcome:
    outcome = Outcome(
        result,
        error,
        ending.watched_paths,
        ending.watched_trees,
        ignores_of(ending.watch_ignores),
        ending.contents,
        ending.output,
        (),
        started_ns,
    )
    return outcome._replace(signature=outcome.signature_now())


def _looks_half_written(outcome: Outcome, known: set[str]) -> bool:
    if outcome.error is not None:
        return outcome.error.transient
    return not known <= outcome.resource_names()


def signature(
    paths: Iterable[Path], trees: Iterable[Path], ignored: Callable[[str], bool]
) -> Signature:
    """What changes when one of the files does: inode, modification time in ns, size in bytes.

    Trees count as far as MAX_TREE_ENTRIES; of what changes beyond that, only events tell.
    """
    found = dict.fromkeys(path for path in paths if not ignored(str(path)))
    entries = itertools.chain.from_iterable(_entries(tree) for tree in trees)
    for path in itertools.islice(entries, MAX_TREE_ENTRIES):
        if not ignored(str(path)):
            found[path] = None
    return tuple((path, _stat(path)) for path in found)


def _entries(tree: Path) -> Iterator[Path]:
    for parent, directories, names in os.walk(tree):
        directories[:] = [name for name in directories if name != ".git"]
        yield Path(parent)
        yield from (Path(parent, name) for name in names)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
