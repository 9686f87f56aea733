"""The few calls of `kapp.yamlio` that this package needs, until that module is there."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

import yaml

from kapp.errors import ConfigError


class Document(NamedTuple):
    """One document of a stream and the line it starts at (1-based)."""

    value: Any
    line: int


@lru_cache(2000)
def _value(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


@cache
def _dumper() -> Any:
    return yaml.CSafeDumper


def parse(text: str, source: str = "") -> list[Document]:
    """The documents of a YAML stream."""
    found: list[Document] = []
    lines: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), "---"], 1):
        if line.rstrip() == "---":
            chunk = "\n".join(lines)
            try:
                value = _value(chunk)
            except yaml.YAMLError as error:
                at = start + getattr(error, "problem_mark").line  # noqa: B009
                raise ConfigError(
                    str(getattr(error, "problem", error)), location=f"{source}:{at}"
                ) from error
            if value is not None:
                found.append(Document(value, start))
            start, lines = number + 1, []
        else:
            lines.append(line)
    return found


def dump(value: Any) -> str:
    """Canonical print."""
    return str(yaml.dump(value, Dumper=_dumper(), sort_keys=True, default_flow_style=False))


def dump_all(values: list[Any]) -> str:
    """Several documents."""
    return "---\n".join(dump(value) for value in values)
