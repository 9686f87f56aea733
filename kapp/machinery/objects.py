"""Kubernetes objects as plain dicts: names, keys, metadata accessors, conditions, times.

`Any` is spelled out here once: an `Object` is a JSON object as an API server sends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

Object: TypeAlias = dict[str, Any]
"""A whole API object: apiVersion, kind, metadata, and whatever its kind has."""

Json: TypeAlias = Any
"""Any JSON value."""


class GroupVersionKind(NamedTuple):
    """What `apiVersion` and `kind` say; `group` is "" for the core group."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


class Resource(NamedTuple):
    """One REST resource: all that is needed to build its URLs and to name it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def gvk(self) -> GroupVersionKind:
        """The group, version and kind of its objects."""
        return GroupVersionKind(self.group, self.version, self.kind)

    @property
    def group_resource(self) -> str:
        """`plural.group`, or `plural` alone for the core group, as kubectl prints it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of an object, or of its subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{scope}/{self.plural}{tail}"


class ObjectKey(NamedTuple):
    """Names one object among those of its resource; `namespace` is "" if it has none."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def gvk_of(obj: Mapping[str, Any]) -> GroupVersionKind:
    """The group, version and kind that `obj` claims; missing parts are empty."""
    group, _, version = str(obj.get("apiVersion") or "").rpartition("/")
    return GroupVersionKind(group, version, str(obj.get("kind") or ""))


def metadata_of(obj: Mapping[str, Any]) -> dict[str, Any]:
    """`obj.metadata`, or an empty dict that is not part of `obj` if it has none."""
    meta = obj.get("metadata")
    return meta if isinstance(meta, dict) else {}


def key_of(obj: Mapping[str, Any]) -> ObjectKey:
    """The object's namespace and name."""
    meta = metadata_of(obj)
    return ObjectKey(meta.get("namespace") or "", meta.get("name") or "")


def name_of(obj: Mapping[str, Any]) -> str:
    """`metadata.name`, or ""."""
    return str(metadata_of(obj).get("name") or "")


def uid_of(obj: Mapping[str, Any]) -> str:
    """`metadata.uid`, or ""."""
    return str(metadata_of(obj).get("uid") or "")


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.labels`, or an empty dict that is not part of `obj`."""
    return metadata_of(obj).get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """`metadata.annotations`, or an empty dict that is not part of `obj`."""
    return metadata_of(obj).get("annotations") or {}


def is_deleting(obj: Mapping[str, Any]) -> bool:
    """Whether deletion was asked for and something (a finalizer, a grace period) holds it."""
    return bool(metadata_of(obj).get("deletionTimestamp"))


def display_name(obj: Mapping[str, Any]) -> str:
    """`Kind/name` or `Kind/namespace/name`, for messages."""
    return f"{obj.get('kind') or 'object'}/{key_of(obj)}"


def controller_reference(owner: Mapping[str, Any]) -> dict[str, Any]:
    """An ownerReferences entry that makes `owner` the managing controller."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ownerReferences entry with `controller: true`, if there is one."""
    for reference in metadata_of(obj).get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with seconds, as `metav1.Time` is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micro_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, as `metav1.MicroTime` is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Reads what either of the two above wrote. Raises ValueError if it is not RFC 3339."""
    return datetime.fromisoformat(text)


def find_condition(
    conditions: Iterable[Mapping[str, Any]] | None, kind: str
) -> Mapping[str, Any] | None:
    """The condition with `type: kind`, if there is one."""
    return next((c for c in conditions or () if c.get("type") == kind), None)


def set_condition(
    conditions: list[dict[str, Any]],
    kind: str,
    status: str,
    reason: str,
    message: str,
    now: datetime,
) -> None:
    """Set one condition in place; `lastTransitionTime` moves only when `status` changes.

    Source: k8s.io/apimachinery/pkg/api/meta/conditions.go.
    """
    existing = next((c for c in conditions if c.get("type") == kind), None)
    if existing is None:
        existing = {"type": kind}
        conditions.append(existing)
    if existing.get("status") != status:
        existing["lastTransitionTime"] = format_time(now)
    existing.update(status=status, reason=reason, message=message)
