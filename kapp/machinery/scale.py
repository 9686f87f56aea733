"""The scale subresource: the replicas of any kind that lists it, as an autoscaling/v1 Scale. Pure.

Source: k8s.io/api/autoscaling/v1 Scale; pkg/registry/apps/deployment/storage (ScaleREST).
"""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object, metadata_of
from kapp.machinery.scheme import SCALE_PATHS, ScalePaths
from kapp.machinery.selectors import Selector, format_selector, from_label_selector
from kapp.machinery.status import Cause, bad_request, invalid

_KEPT_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _value_at(obj: Object, path: str) -> Any:
    value: Any = obj
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _with_value(obj: Object, parts: list[str], value: Any) -> Object:
    if not parts:
        return value  # type: ignore[no-any-return]
    below = obj.get(parts[0])
    inner = below if isinstance(below, dict) else {}
    return {**obj, parts[0]: _with_value(inner, parts[1:], value)}


def scale_of(obj: Object, paths: ScalePaths = SCALE_PATHS) -> Object:
    """The Scale of an object; its version is the object's."""
    meta = metadata_of(obj)
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _KEPT_METADATA if name in meta},
        "spec": {"replicas": _value_at(obj, paths.wanted) or 0},
        "status": {"replicas": _value_at(obj, paths.present) or 0},
    }
    if paths.selector:
        scale["status"]["selector"] = str(_value_at(obj, paths.selector) or "")
        return scale
    selector = _value_at(obj, "spec.selector")
    if isinstance(selector, dict):
        if not ({"matchLabels", "matchExpressions"} & selector.keys()):
            selector = {"matchLabels": selector}  # a ReplicationController's is a plain map
        found: Selector | None = from_label_selector(selector)
        scale["status"]["selector"] = format_selector(found) if found is not None else ""
    return scale


def with_scale(obj: Object, scale: Object, paths: ScalePaths = SCALE_PATHS) -> Object:
    """`obj` with the replicas that `scale` asks for, at the version it names.

    Raises ApiError: 400 for what is no Scale, 422 if it asks for fewer than none.
    """
    spec = scale.get("spec") or {}
    if not isinstance(spec, dict) or not isinstance(scale.get("metadata") or {}, dict):
        raise bad_request("a Scale's metadata and spec must be objects")
    replicas = spec.get("replicas", 0)
    if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
        cause = Cause(
            "spec.replicas",
            f"Invalid value: {replicas}: must be greater than or equal to 0",
        )
        raise invalid("Scale", "autoscaling", metadata_of(scale).get("name") or "", [cause])
    meta = dict(obj["metadata"])
    if version := metadata_of(scale).get("resourceVersion"):
        meta["resourceVersion"] = version
    return _with_value({**obj, "metadata": meta}, paths.wanted.strip(".").split("."), replicas)
