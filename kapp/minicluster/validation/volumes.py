"""Validation of PersistentVolumes and their claims.

Source: pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.status import Cause
from kapp.minicluster.quantities import parse_quantity
from kapp.minicluster.validation.fields import Errors

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_NOT_SOURCES = frozenset(
    (
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    )
)
CLAIM_FROZEN = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName "
    "for bound claims"
)
"""The real server appends a diff of its internal structures, which would say nothing here."""


def persistent_volume(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a PersistentVolume."""
    errors = Errors()
    spec = new.get("spec") or {}
    _access_modes(errors, spec)
    capacity = spec.get("capacity") or {}
    if "storage" not in capacity:
        errors.required("spec.capacity")
    sources = [field for field in spec if field not in _NOT_SOURCES]
    if not sources:
        errors.required("spec", "must specify a volume type")
    for extra in sources[1:]:
        errors.forbidden(f"spec.{extra}", "may not specify more than 1 volume type")
    if old is not None:
        before = old.get("spec") or {}
        for source in sources:
            if spec[source] != before.get(source):
                text = "spec.persistentvolumesource is immutable after creation"
                errors.forbidden("spec.persistentvolumesource", text)
        errors.immutable("spec.volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    return errors.causes


def persistent_volume_claim(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a PersistentVolumeClaim."""
    errors = Errors()
    spec = new.get("spec") or {}
    _access_modes(errors, spec)
    requests = (spec.get("resources") or {}).get("requests") or {}
    if "storage" not in requests:
        errors.required("spec.resources[storage]")
    if old is not None:
        _claim_update(errors, new, old)
    return errors.causes


def _access_modes(errors: Errors, spec: dict[str, Any]) -> None:
    modes = spec.get("accessModes") or ()
    if not modes:
        errors.required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _MODES:
            errors.unsupported("spec.accessModes", mode, _MODES)


def _claim_update(errors: Errors, new: Object, old: Object) -> None:
    spec, before = deepcopy(new["spec"]), deepcopy(old["spec"])
    sizes = [_storage(one) for one in (spec, before)]
    if not before.get("volumeName"):
        before["volumeName"] = spec.get("volumeName")
        spec.setdefault("volumeName", None)
    if (old.get("status") or {}).get("phase") == "Bound":
        for one in (spec, before):
            one.pop("volumeAttributesClassName", None)
            ((one.get("resources") or {}).get("requests") or {}).pop("storage", None)
    if spec != before:
        errors.forbidden("spec", CLAIM_FROZEN)
    if sizes[0] < sizes[1]:
        errors.forbidden(
            "spec.resources.requests.storage", "field can not be less than status.capacity"
        )


def _storage(spec: dict[str, Any]) -> Decimal:
    requests = (spec.get("resources") or {}).get("requests") or {}
    return parse_quantity(requests.get("storage", "0")) or Decimal(0)
