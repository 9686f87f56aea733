"""Defaults of PersistentVolumes and their claims. Source: pkg/apis/core/v1/defaults.go."""

from __future__ import annotations

from kapp.machinery.objects import Object


def persistent_volume(obj: Object) -> None:
    """Fill in a PersistentVolume."""
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
        spec.setdefault("volumeMode", "Filesystem")
        if isinstance(spec.get("hostPath"), dict):
            spec["hostPath"].setdefault("type", "")
    obj.setdefault("status", {}).setdefault("phase", "Pending")


def persistent_volume_claim(obj: Object) -> None:
    """Fill in a PersistentVolumeClaim; its class is admission's business."""
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.setdefault("volumeMode", "Filesystem")
    obj.setdefault("status", {}).setdefault("phase", "Pending")
