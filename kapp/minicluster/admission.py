"""What the embedded cluster refuses or adds because of other objects: admission hooks.

- Content needs a namespace that exists and is not ending (NamespaceLifecycle).
- Some namespaces cannot be deleted.
- A Service gets a cluster IP, and node ports, that no other Service has.
- A claim without a storage class gets the default one.
- A DaemonSet gets a number that grows with its template.

Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle and
pkg/registry/core/service/storage/alloc.go. Stateless: what is in use is read from the store.
"""

from __future__ import annotations

import json
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    annotations_of,
    is_deleting,
    key_of,
    name_of,
    uid_of,
)
from kapp.machinery.registry import Operation
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError, Cause, invalid, not_found
from kapp.machinery.store import Store
from kapp.minicluster import addresses

DEFAULT_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Made at start; the cluster's own, so they stay."""

DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_IMMORTAL = frozenset(("default", "kube-public", "kube-system"))
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


class Admission:
    """The hook; one for a cluster. See `kapp.machinery.registry.Admit`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, kind: Kind, operation: Operation, new: Object, old: Object | None) -> None:
        """Judge one write; may complete a Service in place. Raises ApiError."""
        if operation == "CREATE" and kind.namespaced:
            self._check_namespace(kind, new)
        if kind.group == "apps" and kind.plural == "daemonsets" and operation != "DELETE":
            _count_templates(new, old)
        if kind.group:
            return
        if kind.plural == "persistentvolumeclaims" and operation == "CREATE":
            self._give_class(new)
        if kind.plural == "namespaces" and operation == "DELETE" and name_of(new) in _IMMORTAL:
            raise _forbidden(kind, new, "this namespace may not be deleted")
        if (
            kind.plural == "services"
            and operation != "DELETE"
            and isinstance(new.get("spec"), dict)
        ):
            self._complete_service(kind, new, old)

    def _check_namespace(self, kind: Kind, new: Object) -> None:
        namespace = key_of(new).namespace
        entry = self._store.get("namespaces", ObjectKey("", namespace))
        if entry is None:
            raise not_found("namespaces", namespace)
        # Events tell of the end of what they are about; they go with the namespace all the same.
        if is_deleting(entry.object()):
            raise _forbidden(
                kind,
                new,
                f"unable to create new content in namespace {namespace} because it is being "
                "terminated",
                [
                    Cause(
                        "metadata.namespace",
                        f"namespace {namespace} is being terminated",
                        "NamespaceTerminating",
                    )
                ],
            )

    def _give_class(self, claim: Object) -> None:
        """A claim that names no class gets the default one (DefaultStorageClass)."""
        spec = claim.get("spec")
        if not isinstance(spec, dict) or spec.get("storageClassName") is not None:
            return
        for _, entry in self._store.list("storageclasses.storage.k8s.io"):
            storage_class = entry.object()
            if annotations_of(storage_class).get(DEFAULT_CLASS) == "true":
                spec["storageClassName"] = name_of(storage_class)
                return

    def _complete_service(self, kind: Kind, new: Object, old: Object | None) -> None:
        spec: dict[str, Any] = new["spec"]
        if spec.get("type") == "ExternalName":
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
            return
        before: dict[str, Any] = (old or {}).get("spec") or {}
        if before.get("clusterIP") and not spec.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        others = [
            entry.object() for key, entry in self._store.list("services") if key != key_of(new)
        ]
        self._give_address(kind, new, spec, others)
        self._give_ports(kind, new, spec, before, others)

    def _give_address(
        self, kind: Kind, new: Object, spec: dict[str, Any], others: list[Object]
    ) -> None:
        used = addresses.addresses_in_use(others)
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if not wanted:
            wanted = addresses.free_address(used, _seed(new))
            if not wanted:
                raise _full(kind, new, "spec.clusterIPs", "range is full")
        elif wanted != "None" and wanted in used:
            why = f"failed to allocate IP {wanted}: provided IP is already allocated"
            raise _full(kind, new, "spec.clusterIPs", why, [wanted])
        spec["clusterIP"], spec["clusterIPs"] = wanted, [wanted]

    def _give_ports(
        self,
        kind: Kind,
        new: Object,
        spec: dict[str, Any],
        before: dict[str, Any],
        others: list[Object],
    ) -> None:
        if spec.get("type") not in _NODE_PORT_TYPES:
            if before.get("type") in _NODE_PORT_TYPES:
                for port in spec.get("ports") or ():
                    port.pop("nodePort", None)
            return
        used = addresses.ports_in_use(others)
        had = {
            (port.get("port"), port.get("protocol")): port.get("nodePort")
            for port in before.get("ports") or ()
        }
        for number, port in enumerate(spec.get("ports") or ()):
            path = f"spec.ports[{number}].nodePort"
            known = had.get((port.get("port"), port.get("protocol")))
            wanted = port.get("nodePort") or (known if known not in used else None)
            if not wanted:
                wanted = addresses.free_port(used, _seed(new) + number)
                if not wanted:
                    raise _full(kind, new, path, "range is full")
            elif wanted in used:
                raise _full(kind, new, path, "provided port is already allocated", wanted)
            elif wanted not in addresses.NODE_PORTS:
                why = "provided port is not in the valid range. The range of valid ports is "
                raise _full(kind, new, path, why + "30000-32767", wanted)
            port["nodePort"] = wanted
            used.add(wanted)


def _count_templates(new: Object, old: Object | None) -> None:
    """A DaemonSet numbers its templates. Source: pkg/registry/apps/daemonset/strategy.go."""
    number = int(annotations_of(old).get(TEMPLATE_GENERATION) or 1) if old is not None else 1
    if old is not None and new["spec"].get("template") != old["spec"].get("template"):
        number += 1
    annotations = new["metadata"].get("annotations") or {}
    new["metadata"]["annotations"] = {**annotations, TEMPLATE_GENERATION: str(number)}


def _seed(obj: Object) -> int:
    """A number that differs between objects; uids are random."""
    return int(uid_of(obj).replace("-", "")[:8] or "0", 16)


def _forbidden(kind: Kind, obj: Object, why: str, causes: list[Cause] | None = None) -> ApiError:
    resource = kind.resource.group_resource
    return ApiError(
        403,
        "Forbidden",
        f'{resource} "{name_of(obj)}" is forbidden: {why}',
        details={"name": name_of(obj), "group": kind.group, "kind": kind.plural},
        causes=causes or (),
    )


def _full(kind: Kind, obj: Object, path: str, why: str, value: Any = None) -> ApiError:
    text = json.dumps(value, separators=(",", ":"))
    cause = Cause(path, f"Invalid value: {text}: {why}", "FieldValueInvalid")
    return invalid(kind.kind, kind.group, name_of(obj), [cause])
