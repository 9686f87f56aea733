"""Chunks as text for people, or JSON lines for programs. Pure; used by the CLI's log output.

    example-go │ listening on :8000
    example-go │ [sidecar] ready

The resource is shown where several are, the label where a resource has several. Prefixes are
aligned to the longest resource name known, and grow with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from kapp.logs.levels import is_at_least, level_of
from kapp.logs.store import Chunk, Entry, Missed

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""Control sequences (ECMA-48 CSI, OSC and two-character escapes)."""

_PALETTE = (36, 35, 34, 33, 32, 96, 95, 94)
"""SGR colours for resources; red is kept for errors."""

_LEVELS = {"error": 31, "warn": 33, "debug": 90}
_DIM = 90


class ViewOptions(msgspec.Struct, frozen=True):
    """How to show lines.

    `prefix`: whether the resource is shown; None to show it where several are known. `color`: ANSI
    colours, and those that programs printed kept; without, they are taken out. `json`: one object a
    line with time, resource, level, message, source. `level`: lines that are less bad are left out.
    """

    prefix: bool | None = None
    timestamps: bool = False
    color: bool = False
    json: bool = False
    level: str = ""


class LogView:
    """Renders entries in turn; remembers names and labels, for alignment.

    Args:
        options: see `ViewOptions`.
        resources: those that will be shown, as far as known.
    """

    def __init__(self, options: ViewOptions | None = None, resources: Iterable[str] = ()) -> None:
        self._options = options or ViewOptions()
        self._labels: dict[str, set[str]] = {name: set() for name in resources}
        self._width = max(map(len, self._labels), default=0)

    def render(self, entry: Entry) -> str:
        """The text of an entry, each line with its newline."""
        if isinstance(entry, Missed):
            return self._render_missed(entry)
        labels = self._labels.get(entry.span.resource)
        if labels is None:
            labels = self._labels[entry.span.resource] = set()
            self._width = max(self._width, len(entry.span.resource))
        labels.add(entry.span.label)
        text = entry.data.decode("utf-8", "replace")
        if not (self._options.color and not self._options.json):
            text = _ANSI.sub("", text)
        # not splitlines: form feeds and the like are text, and the count must be the store's
        lines = text.removesuffix("\n").split("\n")
        if wanted := self._options.level:
            lines = [one for one in lines if is_at_least(level_of(one, entry.level), wanted)]
        if self._options.json:
            return "".join(self._json_line(entry, line) for line in lines)
        prefix = self._prefix(entry.span.resource)
        if self._options.timestamps:
            prefix += f"{_rfc3339(entry.time)} "
        if entry.span.label and len(labels) > 1:
            prefix += f"[{entry.span.label}] "
        color = _LEVELS.get(entry.level) if self._options.color else None
        ending = "\n"
        if color is not None:
            prefix, ending = f"{prefix}\x1b[{color}m", "\x1b[0m\n"
        # a program that redraws its line ends in \r; on a terminal that would eat the prefix
        return "".join(f"{prefix}{line.rstrip(chr(13))}{ending}" for line in lines)

    def _prefix(self, resource: str) -> str:
        shown = self._options.prefix
        if shown is None:
            shown = len(self._labels) > 1
        if not shown:
            return ""
        padded = resource.rjust(self._width)
        if self._options.color:
            number = _PALETTE[sum(resource.encode()) % len(_PALETTE)]
            return f"\x1b[{number}m{padded}\x1b[0m │ "
        return f"{padded} │ "

    def _json_line(self, chunk: Chunk, line: str) -> str:
        return _dump(
            time=_rfc3339(chunk.time),
            resource=chunk.span.resource,
            level=level_of(line, chunk.level),
            message=line.rstrip("\r"),
            source=chunk.span.label,
        )

    def _render_missed(self, missed: Missed) -> str:
        lines = "line was" if missed.lines == 1 else "lines were"
        text = f"{missed.lines} {lines} dropped here: more than kapp keeps"
        if self._options.json:
            return _dump(
                time="", resource=missed.resource, level="warn", message=text, source="kapp"
            )
        if self._options.color:
            text = f"\x1b[{_DIM}m{text}\x1b[0m"
        return f"{self._prefix(missed.resource)}… {text}\n"


def _dump(**fields: str) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
