"""Chunks as text for people, or JSON lines for programs. Pure; used by the CLI's log output.

    example-go │ listening on :8000
    example-go │ [sidecar] ready

The resource is shown where several are, the label where a resource has several. Prefixes are
aligned to the longest resource name known, and grow with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from kapp.logs.chunks import Chunk, Entry, Missed, lines_of, stamps_of, time_of
from kapp.logs.levels import LineLevels
from kapp.logs.plain import for_terminal, without_controls

_PALETTE = (36, 35, 34, 33, 32, 96, 95, 94)
"""SGR colours for resources; red is kept for errors."""

_LEVELS = {"error": 31, "warn": 33, "debug": 90}
_DIM = 90
_MILLISECONDS = len("2026-11-23T18:29:16.123")


class ViewOptions(msgspec.Struct, frozen=True):
    """How to show lines.

    `prefix`: whether the resource is shown; None to show it where several are known. `color`: ANSI
    colours, and those that programs printed kept; without, they are taken out. `json`: one object a
    line with time, resource, level, message, source (a container's name), pod.
    """

    prefix: bool | None = None
    timestamps: bool = False
    color: bool = False
    json: bool = False


class LogView:
    """Renders entries in turn; remembers names and labels, for alignment.

    Args:
        options: see `ViewOptions`.
        resources: those that will be shown, as far as known.
    """

    def __init__(self, options: ViewOptions | None = None, resources: Iterable[str] = ()) -> None:
        self._options = options or ViewOptions()
        self._labels: dict[str, set[str]] = {name: set() for name in resources}
        self._levels = LineLevels()
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
        options = self._options
        texts = [line.decode("utf-8", "replace") for line in lines_of(entry)]
        if options.color and not options.json:
            texts = [for_terminal(text) for text in texts]
        else:
            texts = [without_controls(text).rstrip("\r") for text in texts]
        if options.json:
            times = _times(entry)
            lines = zip(times, texts, strict=True)
            return "".join(self._json_line(entry, time, text) for time, text in lines)
        prefix, start, ending = self._prefix(entry.span.resource), "", "\n"
        if entry.span.label and len(labels) > 1:
            start = f"[{entry.span.label}] "
        color = _LEVELS.get(entry.level) if options.color else None
        if color is not None:
            start, ending = f"{start}\x1b[{color}m", "\x1b[0m\n"
        if not options.timestamps:
            return "".join([f"{prefix}{start}{text}{ending}" for text in texts])
        lines = zip(_times(entry), texts, strict=True)
        return "".join([f"{prefix}{time} {start}{text}{ending}" for time, text in lines])

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

    def _json_line(self, chunk: Chunk, time: str, line: str) -> str:
        return _dump(
            time=time,
            resource=chunk.span.resource,
            level=self._levels.of(chunk.span.id, line, chunk.level),
            message=line,
            source=chunk.span.label,
            pod=chunk.span.pod,
        )

    def _render_missed(self, missed: Missed) -> str:
        lines = "line was" if missed.lines == 1 else "lines were"
        text = f"{missed.lines} {lines} dropped here: more than kapp keeps"
        if self._options.json:
            return _dump(
                time="", resource=missed.resource, level="warn", message=text, source="kapp", pod=""
            )
        if self._options.color:
            text = f"\x1b[{_DIM}m{text}\x1b[0m"
        return f"{self._prefix(missed.resource)}… {text}\n"


def _times(chunk: Chunk) -> list[str]:
    """Each line's time, to the millisecond."""
    stamps = stamps_of(chunk)
    if not stamps:
        return [_rfc3339(chunk.time)] * chunk.lines
    return [_short(stamp, chunk.time) for stamp in stamps]


def _short(stamp: bytes, otherwise: datetime) -> str:
    if len(stamp) > _MILLISECONDS and stamp.endswith(b"Z") and stamp[19:20] == b".":
        return stamp[:_MILLISECONDS].decode("ascii", "replace") + "Z"
    return _rfc3339(time_of(stamp) or otherwise)


def _dump(**fields: str) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
