"""How long ago something was, as `kubectl get` prints it.

Source: k8s.io/apimachinery/pkg/util/duration/duration.go (HumanDuration).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kapp.machinery.objects import parse_time

UNKNOWN = "<unknown>"

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
# Beyond these the smaller unit says nothing any more.
_SECONDS_SHOWN_S = 2 * _MINUTE_S
_MINUTES_WITH_SECONDS_S = 10 * _MINUTE_S
_MINUTES_SHOWN_S = 3 * _HOUR_S
_HOURS_WITH_MINUTES_S = 8 * _HOUR_S
_HOURS_SHOWN_S = 48 * _HOUR_S
_DAYS_WITH_HOURS_S = 8 * _DAY_S
_DAYS_SHOWN_S = 2 * 365 * _DAY_S
_YEARS_WITH_DAYS_S = 8 * 365 * _DAY_S


def human_duration(seconds: float) -> str:
    """`45s`, `3m12s`, `5h3m`, `2d`: two units while the larger one is small."""
    total_s = int(seconds)
    if total_s < -1:
        return "<invalid>"
    if total_s < 0:
        return "0s"
    if total_s < _SECONDS_SHOWN_S:
        return f"{total_s}s"
    if total_s < _MINUTES_WITH_SECONDS_S:
        return _pair(total_s, _MINUTE_S, "m", 1, "s")
    if total_s < _MINUTES_SHOWN_S:
        return f"{total_s // _MINUTE_S}m"
    if total_s < _HOURS_WITH_MINUTES_S:
        return _pair(total_s, _HOUR_S, "h", _MINUTE_S, "m")
    if total_s < _HOURS_SHOWN_S:
        return f"{total_s // _HOUR_S}h"
    if total_s < _DAYS_WITH_HOURS_S:
        return _pair(total_s, _DAY_S, "d", _HOUR_S, "h")
    if total_s < _DAYS_SHOWN_S:
        return f"{total_s // _DAY_S}d"
    if total_s < _YEARS_WITH_DAYS_S:
        return _pair(total_s, 365 * _DAY_S, "y", _DAY_S, "d")
    return f"{total_s // (365 * _DAY_S)}y"


def _pair(total_s: int, large_s: int, large: str, small_s: int, small: str) -> str:
    rest = total_s % large_s // small_s
    return f"{total_s // large_s}{large}{rest}{small}" if rest else f"{total_s // large_s}{large}"


def human_age(timestamp: Any, now: datetime) -> str:
    """The time since an RFC 3339 timestamp; `<unknown>` for none or one that cannot be read."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_duration((now - parse_time(str(timestamp))).total_seconds())
    except (ValueError, TypeError):
        return UNKNOWN
