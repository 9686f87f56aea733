"""Cells that several kinds share: ages, labels, selectors, containers.

Source: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, metadata_of, name_of
from kapp.machinery.scheme import Column

NONE = "<none>"
UNKNOWN = "<unknown>"

NAME = Column("Name", lambda obj, _now: name_of(obj), description="Name must be unique.")


def age(obj: Object, now: datetime) -> str:
    """The age of an object."""
    return human_age(metadata_of(obj).get("creationTimestamp"), now)


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
