"""What the clusters returned for the objects of each KubernetesApply.

A cache: after a restart of the engine, it is filled by applying, which changes nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kapp.controllers.applyinput import applied_object
from kapp.machinery.objects import Object, name_of


class ApplyResults:
    """The last result for every object, by the name of the KubernetesApply."""

    def __init__(self) -> None:
        self._results: dict[str, dict[str, Object]] = {}

    def of(self, name: str) -> list[Object]:
        """The results, in the order in which they were given to be applied."""
        return list(self._results.get(name, {}).values())

    def take(
        self, name: str, given: Sequence[Object], applied: Iterable[Object], *, anew: bool
    ) -> list[Object]:
        """Take over what was returned for an input; unless `anew`, the earlier results stay."""
        results = {} if anew else dict(self._results.get(name, {}))
        for obj in applied:
            results[_identity(obj)] = obj
        order = {(o["kind"], name_of(o)): n for n, o in enumerate(given)}
        listed = sorted(
            results.items(),
            key=lambda item: order.get((item[1]["kind"], name_of(item[1])), len(order)),
        )
        self._results[name] = dict(listed)
        return self.of(name)

    def drop(self, name: str) -> None:
        """Forget a resource."""
        self._results.pop(name, None)


def _identity(obj: Object) -> str:
    named = applied_object(obj)
    return f"{named.api_version}/{named.kind}/{named.namespace}/{named.name}"
