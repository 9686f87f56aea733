"""Outputs without what differs from run to run: ages, ports, UIDs, paths, versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

_CHANGING = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "<time>"),
        (r"\b[0-9a-f]{16,}\b", "<hash>"),
        (r"\bweb-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "<pod>"),
        (r"((?:resourceVersion|observedGeneration|generation)\"?: )\"?\d+\"?", r"\1<number>"),
        (r"((?:\"?pid\"?:|process|`kill|pid=) *)\d+", r"\1<pid>"),
        (r"instances/[^/]+/", "instances/<project>/"),
        (r"\S*/kapp-edit-\w+\.", "<temporary>/kapp-edit-<name>."),
        (r"\b(127\.0\.0\.1|localhost):\d{4,5}\b", r"\1:<port>"),
        (r"\bapplyset-[\w-]{43}-v1\b", "<applyset>"),
        (r"(Resource Version: +|Generation: +)\d+", r"\1<number>"),
        (r"\d+ MiB free", "<size> MiB free"),
        (r"\d+ watches allowed", "<number> watches allowed"),
        (r"^(uptime: +)\d+s", r"\1<age>"),
        (r"\bmode=.*", "mode=<how they are isolated>"),
        (r"^\d{4}-\d\d-\d\d [\d:.]+ ", "<time> "),
        (r"^(mode: +).*", r"\1<how they are isolated>"),
        (
            r"^(ok|warn) +(embedded cluster: running,).*",
            r"<ok or warn>  \2 <how>",
        ),
        (r"^(ok|note) +(helm|kustomize|kubectl): .*", r"<ok or note>  \2: <path, or its use>"),
        (r"\b10\.\d+\.\d+\.\d+\b", "<address>"),
    )
]
_AGE = re.compile(r"(\d+[smhd])+")
_HEADER = re.compile(r"[A-Z][A-Z -]*[A-Z](   +[A-Z][A-Z -]*[A-Z])+")


def normalised(text: str, places: Mapping[str, str]) -> str:
    """The text as it is in every run; `places` are texts of this run and what stands for them."""
    if not text.endswith("\n"):
        return _replaced(text, places)
    return "".join(f"{line}\n" for line in _lines(text, places))


def _lines(text: str, places: Mapping[str, str]) -> Iterator[str]:
    table: list[str] = []
    for line in text.splitlines():
        if _HEADER.fullmatch(line):
            yield from _aligned(table, places)
            table = [line]
        elif table and line:
            table.append(line)
        else:
            yield from _aligned(table, places)
            table = []
            yield _replaced(line, places)
    yield from _aligned(table, places)


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for place, name in places.items():
        # As a word: the digits of a port may stand within a hash, too.
        text = re.sub(rf"(?<!\w){re.escape(place)}(?!\w)", name, text)
    for pattern, name in _CHANGING:
        text = pattern.sub(name, text)
    return text


def _aligned(table: list[str], places: Mapping[str, str]) -> Iterator[str]:
    """A table with its changing cells replaced, as wide as its cells are then."""
    if not table:
        return
    # A column begins where its title does.
    starts = [found.start() for found in re.finditer(r"[A-Z](\S| (?! ))*", table[0])]
    edges = [*pairwise(starts), (starts[-1], None)]
    titles = [table[0][begin:end].strip() for begin, end in edges]
    rows = [
        [
            _cell(title, line[begin:end].strip(), places)
            for title, (begin, end) in zip(titles, edges, strict=True)
        ]
        for line in table[1:]
    ]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in [titles, *rows]:
        yield "   ".join(map(str.ljust, row, widths)).rstrip()


def _cell(title: str, text: str, places: Mapping[str, str]) -> str:
    if title == "PID" and text.isdigit():
        return "<pid>"
    return "<age>" if _AGE.fullmatch(text) else _replaced(text, places)
