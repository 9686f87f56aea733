"""Cells that several kinds share: ages, labels, selectors, containers.

Source: k8s.io/apimachinery/pkg/util/duration/duration.go (HumanDuration) and
pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kapp.machinery.objects import Object, metadata_of, name_of, parse_time
from kapp.machinery.scheme import Column

NONE = "<none>"
UNKNOWN = "<unknown>"

NAME = Column("Name", lambda obj, _now: name_of(obj), description="Name must be unique.")

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def human_duration(seconds: float) -> str:
    """`5m`, `3h12m`, `2d`: two units while the larger one is small."""
    s = int(seconds)
    if s < -1:
        return "<invalid>"
    if s < 0:
        return "0s"
    if s < 2 * _MINUTE_S:
        return f"{s}s"
    minutes = s // _MINUTE_S
    if minutes < 10:
        return _pair(minutes, "m", s % _MINUTE_S, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    hours = s // _HOUR_S
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = s // _DAY_S
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _pair(years, "y", days % 365, "d") if days < 365 * 8 else f"{years}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(text: Any, now: datetime) -> str:
    """How long ago a timestamp was, as a cell."""
    if not text:
        return UNKNOWN
    try:
        return human_duration((now - parse_time(str(text))).total_seconds())
    except ValueError:
        return UNKNOWN


def age(obj: Object, now: datetime) -> str:
    """The age of an object."""
    return since(metadata_of(obj).get("creationTimestamp"), now)


AGE = Column("Age", age, description="Time since the object was created.")


def field(obj: Mapping[str, Any], *path: str) -> Any:
    """The value at a path of names, or None."""
    value: Any = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d`, sorted; `<none>` if there are none."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as `kubectl get -o wide` shows it. Source: metav1.FormatLabelSelector."""
    if not selector:
        return NONE
    terms = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        key, operator = term.get("key"), term.get("operator")
        values = ",".join(sorted(term.get("values") or ()))
        terms.append(
            {
                "Exists": f"{key}",
                "DoesNotExist": f"!{key}",
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
            }.get(str(operator), UNKNOWN)
        )
    return ",".join(terms) or NONE


def containers_text(containers: Iterable[Mapping[str, Any]] | None, what: str) -> str:
    """The names (`what` is `name`) or images of containers, joined by commas."""
    return ",".join(str(container.get(what) or "") for container in containers or ())
