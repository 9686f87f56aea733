"""The state of one evaluation, as builtins see it: where we are, what was read, declared, printed.

Holds nothing of Starlark: the host (`kapp.kappfile.host`) drives the language and keeps `files`
and `load` up to date.
"""

from __future__ import annotations

import itertools
import os.path
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from kapp.kappfile.assembly.declarations import Declarations
from kapp.kappfile.configuration import Configuration
from kapp.kappfile.contents import digest_of
from kapp.kappfile.context import KubeContextInfo
from kapp.kappfile.errors import Frame, KappfileError
from kapp.kappfile.limits import Stamp
from kapp.kappfile.manifests import ManifestCache
from kapp.kappfile.model import KappfileWarning
from kapp.kappfile.renders import Renders
from kapp.kappfile.suggest import nearest
from kapp.kappfile.traces import frames_of
from kapp.kappfile.values import Value, blob_value, string

MAX_OUTPUT_CHARS = 1_000_000
"""A Kappfile that prints in a loop must not fill the engine's memory."""

MAX_WARNINGS = 1000
"""As for the output."""


class Session(msgspec.Struct):
    """One evaluation in progress; used by one thread.

    Attributes:
        main: absolute path of the Kappfile.
        files: absolute paths of the files being executed, outermost first.
        sources: text of each executed file by its display path, for showing source lines.
        cancelled: whether the evaluation shall end.
        subcommand: the command that evaluates, `up` or `ci`.
        stamps: of each executed file, as it was read.
        callers: the call chain that led to the file being executed.
        run_file: executes another file (for `include` and `load_dynamic`), given the call chain
            within the present one; returns a handle.
        symbols: names of an executed file's functions, and its data by name.
        unused_forwards: `path:line` of port_forward values no resource used yet, by number.
        contents: digests of the files that were read.
        numbers: fresh numbers for values that need an identity.
        call_function: calls a function that a builtin was given, once the file that it was given
            in is executed: that file, the function's number, a dict that becomes a struct.
    """

    main: Path
    args: tuple[str, ...]
    context: KubeContextInfo
    env: dict[str, str]
    manifests: ManifestCache
    renders: Renders
    cancelled: Callable[[], bool] = lambda: False
    run_file: Callable[[Path, Sequence[Frame]], int] = lambda path, callers: -1
    symbols: Callable[[int], tuple[list[str], dict[str, Value]]] = lambda handle: ([], {})
    call_function: Callable[[Path, int, dict[str, str]], Value] = lambda file, index, argument: None
    contents: dict[Path, bytes] = msgspec.field(default_factory=dict)
    subcommand: str = "up"
    configuration: Configuration = msgspec.field(default_factory=Configuration)
    stamps: dict[Path, Stamp] = msgspec.field(default_factory=dict)
    files: list[Path] = msgspec.field(default_factory=list)
    callers: tuple[Frame, ...] = ()
    sources: dict[str, str] = msgspec.field(default_factory=dict)
    declared: Declarations = msgspec.field(default_factory=Declarations)
    warnings: list[KappfileWarning] = msgspec.field(default_factory=list)
    output: list[str] = msgspec.field(default_factory=list)
    unused_forwards: dict[int, str] = msgspec.field(default_factory=dict)
    numbers: Iterator[int] = msgspec.field(default_factory=lambda: itertools.count(1))
    _watched: dict[Path, None] = msgspec.field(default_factory=dict)
    _trees: dict[Path, None] = msgspec.field(default_factory=dict)
    _output_chars: int = 0

    @property
    def directory(self) -> Path:
        """The working directory: that of the file being executed, as in Tilt."""
        return self.files[-1].parent if self.files else self.main.parent

    def resolve(self, path: str) -> Path:
        """An absolute path; relative ones start at `directory`, `~` at the home directory."""
        expanded = Path(path).expanduser() if path.startswith("~") else Path(path)
        return Path(os.path.normpath(self.directory / expanded))

    def display(self, path: Path) -> str:
        """The path for messages: relative to the Kappfile's directory where it is below it."""
        root = self.main.parent
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

    def watch(self, path: Path) -> None:
        """A change of this file, or of this directory's entries, calls for a new evaluation."""
        self._watched[path] = None

    def watch_tree(self, path: Path) -> None:
        """So does a change of anything below this directory."""
        self._trees[path] = None

    @property
    def watched_paths(self) -> tuple[Path, ...]:
        """Everything `watch` was told, in order."""
        return tuple(self._watched)

    @property
    def watched_trees(self) -> tuple[Path, ...]:
        """Everything `watch_tree` was told, in order."""
        return tuple(self._trees)

    def read(self, path: Path) -> str:
        """The text of a file, which is watched from now on. Raises KappfileError."""
        self.watch(path)
        try:
            contents = path.read_bytes()
            self._note(path, contents)
            return contents.decode("utf-8-sig")
        except FileNotFoundError:
            raise self.missing(path) from None
        except IsADirectoryError:
            shown = self.display(path)
            raise KappfileError(
                f"{shown} is a directory, not a file", hint=f"for manifests, '{shown}/*.yaml'"
            ) from None
        except UnicodeDecodeError as error:
            raise KappfileError(
                f"{self.display(path)} is not UTF-8 text (byte {error.start})"
            ) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise KappfileError(f"{self.display(path)} cannot be read: {reason}") from error

    def _note(self, path: Path, contents: bytes) -> None:
        digest = digest_of(contents)
        if self.contents.setdefault(path, digest) != digest:
            self.contents[path] = b""  # it changed meanwhile, so nobody knows what was seen of it

    def missing(self, path: Path) -> KappfileError:
        """The error for a file that is not there."""
        return self._missing("file", path)

    def directory_of(self, argument: str, value: Value) -> Path:
        """The directory that a builtin is given. Raises KappfileError if there is none."""
        path = self.resolve(string(argument, value))
        if path.is_dir():
            return path
        self.watch(path)
        if path.exists():
            raise KappfileError(
                f"{self.display(path)} is a file, not a directory",
                hint=f"did you mean `{self.display(path.parent)}`?",
            )
        raise self._missing("directory", path)

    def _missing(self, kind: str, path: Path) -> KappfileError:
        hint = "paths start at the directory of the file that is executed"
        if path.parent.is_dir():
            match = _nearest_file(path)
            if match:
                hint = f"did you mean `{self.display(path.parent / match)}`?"
        else:
            hint = f"there is no directory {path.parent}"
        return KappfileError(f"no such {kind}: {self.display(path)} (looked for {path})", hint=hint)

    def rendered_blob(self, number: int) -> Value:
        """A blob of what a render made; waits for it. Raises KappfileError."""
        return blob_value(self.renders.text(number), self.renders.source(number))

    def print(self, text: str) -> None:
        """Collect output, up to MAX_OUTPUT_CHARS."""
        if self._output_chars > MAX_OUTPUT_CHARS:
            return
        self._output_chars += len(text) + 1
        if self._output_chars > MAX_OUTPUT_CHARS:
            text = f"… output is cut here: the Kappfile prints over {MAX_OUTPUT_CHARS} characters"
        self.output.append(text)

    def warn(self, message: str, location: str = "") -> None:
        """Collect a warning, up to MAX_WARNINGS."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(KappfileWarning(message, location))


def _nearest_file(path: Path) -> str:
    """The name in the same directory that was probably meant; endings alone make none near."""
    names = [entry.name for entry in path.parent.iterdir()]
    stem = nearest(path.stem, {Path(name).stem for name in names})
    return nearest(path.name, [name for name in names if stem and Path(name).stem == stem])


class Call(msgspec.Struct, frozen=True):
    """One call of a builtin: the evaluation it belongs to, and where it was made from."""

    session: Session
    trace: str

    @property
    def frames(self) -> list[Frame]:
        """The call chain, outermost first."""
        return [*self.session.callers, *self.own_frames]

    @property
    def own_frames(self) -> list[Frame]:
        """The call chain within what executes the present file."""
        return frames_of(self.trace)
