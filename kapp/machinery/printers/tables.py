"""Tables from the server as kubectl shows them: headers, wide columns, labels, kinds, namespaces.

Source: k8s.io/cli-runtime/pkg/printers/tableprinter.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kapp.machinery import gojson
from kapp.machinery.objects import Object, labels_of, metadata_of
from kapp.machinery.printers.options import GetOptions
from kapp.machinery.printers.tabwriter import TabWriter

# tabwriter would take the form feed for a newline.
_BREAK = re.compile("[\f\n\r]")


def escape_terminal(text: str) -> str:
    """Disarm what a terminal would act on. Source: cli-runtime/pkg/printers/terminal.go."""
    return text.replace("\x1b", "^[").replace("\r", "\\r")


class TablePrinter:
    """Prints the tables of one kind; keeps headers and widths from one to the next.

    Args:
        options: which columns.
        kind: `kind.group`, to put before names; "" for none.
        with_namespace: whether to show a column of namespaces.
        writer: collects the lines.
    """

    def __init__(
        self,
        options: GetOptions,
        writer: TabWriter,
        *,
        kind: str = "",
        with_namespace: bool = False,
    ) -> None:
        self._options = options
        self._writer = writer
        self._kind = kind
        self._with_namespace = with_namespace
        self._columns: list[Object] = []
        self._described = options.no_headers

    def write(self, table: Object, event: str = "") -> None:
        """Add a Table's rows, after a header if it is the first.

        A table without columns has those of the table before. `event` is the type of a watch
        event, to be shown before each row.
        """
        self._columns = table["columnDefinitions"] or self._columns
        rows: list[Object] = table["rows"]
        if not rows:
            return
        columns = self._decorated(self._columns, event)
        shown = [
            i for i, column in enumerate(columns) if self._wide or not column.get("priority", 0)
        ]
        cells = [self._cells(row, event) for row in rows]
        # Bytes, not characters: so does kubectl, which pads the first line to fit all others.
        widths = {i: max(len(row[i].encode()) for row in cells) for i in shown[:-1]}
        first = not self._described
        if first:
            self._described = True
            self._line([str(column["name"]).upper() for column in columns], shown, widths)
        for number, row in enumerate(cells):
            pad_first = self._options.no_headers or not first
            self._line(
                [_cell_text(cell) for cell in row],
                shown,
                widths if number == 0 and pad_first else {},
                sizes=[len(cell.encode()) for cell in row],
            )

    @property
    def _wide(self) -> bool:
        return self._options.output == "wide"

    def _line(
        self,
        cells: Sequence[str],
        shown: Sequence[int],
        widths: dict[int, int],
        sizes: Sequence[int] | None = None,
    ) -> None:
        """Write one line; each cell is padded to its width, in bytes."""
        sizes = [len(cell.encode()) for cell in cells] if sizes is None else sizes
        padded = [cells[i] + " " * (widths.get(i, 0) - sizes[i]) for i in shown]
        self._writer.write("\t".join(padded) + "\n")

    def _decorated(self, columns: list[Object], event: str) -> list[Object]:
        options = self._options
        before = [{"name": "Event"}] if event else []
        if self._with_namespace:
            before.append({"name": "Namespace"})
        after = [{"name": label.rpartition("/")[2]} for label in options.label_columns]
        if options.show_labels:
            after.append({"name": "Labels"})
        return [*before, *columns, *after]

    def _cells(self, row: Object, event: str) -> list[str]:
        options = self._options
        cells = [_value_text(cell) for cell in row["cells"]]
        cells += [""] * (len(self._columns) - len(cells))
        if self._kind:
            for i, column in enumerate(self._columns):
                if column.get("format") == "name" and column.get("type") == "string":
                    cells[i] = f"{self._kind}/{cells[i]}"
                    break
        obj = row.get("object") or {}
        before = [f"{event:<8}"] if event else []
        if self._with_namespace:
            before.append(str(metadata_of(obj).get("namespace") or ""))
        labels = labels_of(obj)
        after = [labels.get(label, "") for label in options.label_columns]
        if options.show_labels:
            pairs = [f"{name}={labels[name]}" for name in sorted(labels)]
            after.append(",".join(pairs) or "<none>")
        return [*before, *cells, *after]


def _value_text(cell: Any) -> str:
    return "" if cell is None else gojson.value_text(cell)


def _cell_text(text: str) -> str:
    """One line; what follows it is cut off."""
    if found := _BREAK.search(text):
        return escape_terminal(text[: found.start()]) + "..."
    return escape_terminal(text)
