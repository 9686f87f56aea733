"""Which resources run: those that were asked for, and what they depend on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kapp.kappfile.errors import KappfileError
from kapp.kappfile.model import UNCATEGORIZED, KubernetesResource, LocalResource
from kapp.kappfile.suggest import did_you_mean, listing


def selected(
    requested: Sequence[str], resources: Sequence[KubernetesResource | LocalResource]
) -> frozenset[str]:
    """The names of all that `requested` needs; `UNCATEGORIZED` always runs, as in Tilt.

    Raises KappfileError for a name that is no resource.
    """
    deps = {one.name: one.resource_deps for one in resources}
    for name in requested:
        if name not in deps:
            raise KappfileError(
                f"there is no resource `{name}` to enable; known resources: {listing(deps)}",
                hint=did_you_mean(name, deps)
                or "without config.parse, arguments are names of resources",
            )
    found: set[str] = set()
    waiting = [*requested, *([UNCATEGORIZED] if UNCATEGORIZED in deps else ())]
    while waiting:
        name = waiting.pop()
        if name in deps and name not in found:
            found.add(name)
            waiting += deps[name]
    return frozenset(found)
