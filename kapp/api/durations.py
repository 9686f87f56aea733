"""Durations in specs, as Go writes them. Pure."""

from __future__ import annotations

import re

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as `30s` or `1m30s`. Raises ValueError for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"not a duration such as 30s or 1m30s: {text!r}")
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)
