"""`-o custom-columns=NAME:.metadata.name,…`.

Source: k8s.io/kubectl/pkg/cmd/get/customcolumn.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kapp.errors import UsageError
from kapp.machinery import gojson, jsonpath
from kapp.machinery.objects import Object
from kapp.machinery.printers.tables import escape_terminal
from kapp.machinery.printers.tabwriter import TabWriter

_FILE_HINT = "write one line of headers and one of paths, separated by spaces"


class CustomColumn(NamedTuple):
    """A header and where its values are."""

    header: str
    path: jsonpath.Template


def from_spec(spec: str) -> list[CustomColumn]:
    """Parse `HEADER:PATH,HEADER:PATH`. Raises UsageError and JsonPathError."""
    columns = []
    for part in spec.split(","):
        header, colon, path = part.partition(":")
        if not colon:
            raise UsageError(
                f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>",
                hint="write -o custom-columns=NAME:.metadata.name",
            )
        columns.append(_column(header, path))
    return columns


def from_file(text: str) -> list[CustomColumn]:
    """Parse a line of headers and a line of paths. Raises UsageError and JsonPathError."""
    lines = text.splitlines()
    for number, missing in enumerate(("header", "spec")):
        if len(lines) <= number:
            raise UsageError(f"invalid template, missing {missing} line", hint=_FILE_HINT)
    headers, paths = lines[0].split(), lines[1].split()
    if len(headers) != len(paths):
        raise UsageError(
            f"number of headers ({len(headers)}) and field specifications ({len(paths)}) "
            "don't match",
            hint=_FILE_HINT,
        )
    return [_column(header, path) for header, path in zip(headers, paths, strict=True)]


def _column(header: str, path: str) -> CustomColumn:
    return CustomColumn(header, jsonpath.compile(jsonpath.relaxed(path)))


class ColumnsPrinter:
    """Prints objects, a line each; the header once."""

    def __init__(self, columns: list[CustomColumn], *, no_headers: bool) -> None:
        self._columns = columns
        self._described = no_headers
        self._writer = TabWriter()

    def print(self, objects: Iterable[Object]) -> str:
        """The objects' lines. Raises JsonPathError."""
        if not self._described:
            self._described = True
            self._line([column.header for column in self._columns])
        for obj in objects:
            self._line([_text(column.path.find(obj)) for column in self._columns])
        return self._writer.flush()

    def _line(self, cells: list[str]) -> None:
        self._writer.write("\t".join(cells) + "\n")


def _text(values: list[object]) -> str:
    return ",".join(escape_terminal(gojson.value_text(value)) for value in values) or "<none>"
