"""A cluster for tests: the real registry in this process, a few kinds, and faults on demand."""

import itertools
from datetime import UTC, datetime

from kapp.cluster.inventory import Inventory
from kapp.cluster.mapping import NoSuchKind
from kapp.cluster.prepare import prepare
from kapp.cluster.resolve import resolve
from kapp.machinery.objects import ObjectKey
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import Cause
from kapp.machinery.store import Store
from kapp.runtime.local import LocalClient

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def immutable(*path, reason="FieldValueInvalid", message="field is immutable"):
    """A validation that refuses a change at `path`, as the built-in kinds have."""

    def validate(new, old):
        def at(obj):
            for part in path:
                obj = (obj or {}).get(part)
            return obj

        if old is None or at(new) == at(old):
            return []
        return [Cause(".".join(path), f"Invalid value: {at(new)}: {message}", reason)]

    return validate


def kind(name, group="", namespaced=True, **more):
    plural = name.lower() + "s"
    return Kind(
        group=group,
        version="v1",
        kind=name,
        plural=plural,
        namespaced=namespaced,
        schema=ANYTHING,
        **more,
    )


KINDS = (
    kind("Namespace", namespaced=False),
    kind("ConfigMap"),
    kind("Secret"),
    kind("Service", validate=immutable("spec", "clusterIP")),
    kind("Deployment", "apps", validate=immutable("spec", "selector")),
    kind("Job", "batch", validate=immutable("spec", "template")),
    kind("CustomResourceDefinition", "apiextensions.k8s.io", namespaced=False),
)


class World:
    """A cluster; `calls` are the requests it got, `faults` what it answers instead of some.

    A fault is `(verb, kind, error)`, raised once. `hooks` are awaited after each request; what
    they do through `local` is not counted.
    """

    def __init__(self):
        self.scheme = Scheme()
        for each in KINDS:
            self.scheme.register(each)
        numbers = itertools.count()
        self.registry = Registry(
            self.scheme,
            Store(),
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            new_uid=lambda: f"uid-{next(numbers)}",
        )
        self.local = LocalClient(self.registry)
        self.client = _Faulty(self, self.local)
        self.calls = []
        self.faults = []
        self.hooks = []

    # The mapping's part.
    async def resource_for(self, gvk):
        found = self.scheme.by_gvk(gvk)
        if found is None:
            raise NoSuchKind(f"the cluster has no kind {gvk.kind} in {gvk.api_version}", hint="no")
        return found.resource

    async def resource_of_kind(self, group, kind):
        return next((k.resource for k in self.scheme if (k.group, k.kind) == (group, kind)), None)

    def inventory(self, project="demo", namespace="default"):
        return Inventory(self.client, self, project=project, namespace=namespace)

    async def targets(self, *objects, resource="web", inventory=None, namespace="default"):
        part_of = (inventory or self.inventory()).id
        return await resolve(self, prepare(objects, resource=resource, part_of=part_of), namespace)

    def names(self, kind_name):
        found = next(k for k in self.scheme if k.kind == kind_name)
        listed = self.registry.list(found, "").objects()
        return sorted(o["metadata"]["name"] for o in listed)

    def live(self, kind_name, name, namespace="default"):
        found = next(k for k in self.scheme if k.kind == kind_name)
        return self.registry.get(found, ObjectKey(namespace if found.namespaced else "", name))


class _Faulty:
    """Passes every call on, unless a fault is set for it."""

    def __init__(self, world, client):
        self._world = world
        self._client = client

    def __getattr__(self, verb):
        method = getattr(self._client, verb)

        async def call(resource, *args, **kwargs):
            world = self._world
            name = args[0] if args and isinstance(args[0], str) else ""
            world.calls.append((verb, resource.kind, name))
            for fault in world.faults:
                if fault[:2] == (verb, resource.kind):
                    world.faults.remove(fault)
                    raise fault[2]
            result = await method(resource, *args, **kwargs)
            for hook in world.hooks:
                await hook(verb, resource.kind, name)
            return result

        return call


def obj(kind, name, api_version="v1", **fields):
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def deployment(name="web", selector="web", image="a"):
    labels = {"app": selector}
    return obj(
        "Deployment",
        name,
        "apps/v1",
        spec={
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    )
