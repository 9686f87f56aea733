"""Names of objects: the shortest that is unique, and the fragments that `objects=` is written in.

Both are prefixes of `name:kind:namespace:group` in lower case, the namespace `default` and the
group `core` where an object has none. Source: Tilt's internal/k8s/names.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kapp.kappfile.assembly.declarations import Naming
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.values import a, kind_of
from kapp.machinery.objects import Object, gvk_of, metadata_of


def id_of(obj: Object) -> dict[str, str]:
    """The four parts of an object's name, as they are written."""
    gvk, meta = gvk_of(obj), metadata_of(obj)
    return {
        "name": meta["name"],
        "kind": gvk.kind,
        "namespace": meta.get("namespace") or "default",
        "group": gvk.group or "core",
    }


def potential_names(obj: Object, min_parts: int = 1) -> list[str]:
    """Every name an object answers to, shortest first."""
    parts = list(id_of(obj).values())
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


def given_names(objects: Sequence[Object], naming: Naming) -> list[str]:
    """For each object the name that the Kappfile's function gives it.

    Raises KappfileError for what is no name, and for a name that two objects are given.
    """
    owners: dict[str, str] = {}
    for obj in objects:
        subject = potential_names(obj)[-1]
        name = naming.name_of(id_of(obj))
        if not isinstance(name, str) or not name:
            shown = "an empty string" if name == "" else a(kind_of(name))
            raise KappfileError(
                f"the function returned {shown} for `{subject}`", hint="return a resource's name"
            )
        if name in owners:
            raise KappfileError(
                f"the function gave `{owners[name]}` and `{subject}` the same name, `{name}`",
                hint="make names unique, for example with the namespace: id.namespace",
            )
        owners[name] = subject
    return list(owners)
