"""What `kapp get` was asked for, and every word of its command line. Pure.

Flags, shorthands and sentences are kubectl's (spf13/pflag and k8s.io/kubectl/pkg/cmd/get).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kapp.errors import UsageError

FORMATS = (
    "custom-columns",
    "custom-columns-file",
    "go-template",
    "go-template-file",
    "json",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "name",
    "wide",
    "yaml",
)
"""The values of `-o`; some take an argument after `=`."""

_WITH_ARGUMENT = frozenset(
    name for name in FORMATS if name.startswith(("custom-", "go-", "jsonpath"))
)
# kubectl's older names.
_TEMPLATES = {"template": "go-template", "templatefile": "go-template-file"}
_HELP = "see kapp get --help"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOptions:
    """A parsed command line.

    Attributes:
        words: kinds and names, as typed.
        output: one of FORMATS, or "" for a table.
        template: what followed `output=`.
        watch: `-w`; `watch_only` does not show what there is, first.
        namespace: "" for the default; without meaning for kinds that have none.
        label_columns: labels to show as columns.
        show_kind: `kind.group/name` even if only one kind is asked for.
        events: show what happened, with `watch`.
    """

    words: tuple[str, ...] = ()
    output: str = ""
    template: str = ""
    watch: bool = False
    watch_only: bool = False
    selector: str = ""
    field_selector: str = ""
    sort_by: str = ""
    namespace: str = ""
    all_namespaces: bool = False
    no_headers: bool = False
    ignore_not_found: bool = False
    show_labels: bool = False
    show_kind: bool = False
    show_managed_fields: bool = False
    label_columns: tuple[str, ...] = ()
    events: bool = False

    @property
    def as_table(self) -> bool:
        """Whether the server's columns are shown."""
        return self.output in ("", "wide")


@dataclass(frozen=True, slots=True)
class _Flag:
    name: str
    short: str = ""
    is_bool: bool = False
    field: str = ""

    @property
    def key(self) -> str:
        return self.field or self.name.replace("-", "_")

    @property
    def shown(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


_FLAGS = (
    _Flag("output", "o"),
    _Flag("template"),
    _Flag("watch", "w", is_bool=True),
    _Flag("watch-only", is_bool=True),
    _Flag("selector", "l"),
    _Flag("field-selector"),
    _Flag("sort-by"),
    _Flag("namespace", "n"),
    _Flag("all-namespaces", "A", is_bool=True),
    _Flag("no-headers", is_bool=True),
    _Flag("ignore-not-found", is_bool=True),
    _Flag("show-labels", is_bool=True),
    _Flag("show-kind", is_bool=True),
    _Flag("show-managed-fields", is_bool=True),
    _Flag("label-columns", "L"),
    _Flag("output-watch-events", is_bool=True, field="events"),
    # Here everything comes at once and from the server, whatever these say.
    _Flag("chunk-size"),
    _Flag("server-print", is_bool=True),
)
_BY_NAME = {flag.name: flag for flag in _FLAGS}
_BY_SHORT = {flag.short: flag for flag in _FLAGS if flag.short}
_IGNORED = ("chunk_size", "server_print")

_INTEGER = re.compile(r"[-+]?[0-9]+")
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def parse_get(args: Sequence[str]) -> GetOptions:
    """Parse what follows `kapp get`. Raises UsageError, in kubectl's words."""
    parser = _Parser(args)
    parser.run()
    values = parser.values
    for name in _IGNORED:
        values.pop(name, None)
    output, template = _format_of(values.pop("output", ""), values.pop("template", ""))
    watch_only = values.get("watch_only", False)
    options = GetOptions(
        words=tuple(parser.words),
        output=output,
        template=template,
        label_columns=tuple(parser.label_columns),
        **{**values, "watch": watch_only or values.get("watch", False)},
    )
    _check(options)
    return options


def _check(options: GetOptions) -> None:
    if not options.words:
        raise UsageError(
            "Required resource not specified",
            hint="say what to get: kapp get kubernetesapplys, kapp get kapp/NAME -o yaml",
        )
    if options.show_labels and not options.as_table:
        raise UsageError(
            f"--show-labels option cannot be used with {options.output} printer", hint=_HELP
        )
    if options.events and not options.watch:
        raise UsageError(
            "--output-watch-events option can only be used with --watch or --watch-only", hint=_HELP
        )


@dataclass(slots=True)
class _Parser:
    args: Sequence[str]
    words: list[str] = field(default_factory=list)
    label_columns: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        rest = iter(self.args)
        for arg in rest:
            if arg == "--":
                self.words += rest
            elif arg.startswith("--"):
                self._long(arg, rest)
            elif arg.startswith("-") and len(arg) > 1:
                self._short(arg, rest)
            else:
                self.words.append(arg)

    def _long(self, arg: str, rest: Iterator[str]) -> None:
        name, equals, value = arg[2:].partition("=")
        flag = _BY_NAME.get(name)
        if flag is None:
            raise UsageError(f"unknown flag: --{name}", hint=_HELP)
        if not equals:
            value = "true" if flag.is_bool else _next(rest, f"--{name}")
        self._set(flag, value)

    def _short(self, arg: str, rest: Iterator[str]) -> None:
        letters = arg[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = _BY_SHORT.get(letter)
            if flag is None:
                raise UsageError(f"unknown shorthand flag: '{letter}' in {arg}", hint=_HELP)
            if letters.startswith("="):
                self._set(flag, letters[1:])
                return
            if flag.is_bool:
                self._set(flag, "true")
                continue
            self._set(flag, letters or _next(rest, f"'{letter}' in {arg}"))
            return

    def _set(self, flag: _Flag, value: str) -> None:
        if flag.key == "label_columns":
            self.label_columns += value.split(",")
        elif flag.is_bool:
            self.values[flag.key] = _boolean(flag, value)
        elif flag.name == "chunk-size" and not _INTEGER.fullmatch(value):
            raise _invalid(flag, value, "ParseInt")
        else:
            self.values[flag.key] = value


def _next(rest: Iterator[str], flag: str) -> str:
    value = next(rest, None)
    if value is None:
        raise UsageError(f"flag needs an argument: {flag}", hint=_HELP)
    return value


def _boolean(flag: _Flag, value: str) -> bool:
    if value not in _TRUE | _FALSE:
        raise _invalid(flag, value, "ParseBool")
    return value in _TRUE


def _invalid(flag: _Flag, value: str, parser: str) -> UsageError:
    return UsageError(
        f'invalid argument "{value}" for "{flag.shown}" flag: strconv.{parser}: '
        f'parsing "{value}": invalid syntax',
        hint=_HELP,
    )


def _format_of(output: str, template: str) -> tuple[str, str]:
    """The format and its argument. Raises UsageError."""
    name, equals, argument = output.partition("=")
    argument = argument if equals else template
    if name in _TEMPLATES or (template and not name):
        name = _TEMPLATES.get(name, "go-template")
    if name in _WITH_ARGUMENT:
        if not argument:
            raise UsageError(_missing_argument(name), hint=f"write -o {name}=…")
        return name, argument
    if output and output.lower() not in FORMATS:
        raise UsageError(
            f'unable to match a printer suitable for the output format "{output}", '
            f"allowed formats are: {','.join(FORMATS)}",
            hint=_HELP,
        )
    return output.lower(), ""


def _missing_argument(name: str) -> str:
    if name.startswith("custom-columns"):
        return f"{name} format specified but no custom columns given"
    return "template format specified but no template given"


ReadFile = Callable[[str], str]
"""Reads a file that an option names. Raises OSError."""
