"""The kinds a server serves, and everything that differs between them.

A `Kind` is data plus a few pure functions (defaults, validation, columns); the registry supplies
all behaviour that kinds share. Registered once at start-up, read-only afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from kapp.machinery.objects import GroupVersionKind, Object, Resource
from kapp.machinery.options import Propagation
from kapp.machinery.status import Cause

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Column(msgspec.Struct, frozen=True):
    """One column of `kubectl get`.

    `value` is given the object and the present wall time and returns a cell (str, int, None).
    `type` is string, integer, date or boolean; `priority` 1 shows with `-o wide` only.
    """

    name: str
    value: Callable[[Object, datetime], Any]
    type: str = "string"
    description: str = ""
    priority: int = 0


class Subresource(msgspec.Struct, frozen=True):
    """A part of an object with a URL of its own, other than `status`.

    `log`, `exec`, `portforward` are answered by stream handlers that the server is given; `scale`
    by `kapp.machinery.rest`. `deletes` marks one (`eviction`) to which a POST is a delete of the
    object, with the body's deleteOptions.
    """

    name: str
    verbs: tuple[str, ...]
    kind: str = ""
    group: str = ""
    version: str = ""
    deletes: bool = False


class ScalePaths(NamedTuple):
    """Where a kind keeps what its scale subresource shows; dotted paths.

    `selector` names a field that holds a selector's text; "" takes `spec.selector`.
    """

    wanted: str = "spec.replicas"
    present: str = "status.replicas"
    selector: str = ""


SCALE_PATHS = ScalePaths()
"""Those of Deployments and their like."""


def _no_defaults(_: Object) -> None:
    return None


def _no_causes(_new: Object, _old: Object | None) -> list[Cause]:
    return []


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of object.

    Attributes:
        schema: OpenAPI v3 schema of the whole object; `$ref`s point into `definitions`.
        definitions: schemas by reference name (`io.k8s.api.apps.v1.DeploymentSpec`).
        default: fills in defaults, in place, before validation.
        validate: returns what is wrong with the new object, given the old one on an update
            (immutable fields are its business). Unknown fields and types are the schema's.
        selectable: field paths beyond metadata.name and metadata.namespace that a field selector
            may use, such as `spec.nodeName`.
        has_status: the kind has a status subresource: a write to the object ignores `status`, and
            a write to `/status` ignores the rest.
        counts_generations: `metadata.generation` counts changes of the desired state; some
            built-in kinds do without.
        annotations_count: a change of annotations counts too, but for one through the status.
        grace_period_s: how long a deleted object stays, with a deletionTimestamp, until its agent
            (the kubelet) deletes it for good; None for kinds that go at once. Given the object.
        finalizers: put on every new object.
        strategic: takes strategic merge patches (built-in kinds do, custom kinds do not).
        structural: the schema is a custom kind's: a map holds what it names and nothing else, and
            a map that names nothing is empty.
        propagation: what becomes of dependents when a delete does not say.
        scale_paths: for kinds with a scale subresource.
        storage_version: the version that objects are stored in, where kinds of several versions
            share them; "" for the kind's own.
        view_of: `plural.group` of another kind, whose objects this one shows in its own form.
        store: makes what the store holds of an object of this kind, for a view.
        answer: makes the answer to a create; such objects are never stored.
        present: makes an object of this kind of what the store holds, where the two may differ
            (another version, a default that came later); may change it in place.
        name_rule: what a name may be: "subdomain" (RFC 1123), or "path_segment", which allows the
            colons of RBAC names.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = False
    verbs: tuple[str, ...] = ALL_VERBS
    columns: tuple[Column, ...] = ()
    schema: Mapping[str, Any] = msgspec.field(default_factory=dict)
    definitions: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=dict)
    default: Callable[[Object], None] = _no_defaults
    validate: Callable[[Object, Object | None], list[Cause]] = _no_causes
    selectable: tuple[str, ...] = ()
    has_status: bool = True
    counts_generations: bool = True
    annotations_count: bool = False
    subresources: tuple[Subresource, ...] = ()
    grace_period_s: Callable[[Object], int] | None = None
    finalizers: tuple[str, ...] = ()
    strategic: bool = False
    structural: bool = False
    propagation: Propagation = "Background"
    scale_paths: ScalePaths = SCALE_PATHS
    storage_version: str = ""
    view_of: str = ""
    store: Callable[[Object], Object] | None = None
    answer: Callable[[Object], Object] | None = None
    present: Callable[[Object], Object] | None = None
    name_rule: Literal["subdomain", "path_segment"] = "subdomain"

    @property
    def gvk(self) -> GroupVersionKind:
        """Group, version and kind."""
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def resource(self) -> Resource:
        """The REST resource that serves this kind."""
        return Resource(self.group, self.version, self.plural, self.kind, self.namespaced)

    @property
    def collection(self) -> str:
        """The name under which the store has its objects."""
        return self.view_of or self.resource.group_resource

    @property
    def singular_name(self) -> str:
        """The singular name; the lower-case kind unless set."""
        return self.singular or self.kind.lower()


class Scheme:
    """All kinds of one server, found by kind, by URL, or by any name a user may type."""

    def __init__(self) -> None:
        self._by_gvk: dict[GroupVersionKind, Kind] = {}
        self._by_path: dict[tuple[str, str, str], Kind] = {}

    def register(self, kind: Kind) -> None:
        """Add a kind. Raises ValueError if its kind or its plural is taken."""
        path = (kind.group, kind.version, kind.plural)
        if kind.gvk in self._by_gvk or path in self._by_path:
            raise ValueError(f"{kind.gvk} is registered already")
        self._by_gvk[kind.gvk] = kind
        self._by_path[path] = kind

    def unregister(self, gvk: GroupVersionKind) -> None:
        """Remove a kind (a deleted CustomResourceDefinition). Unknown kinds are ignored."""
        if (kind := self._by_gvk.pop(gvk, None)) is not None:
            del self._by_path[kind.group, kind.version, kind.plural]

    def by_gvk(self, gvk: GroupVersionKind) -> Kind | None:
        """The kind with that name."""
        return self._by_gvk.get(gvk)

    def by_path(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind served at `/apis/group/version/plural`."""
        return self._by_path.get((group, version, plural))

    def by_group_resource(self, group_resource: str) -> Kind | None:
        """A kind whose objects are those of `plural.group`, in any version."""
        for kind in self._by_gvk.values():
            if kind.resource.group_resource == group_resource:
                return kind
        return None

    def by_name(self, name: str) -> Kind | None:
        """The kind a user means by a plural, singular, short name or kind, `.group` optional.

        Source of the order: k8s.io/client-go/restmapper (resources first, then short names).
        """
        wanted, _, group = name.lower().partition(".")
        kinds = [k for k in self._by_gvk.values() if not group or k.group == group]
        for names in (
            lambda k: (k.plural, k.singular_name, k.kind.lower()),
            lambda k: k.short_names,
        ):
            for kind in kinds:
                if wanted in names(kind):
                    return kind
        return None

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._by_gvk.values()))
