"""Names of objects: the shortest that is unique, and the fragments that `objects=` is written in.

Both are prefixes of `name:kind:namespace:group` in lower case, the namespace `default` and the
group `core` where an object has none. Source: Tilt's internal/k8s/names.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kapp.machinery.objects import Object, gvk_of, metadata_of


def potential_names(obj: Object, min_parts: int = 1) -> list[str]:
    """Every name an object answers to, shortest first."""
    gvk, meta = gvk_of(obj), metadata_of(obj)
    parts = [meta["name"], gvk.kind, meta.get("namespace") or "default", gvk.group or "core"]
    return [":".join(parts[:count]).lower() for count in range(min_parts, len(parts) + 1)]


def unique_names(objects: Sequence[Object], min_parts: int = 1) -> list[str]:
    """For each object the shortest name no other one answers to.

    Objects that are the same in all four parts get their position among these appended: `:0`, `:1`.
    """
    names = [potential_names(obj, min_parts) for obj in objects]
    wanted = Counter(name for options in names for name in options)
    seen: Counter[str] = Counter()
    result = []
    for options in names:
        unique = next((name for name in options if wanted[name] == 1), None)
        if unique is None:
            longest = options[-1]
            unique = f"{longest}:{seen[longest]}"
            seen[longest] += 1
        result.append(unique)
    return result


def matches(fragment: str, obj: Object) -> bool:
    """Whether `name`, `name:kind`, … names this object, in any case of letters."""
    return fragment.lower() in potential_names(obj)
