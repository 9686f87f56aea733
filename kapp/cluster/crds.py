"""Custom resource definitions among what is applied: what they define, and when it is served."""

from __future__ import annotations

from collections.abc import Callable

from kapp.cluster.pauses import Pauses
from kapp.cluster.targets import Target, find
from kapp.machinery.objects import GroupVersionKind, Object, Resource, find_condition, gvk_of
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client


def defined_by(obj: Object) -> list[Resource]:
    """The resources that a CRD will serve; none for any other object."""
    if gvk_of(obj)[::2] != ("apiextensions.k8s.io", "CustomResourceDefinition"):
        return []
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    made = [
        GroupVersionKind(str(spec.get("group")), str(v.get("name")), str(names.get("kind")))
        for v in spec.get("versions") or ()
        if v.get("served")
    ]
    namespaced = spec.get("scope") == "Namespaced"
    plural = str(names.get("plural"))
    return [Resource(g.group, g.version, plural, g.kind, namespaced) for g in made]


async def until_served(
    client: Client, target: Target, applied: Object, on_waiting: Callable[[str], None]
) -> None:
    """Wait until a CRD's resources answer, so that custom objects find their kind.

    `applied` is what the apply returned. Raises ApiError, Unreachable.
    """
    pauses, live = Pauses(), applied
    while not _established(live):
        on_waiting("until the CRD is established")
        await pauses.pause()
        live = await find(client, target) or {}
    for resource in defined_by(live):
        await _until_answered(client, resource)


async def _until_answered(client: Client, resource: Resource) -> None:
    """Established comes a moment before the endpoint: until that answers."""
    pauses = Pauses()
    while True:
        try:
            await client.list(resource, field_selector="metadata.name=kapp-probe")
            return
        except ApiError as e:
            if e.code != 404:
                return
        await pauses.pause()


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions")
    condition = find_condition(conditions, "Established")
    return condition is not None and condition.get("status") == "True"
