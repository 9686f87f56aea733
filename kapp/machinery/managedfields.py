"""`metadata.managedFields`: who owns which fields of an object.

Decodes and encodes the entries; `apply` decides what is in them. Entries that a write does not
touch are carried over as they are, without being decoded.

Source: k8s.io/apimachinery/pkg/util/managedfields/internal (managedfields.go, capmanagers.go,
stripmeta.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from kapp.machinery.fieldpath import FieldSet, FieldsV1, Path, decode, encode
from kapp.machinery.objects import Json, Object

APPLY = "Apply"
UPDATE = "Update"

# Fields that every write sets or that only the server sets: nobody owns them.
STRIPPED: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "clusterName",
            "creationTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    }
)

# More Update managers than this are joined, oldest first (fieldmanager.go).
MAX_UPDATE_MANAGERS = 10
_OLD_UPDATES = "ancient-changes"


class Manager(NamedTuple):
    """Whose entry it is. `api_version` is "" for Apply: an applier has one entry in all."""

    name: str
    operation: str
    api_version: str
    subresource: str


class Entry:
    """One manager's fields, decoded only when they are asked for."""

    __slots__ = ("_fields", "_paths", "api_version", "time")

    def __init__(
        self,
        api_version: str,
        time: str | None,
        *,
        fields: FieldsV1 | None = None,
        paths: FieldSet | None = None,
    ) -> None:
        self.api_version = api_version
        self.time = time
        self._fields = fields
        self._paths = paths

    @property
    def paths(self) -> FieldSet:
        """The set itself; read-only."""
        if self._paths is None:
            self._paths = decode(self._fields or {})
        return self._paths

    @property
    def fields(self) -> FieldsV1:
        """The set as FieldsV1."""
        if self._fields is None:
            self._fields = encode(self._paths or ())
        return self._fields

    def check(self) -> None:
        """Raises ValueError if its FieldsV1 is malformed."""
        _ = self.paths

    def owned(self, paths: Iterable[Path]) -> FieldSet:
        """Those of `paths` that this entry has."""
        if self._paths is not None:
            return {path for path in paths if path in self._paths}
        return {path for path in paths if _has(self._fields or {}, path)}

    def without(self, paths: FieldSet) -> Entry:
        """The entry less some paths."""
        return Entry(self.api_version, self.time, paths=self.paths - paths)


def _has(fields: FieldsV1, path: Path) -> bool:
    node: Json = fields
    for element in path:
        node = node.get(element)
        if node is None:
            return False
    return not node or "." in node


Managed = dict[Manager, Entry]


def decode_managed(entries: Json) -> Managed:
    """The entries of an object's managedFields. Raises ValueError if one is malformed."""
    managed: Managed = {}
    for position, entry in enumerate(entries or ()):
        operation = entry.get("operation")
        if operation not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        api_version = entry.get("apiVersion")
        if not api_version:
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(
                f"invalid fieldsType {entry.get('fieldsType')!r} in managed fields entry {position}"
            )
        fields = entry.get("fieldsV1") or {}
        if not isinstance(fields, dict):
            raise ValueError(f"invalid fieldsV1 in managed fields entry {position}")
        manager = manager_of(
            str(entry.get("manager") or ""),
            operation,
            str(api_version),
            str(entry.get("subresource") or ""),
        )
        managed[manager] = Entry(str(api_version), entry.get("time"), fields=fields)
    return managed


def manager_of(name: str, operation: str, api_version: str, subresource: str) -> Manager:
    """The key of a manager's entry."""
    return Manager(name, operation, "" if operation == APPLY else api_version, subresource)


def encode_managed(managed: Managed) -> list[dict[str, Any]]:
    """The entries in the order in which a server writes them; empty ones are left out."""
    encoded = []
    for manager, entry in managed.items():
        item: dict[str, Any] = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": entry.api_version,
        }
        if entry.time is not None:
            item["time"] = entry.time
        item["fieldsType"] = "FieldsV1"
        item["fieldsV1"] = entry.fields
        if manager.subresource:
            item["subresource"] = manager.subresource
        encoded.append(item)
    encoded.sort(
        key=lambda item: (
            item["operation"],
            item.get("time") or "",
            item["manager"],
            item["apiVersion"],
            item.get("subresource") or "",
        )
    )
    return encoded


def set_managed(obj: Object, managed: Managed) -> None:
    """Write managedFields into the object, in place; none at all if nobody owns anything."""
    metadata = obj.setdefault("metadata", {})
    if encoded := encode_managed(managed):
        metadata["managedFields"] = encoded
    else:
        metadata.pop("managedFields", None)


def cap_update_managers(managed: Managed) -> None:
    """Join the oldest Update entries, in place, until there are no more than the limit."""
    updaters = sorted(
        (manager for manager in managed if manager.operation == UPDATE),
        key=lambda manager: (managed[manager].time or "", manager),
    )
    excess = len(updaters) - MAX_UPDATE_MANAGERS
    first_of: dict[str, Manager] = {}
    for manager in updaters:
        if excess <= 0:
            return
        version = managed[manager].api_version
        if version not in first_of:
            first_of[version] = manager
            continue
        bucket = Manager(_OLD_UPDATES, UPDATE, version, "")
        if bucket not in managed:
            managed[bucket] = managed.pop(first_of[version])
        joined = managed[bucket].paths | managed[manager].paths
        managed[bucket] = Entry(version, managed[manager].time, paths=joined)
        if manager != bucket:
            del managed[manager]
        excess -= 1
