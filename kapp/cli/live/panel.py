"""Rows as the lines of the panel, so many and so wide as fit. Pure.

───────────────────────────────────────────────────────────────────────────
  NAME        STATE     AGE    SERVES
▸ example-go  ready     12s    http://localhost:8000/
  worker      error     3m     the container web crashes: exit code 1
2 resources: 1 error, 1 ready      ↑↓ choose  t trigger  f filter  q quit
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from kapp.cli.live.rows import Row, Urgency

_MIN_ROWS = 3
_NAME_CELLS = 40
_STATE_CELLS = 8
_AGE_CELLS = 6
_GAP = "  "
_COLOURS = {
    Urgency.ERROR: "31",
    Urgency.BUSY: "36",
    Urgency.WAITING: "33",
    Urgency.CALM: "32",
    Urgency.OFF: "90",
}
_DIM, _BOLD = "90", "1"
_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3600.0, 86400.0


class Size(NamedTuple):
    """Of a terminal, in cells."""

    columns: int
    rows: int


class Panel(NamedTuple):
    """What is shown: rows, the chosen one, the one whose logs alone are shown, a notice."""

    rows: list[Row]
    chosen: str = ""
    filtered: str = ""
    notice: str = ""


def render(panel: Panel, size: Size, now: datetime, *, colour: bool, keys: bool) -> list[str]:
    """The lines, none wider than the terminal; at most half of its height."""
    width = max(size.columns - 1, 1)
    room = max(size.rows // 2 - 3, _MIN_ROWS)
    shown, hidden = _fitting(panel, room)
    name_cells = min(_NAME_CELLS, max([4, *(cell_len(row.name) for row in shown)]), width // 3)
    head = _columns("", "NAME", "STATE", "AGE", "SERVES", name_cells)
    lines = [_paint("─" * width, _DIM, colour), _paint(_fit(head, width), _DIM, colour)]
    lines += [_row_line(row, panel, name_cells, width, now, colour) for row in shown]
    if hidden:
        lines.append(_paint(_fit(f"  … {hidden} more", width), _DIM, colour))
    lines.append(_footer(panel, width, colour=colour, keys=keys))
    return lines


def next_change_s(rows: list[Row], now: datetime) -> float | None:
    """Seconds until an age may show another text; None if none ever will by itself.

    A whole unit, and not the first moment at which one row changes: two hundred rows would else
    wake an idle engine two hundred times a unit.
    """
    youngest = min(((now - row.since).total_seconds() for row in rows if row.since), default=None)
    if youngest is None:
        return None
    return 1.0 if youngest < _MINUTE_S else _MINUTE_S


def _age(row: Row, now: datetime) -> str:
    """In one unit: a second one would change too often to be worth a repaint."""
    if row.since is None:
        return ""
    age_s = max(int((now - row.since).total_seconds()), 0)
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "m")):
        if age_s >= unit_s:
            return f"{int(age_s // unit_s)}{unit}"
    return f"{age_s}s"


def _fitting(panel: Panel, room: int) -> tuple[list[Row], int]:
    """The rows that are shown, and how many are not; the chosen one always is."""
    if len(panel.rows) <= room:
        return panel.rows, 0
    room -= 1  # for the line that says how many are hidden
    ranked = sorted(panel.rows, key=lambda row: row.urgency)
    place = next((i for i, row in enumerate(ranked) if row.name == panel.chosen), 0)
    first = min(max(0, place - room + 1), len(ranked) - room)
    return ranked[first : first + room], len(ranked) - room


def order_of(panel: Panel, size: Size) -> list[str]:
    """The names in the order in which the arrow keys go through them."""
    room = max(size.rows // 2 - 3, _MIN_ROWS)
    rows = panel.rows
    if len(rows) > room:
        rows = sorted(rows, key=lambda row: row.urgency)
    return [row.name for row in rows]


def _row_line(
    row: Row, panel: Panel, name_cells: int, width: int, now: datetime, colour: bool
) -> str:
    what = row.problem or " ".join(row.links)
    mark = "▸" if row.name == panel.chosen else " "
    text = _fit(_columns(mark, row.name, row.state, _age(row, now), what, name_cells), width)
    if not colour:
        return text
    # Colours go in after the text was cut: they have no width.
    state_at = 2 + name_cells + len(_GAP)
    before, state, after = text[:state_at], row.state, text[state_at + len(row.state) :]
    if cell_len(row.name) != len(row.name) or not text[state_at:].startswith(state):
        return _paint(text, _COLOURS[row.urgency], True)
    bold = _paint(before, _BOLD, True) if row.name == panel.chosen else before
    code = _COLOURS[row.urgency]
    problem = _paint(after, code, True) if row.urgency is Urgency.ERROR else after
    return f"{bold}{_paint(state, code, True)}{problem}"


def _columns(mark: str, name: str, state: str, age: str, what: str, name_cells: int) -> str:
    cells = [_fit(name, name_cells, pad=True), state.ljust(_STATE_CELLS), age.ljust(_AGE_CELLS)]
    return f"{mark or ' '} {_GAP.join([*cells, what])}".rstrip()


def _footer(panel: Panel, width: int, *, colour: bool, keys: bool) -> str:
    counts = Counter(row.state for row in sorted(panel.rows, key=lambda row: row.urgency))
    total = len(panel.rows)
    noun = "resource" if total == 1 else "resources"
    text = panel.notice or f"{total} {noun}: " + ", ".join(f"{n} {s}" for s, n in counts.items())
    if not total and not panel.notice:
        text = "no resources yet"
    if panel.filtered:
        text = f"logs of {panel.filtered} only; {text}"
    helped = "↑↓ choose  t trigger  f filter  q quit" if keys else "Ctrl-C to stop"
    gap = width - cell_len(text) - cell_len(helped)
    line = f"{text}{' ' * gap}{helped}" if gap >= len(_GAP) else text
    return _paint(_fit(line, width), _DIM, colour)


def _fit(text: str, cells: int, *, pad: bool = False) -> str:
    """`text` cut to so many cells, with an ellipsis if it was longer."""
    if cell_len(text) > cells:
        return set_cell_size(text, max(cells - 1, 0)) + "…"
    return set_cell_size(text, cells) if pad else text


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
