"""From prepared objects to where in the cluster they go."""

from __future__ import annotations

from collections.abc import Sequence

from kapp.cluster.crds import defined_by
from kapp.cluster.failures import Rejected
from kapp.cluster.mapping import NoSuchKind, RestMapping
from kapp.cluster.targets import Target
from kapp.machinery.objects import Object, ObjectKey, Resource, display_name, gvk_of, key_of


async def resolve(mapping: RestMapping, objects: Sequence[Object], namespace: str) -> list[Target]:
    """Find each object's resource, and put it into `namespace` where it names none.

    Kinds that a CRD among `objects` defines are known before the cluster serves them. Of the same
    object twice, the later one is meant: applied side by side, either might win. Raises Rejected
    for a kind that nobody knows; ApiError, Unreachable from discovery.
    """
    own = {r.gvk: r for obj in objects for r in defined_by(obj)}
    targets: dict[tuple[str, str, ObjectKey], Target] = {}
    for obj in objects:
        gvk = gvk_of(obj)
        try:
            resource = own.get(gvk) or await mapping.resource_for(gvk)
        except NoSuchKind as e:
            raise Rejected(e.message, location=display_name(obj), hint=e.hint) from e
        target = Target(resource, _placed(obj, resource, namespace))
        targets[resource.group, resource.kind, key_of(target.obj)] = target
    return list(targets.values())


def _placed(obj: Object, resource: Resource, namespace: str) -> Object:
    meta = dict(obj["metadata"])
    if not resource.namespaced:
        meta.pop("namespace", None)
    elif not meta.get("namespace"):
        meta["namespace"] = namespace
    return {**obj, "metadata": meta}
