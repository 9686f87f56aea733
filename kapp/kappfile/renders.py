"""Programs whose output depends on known files: run in the background, remembered by their inputs.

`helm` and `kustomize` take a tenth of a second and more, and need not wait for each other. So a
render is started at its call and waited for where its text is needed; the same inputs are rendered
once. The evaluation of a Kappfile has one `Renders`, which ends with it; the engine keeps the
`RenderCache` across evaluations.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from kapp.kappfile import commands
from kapp.kappfile.errors import Frame, KappfileError

KEPT_EVALUATIONS = 3
"""A text unused for this many evaluations is forgotten (an edit undone comes back cheaply)."""

MAX_PARALLEL = 8
"""Programs that run at once; they are other people's, and need memory."""


class Render(msgspec.Struct, frozen=True):
    """One run of a program.

    Attributes:
        builtin: the builtin that wants it, for messages.
        source: stands for a file's name in locations of what comes out.
        argv: program and arguments.
        directory: where it runs.
        env: its whole environment.
        files: what it reads, as far as is known; also what it looked for and did not find.
        pure: whether it reads nothing else, so that its output may be remembered.
        frames: the call that wants it.
        failure: makes an error of a run that failed.
        finish: makes of its output what is wanted; runs in the background too.
    """

    builtin: str
    source: str
    argv: tuple[str, ...]
    directory: Path
    env: Mapping[str, str]
    files: tuple[Path, ...]
    pure: bool
    frames: Sequence[Frame]
    failure: Callable[[commands.Completed], KappfileError]
    finish: Callable[[str], str] = msgspec.field(default=lambda text: text)

    def digest(self) -> str:
        """Names everything that the output depends on: command, environment, contents of files."""
        found = hashlib.blake2b(digest_size=20)
        settings = sorted(f"{name}={value}" for name, value in self.env.items() if _counts(name))
        for part in (*self.argv, str(self.directory), *settings):
            found.update(f"{len(part)}:{part}".encode())
        for path in (*self.files, Path(self.argv[0])):
            contents = _program(path) if path == Path(self.argv[0]) else _contents(path)
            found.update(f"{path}:{len(contents)}:".encode() + contents)
        return found.hexdigest()


def _counts(name: str) -> bool:
    """Whether a variable may change what the programs print."""
    return name in ("HOME", "PATH") or name.startswith(("HELM_", "KUBE", "KUSTOMIZE_", "XDG_"))


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        return f"\0{error.errno}".encode()


def _program(path: Path) -> bytes:
    try:
        info = os.stat(path)
    except OSError:
        return b""
    return f"{info.st_size}:{info.st_mtime_ns}".encode()


class RenderCache:
    """Texts by digest, for as long as they are used. Safe to use from several threads."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, int]] = {}
        self._evaluation = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A new evaluation starts: forget what was not used for a while."""
        with self._lock:
            self._evaluation += 1
            oldest = self._evaluation - KEPT_EVALUATIONS
            self._texts = {key: kept for key, kept in self._texts.items() if kept[1] >= oldest}

    def get(self, digest: str) -> str | None:
        """The text, if it is remembered."""
        with self._lock:
            kept = self._texts.get(digest)
            if kept is None:
                return None
            self._texts[digest] = (kept[0], self._evaluation)
            return kept[0]

    def put(self, digest: str, text: str) -> None:
        """Remember a text."""
        with self._lock:
            self._texts[digest] = (text, self._evaluation)


class Renders:
    """The renders of one evaluation; `close` ends those that still run."""

    def __init__(self, cache: RenderCache, cancelled: Callable[[], bool]) -> None:
        self._cache = cache
        self._cancelled = cancelled
        self._closed = False
        self._pool: ThreadPoolExecutor | None = None
        self._started: list[tuple[Render, Future[str]]] = []
        self._by_digest: dict[str, int] = {}

    @property
    def started(self) -> bool:
        """Whether anything was not remembered."""
        return bool(self._started)

    def start(self, render: Render) -> int | str:
        """Its text if it is remembered, else the number under which it is being rendered."""
        digest = render.digest()
        text = self._cache.get(digest) if render.pure else None
        if text is not None:
            return text
        number = self._by_digest.get(digest)
        if number is None:
            self._pool = self._pool or ThreadPoolExecutor(MAX_PARALLEL, "render")
            number = self._by_digest[digest] = len(self._started)
            self._started.append((render, self._pool.submit(self._run, render, digest)))
        return number

    def text(self, number: int) -> str:
        """A render's text; waits for it. Raises KappfileError, located at the render's call."""
        return self._started[number][1].result()

    def source(self, number: int) -> str:
        """What stands for a file's name in locations of the text."""
        return self._started[number][0].source

    def wait(self) -> None:
        """Until none runs: what is done next may write what they read."""
        for _, future in self._started:
            future.exception()

    def close(self) -> None:
        """End those that run, and wait for their threads."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _run(self, render: Render, digest: str) -> str:
        try:
            return self._rendered(render, digest)
        except KappfileError as error:
            error.message = f"{render.builtin}: {error.message}"
            error.located(render.frames)
            error.settled = True
            raise

    def _rendered(self, render: Render, digest: str) -> str:
        done = commands.run(
            render.argv,
            directory=render.directory,
            env=render.env,
            stdin=None,
            cancelled=lambda: self._closed or self._cancelled(),
        )
        if done.code:
            raise render.failure(done)
        text = render.finish(done.stdout)
        if render.pure and render.digest() == digest:  # else a file was saved meanwhile
            self._cache.put(digest, text)
        return text
