"""Drives Starlark: executes files in their modules, and lets builtins into them.

starlark-rust holds the interpreter lock while it runs, loses every exception but its text, and
caches nothing it loads; so the host passes a cancellation check that lets other threads run, keeps
the original exception, and keeps modules and the stack of files itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import starlark

from kapp.kappfile import exports, prelude
from kapp.kappfile.brackets import CLOSING, Bracket, unclosed
from kapp.kappfile.builtins.planned import missing_names
from kapp.kappfile.errors import ArgumentError, Frame, KappfileError
from kapp.kappfile.exits import Exit
from kapp.kappfile.failures import MAX_CALL_DEPTH, chain_of, translate
from kapp.kappfile.limits import Limits, stamp_of
from kapp.kappfile.registry import BUILTINS, Builtin
from kapp.kappfile.session import Call, Session
from kapp.kappfile.traces import PRELUDE_FILE
from kapp.kappfile.values import settled

MAX_NESTED_FILES = 20
"""Each nested file may use MAX_CALL_DEPTH calls of the one native stack (it holds over 20 000)."""

MAX_BRACKETS = 500
"""Brackets nested deeper than this overflow the native parser's stack, which cannot be caught."""


_INDENT = re.compile(r"^[ \t]*\t[ \t]*", re.MULTILINE)
_BRACKET = re.compile(r"[][(){}]")


@cache
def _dialect() -> Any:
    dialect = starlark.Dialect.extended()
    dialect.enable_top_level_stmt = True
    dialect.enable_f_strings = True
    return dialect


@cache
def _globals() -> Any:
    library = starlark.LibraryExtension
    # no Print: it writes to the process's stderr; the prelude defines print
    return starlark.Globals.extended_by([library.StructType, library.Json, library.CallStack])


@cache
def _preludes() -> list[Any]:
    return [
        starlark.parse(PRELUDE_FILE, text, _dialect()) for text in (prelude.FIRST, prelude.second())
    ]


class Host:
    """Executes the files of one evaluation, in one thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limits = Limits(session.cancelled, session.stamps)
        self._pending: BaseException | None = None
        self._modules: dict[Path, Any] = {}
        self._handles: list[Any] = []
        self._callables = {
            prelude.PREFIX + item.id: self._guard(self._bind(item)) for item in BUILTINS.values()
        }
        helpers: dict[str, Callable[..., Any]] = {
            "about": lambda: [str(session.main), str(session.main.parent), session.subcommand],
            "argv": lambda: list(session.args),
            "call": self._call_symbol,
            "environ": lambda: dict(session.env),
            "missing": _missing,
            "rendered": session.renders.text,
        }
        self._callables |= {
            prelude.PREFIX + name: self._guard(function) for name, function in helpers.items()
        }
        session.run_file = self._include
        session.symbols = self._symbols
        session.call_function = self._call_function

    def close(self) -> None:
        """Let go of the modules.

        They hold the callables, which hold this host; the garbage collector cannot see through
        native objects, so without this every evaluation would stay in memory for ever.
        """
        self._modules.clear()
        self._handles.clear()
        self._callables.clear()

    def _options(self) -> Any:
        return starlark.EvalOptions(
            max_callstack_size=MAX_CALL_DEPTH, check_cancelled=self._check_cancelled
        )

    def _check_cancelled(self) -> bool:
        time.sleep(0)  # noqa: TID251 -- lets the event loop's thread run; this is a worker thread
        if self._limits.cancelled():
            return True
        self._pending = self._pending or self._limits.exceeded()
        return self._pending is not None

    def _bind(self, item: Builtin) -> Callable[..., Any]:
        session = self._session

        def invoke(trace: str, *args: Any, **kwargs: Any) -> Any:
            try:
                given = settled(
                    [*args, kwargs], session.rendered_blob, keep_pending=item.takes_pending
                )
                args, kwargs = tuple(given[:-1]), given[-1]
                return item.function(Call(session, trace), *args, **kwargs)
            except KappfileError as error:
                if not error.frames and not error.location:
                    error.message = f"{item.name}: {error.message}"
                if isinstance(error, ArgumentError) and not error.hint:
                    error.hint = item.argument_hint(error.argument)
                raise

        return invoke

    def _guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the first exception: what comes out of Starlark is only its text."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                self._pending = self._pending or error
                raise

        return guarded

    def run(self, path: Path) -> Any:
        """Execute a file; returns its frozen module. Raises KappfileError or Exit."""
        self._session.stamps[path] = stamp_of(path)
        text = self._session.read(path)
        shown = self._session.display(path)
        self._session.sources[shown] = text
        self._session.files.append(path)
        try:
            return self._translated(lambda: self._execute(path, shown, text))
        finally:
            self._session.files.pop()

    def _execute(self, path: Path, shown: str, text: str) -> Any:
        _check_nesting(shown, text)
        tree = _parse_file(shown, text)
        module = starlark.Module()
        for name, function in self._callables.items():
            module.add_callable(name, function)
        for part in _preludes():
            starlark.eval_with(self._options(), module, part, _globals())
        loader = starlark.FileLoader(self._guard(lambda name: self._load(path, name)))
        try:
            starlark.eval_with(self._options(), module, tree, _globals(), file_loader=loader)
        except starlark.StarlarkError:
            if isinstance(self._pending, Exit):  # its functions may still be called
                self._modules[path] = module.freeze()
            raise
        if path != self._session.main:
            listing = starlark.parse(PRELUDE_FILE, exports.listing(text), _dialect())
            starlark.eval_with(self._options(), module, listing, _globals())
        return module.freeze()

    def _translated(self, action: Callable[[], Any]) -> Any:
        """Run Starlark; raise what its user can read."""
        try:
            return action()
        except starlark.StarlarkError as error:
            pending, self._pending = self._pending, None
            explained = self._explain(str(error), pending)
            if explained is pending:
                raise explained  # noqa: B904 -- the text of `error` says less
            raise explained from (pending or error)

    def _explain(self, text: str, pending: BaseException | None) -> BaseException:
        if isinstance(pending, Exit | KeyboardInterrupt | SystemExit):
            return pending
        if pending is None:
            return translate(text)
        if not isinstance(pending, KappfileError):
            pending = KappfileError(
                f"kapp failed on this: {type(pending).__name__}: {pending}",
                hint="this is a fault of kapp, not of the Kappfile",
            )
        if pending.settled:
            return pending
        located = pending.frames
        # the frames so far are of the file that was loaded; this file's calls stand before them
        column = 0
        if located and pending.location.count(":") > str(located[-1]).count(":"):
            column = int(pending.location.rpartition(":")[2])
        pending.located([*chain_of(text), *located], column)
        return pending

    def _load(self, importer: Path, name: str) -> Any:
        try:
            return self.load(self._target(importer, name), [self._statement(importer, name)])
        except KappfileError as error:
            if not error.frames:
                error.message = f"load: {error.message}"
            raise

    def _statement(self, importer: Path, name: str) -> Frame:
        """The `load` of a file: the language tells the loader who is loaded, but not from where."""
        shown = self._session.display(importer)
        text = self._session.sources.get(shown, "")
        found = re.search(rf"""^load\(\s*(["']){re.escape(name)}\1""", text, re.MULTILINE)
        return Frame(shown, text.count("\n", 0, found.start()) + 1 if found else 1, "")

    def _target(self, importer: Path, name: str) -> Path:
        if name.startswith("ext://"):
            raise KappfileError(
                f"extensions (`{name}`) are not part of kapp yet",
                hint="copy the extension's file next to the Kappfile and load it by its path",
            )
        path = self._session.resolve(name)
        return path

    def load(self, path: Path, callers: Sequence[Frame] = ()) -> Any:
        """The module of a file, executed at most once. Raises KappfileError for a cycle.

        `callers` is the call chain in the file that wants it.
        """
        module = self._modules.get(path)
        if module is None:
            self._check_cycle(path)
            outer = self._session.callers
            self._session.callers = (*outer, *callers)
            try:
                module = self._modules[path] = self.run(path)
            finally:
                self._session.callers = outer
        return module

    def _check_cycle(self, path: Path) -> None:
        files = self._session.files
        if path in files:
            chain = [*files[files.index(path) :], path]
            raise KappfileError(
                "files load each other in a circle: "
                + " → ".join(self._session.display(file) for file in chain)
            )
        if len(files) >= MAX_NESTED_FILES:
            raise KappfileError(f"files are nested over {MAX_NESTED_FILES} deep")

    def _include(self, path: Path, callers: Sequence[Frame]) -> int:
        self._handles.append(self.load(path, callers))
        return len(self._handles) - 1

    def _symbols(self, handle: int) -> tuple[list[str], dict[str, Any]]:
        frozen = self._handles[handle]
        functions, data = [], {}
        for name, kind in frozen.call_with(self._options(), exports.KINDS).value.items():
            if kind in ("function", "native_function"):
                functions.append(name)
                continue
            try:
                data[name] = frozen.call_with(self._options(), exports.GET, name).value
            except starlark.StarlarkError:  # holds a function somewhere: cannot leave its module
                continue
        return functions, data

    def _call_symbol(
        self, handle: int, name: str, args: list[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        frozen = self._handles[handle]
        return self._translated(
            lambda: frozen.call_with(self._options(), exports.CALL, name, args, dict(kwargs)).value
        )

    def _call_function(self, file: Path, index: int, argument: dict[str, str]) -> Any:
        frozen = self._modules[file]
        return self._translated(
            lambda: frozen.call_with(self._options(), prelude.CALL_KEPT, index, argument).value
        )


def _parse_file(shown: str, text: str) -> Any:
    """The syntax tree of a file, with one more statement at its end.

    The value of a file's last expression would be handed to Python, which not all can be. Errors
    are those of the text alone, which points at other places, and may end in the middle of a line.
    """
    if text.endswith("\\"):
        _parse(shown, text)
    try:
        return _parse(shown, f"{text}\nNone\n")
    except (starlark.StarlarkError, KappfileError):
        _parse(shown, text)
        raise


def _parse(shown: str, text: str) -> Any:
    """The syntax tree; unlike starlark-rust, Tilt lets tabs indent, so they are replaced then."""
    try:
        return starlark.parse(shown, text, _dialect())
    except starlark.StarlarkError as error:
        if "tabs are not allowed" not in str(error):
            if (bracket := unclosed(text)) is not None:
                raise _never_closed(shown, bracket) from error
            raise
    return starlark.parse(shown, _INDENT.sub(_spaces, text), _dialect())


def _never_closed(shown: str, bracket: Bracket) -> KappfileError:
    error = KappfileError(
        f"syntax error: `{bracket.text}` is never closed",
        hint=f"add the `{CLOSING[bracket.text]}` that belongs to it",
        transient=True,
    )
    error.located([Frame(shown, bracket.line, "")], bracket.column)
    return error


def _spaces(indent: re.Match[str]) -> str:
    return indent.group().expandtabs()


def _missing(name: str) -> None:
    hint = missing_names()[name]
    planned = "" if hint else " yet"
    raise KappfileError(f"`{name}` is not part of kapp{planned}", hint=hint)


def _check_nesting(shown: str, text: str) -> None:
    """Refuse what would overflow the native parser's stack; strings count, which hurts no one."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match.group() in "([{" else -1
        if depth > MAX_BRACKETS:
            error = KappfileError(f"brackets are nested over {MAX_BRACKETS} deep")
            error.located([Frame(shown, text.count("\n", 0, match.start()) + 1, "")])
            raise error
