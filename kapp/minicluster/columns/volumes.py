"""The columns of PersistentVolumes and their claims.

Source: printPersistentVolume, printPersistentVolumeClaim.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from kapp.machinery.objects import Object, is_deleting
from kapp.machinery.scheme import Column
from kapp.minicluster.columns.cells import AGE, NAME, field
from kapp.minicluster.columns.policies import UNSET, text

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _modes(modes: Iterable[str] | None) -> str:
    found = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in found)


def _phase(obj: Object, _now: datetime) -> str:
    return "Terminating" if is_deleting(obj) else field(obj, "status", "phase") or ""


def _claim(volume: Object, _now: datetime) -> str:
    reference = field(volume, "spec", "claimRef")
    return f"{reference.get('namespace')}/{reference.get('name')}" if reference else ""


def _bound_capacity(claim: Object, _now: datetime) -> str:
    if not field(claim, "spec", "volumeName"):
        return ""
    return str(field(claim, "status", "capacity", "storage") or "0")


def _bound_modes(claim: Object, _now: datetime) -> str:
    bound = field(claim, "spec", "volumeName")
    return _modes(field(claim, "status", "accessModes")) if bound else ""


def _volume_mode() -> Column:
    return Column(
        "VolumeMode", lambda obj, _now: field(obj, "spec", "volumeMode") or UNSET, priority=1
    )


_CLASSES = (
    text("StorageClass", "spec", "storageClassName"),
    text("VolumeAttributesClass", "spec", "volumeAttributesClassName", empty=UNSET),
)

PERSISTENT_VOLUMES = (
    NAME,
    text("Capacity", "spec", "capacity", "storage", empty="0"),
    Column("Access Modes", lambda obj, _now: _modes(field(obj, "spec", "accessModes"))),
    text("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy"),
    Column("Status", _phase),
    Column("Claim", _claim),
    *_CLASSES,
    text("Reason", "status", "reason"),
    AGE,
    _volume_mode(),
)

PERSISTENT_VOLUME_CLAIMS = (
    NAME,
    Column("Status", _phase),
    text("Volume", "spec", "volumeName"),
    Column("Capacity", _bound_capacity),
    Column("Access Modes", _bound_modes),
    *_CLASSES,
    AGE,
    _volume_mode(),
)
