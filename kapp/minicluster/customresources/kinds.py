"""The kinds that a CustomResourceDefinition defines: one for each version it serves. Pure.

All versions share their stored objects; with the conversion `None` they differ in nothing but
their apiVersion, and in what each version's schema keeps. Rules in CEL
(`x-kubernetes-validations`) are not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapp.machinery.objects import GroupVersionKind, Object
from kapp.machinery.schema import Checker
from kapp.machinery.scheme import Kind, ScalePaths, Subresource
from kapp.minicluster.customresources.columns import columns_of
from kapp.minicluster.customresources.schemas import defaulter, published

_SCALE = Subresource("scale", ("get", "patch", "update"), "Scale", "autoscaling", "v1")
_ITEM_PATH_START = "."


def kinds_of(definition: Object) -> list[Kind]:
    """The kinds that are served, by the names that were accepted."""
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or spec["names"]
    storage = next(v for v in spec["versions"] if v.get("storage"))
    return [
        _kind(spec, names, version, storage) for version in spec["versions"] if version["served"]
    ]


def _kind(
    spec: Mapping[str, Any],
    names: Mapping[str, Any],
    version: Mapping[str, Any],
    storage: Mapping[str, Any],
) -> Kind:
    gvk = GroupVersionKind(spec["group"], version["name"], names["kind"])
    schema, stored = _schema(version), _schema(storage)
    subresources = version.get("subresources") or {}
    scale = subresources.get("scale")
    fill = defaulter(schema)
    selectable = [field["jsonPath"] for field in version.get("selectableFields") or ()]
    several = len(spec["versions"]) > 1
    checker = Checker(published(stored), {}, closed=True) if several else None
    return Kind(
        group=gvk.group,
        version=gvk.version,
        kind=gvk.kind,
        plural=names["plural"],
        singular=names.get("singular") or "",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        columns=columns_of(version.get("additionalPrinterColumns") or ()),
        schema=published(schema),
        default=fill or _no_defaults,
        selectable=tuple(path.removeprefix(_ITEM_PATH_START) for path in selectable),
        has_status="status" in subresources,
        subresources=() if scale is None else (_SCALE,),
        structural=True,
        scale_paths=_scale_paths(scale or {}),
        storage_version=storage["name"],
        present=_presenter(gvk, checker, defaulter(stored)) if several or fill else None,
    )


def _schema(version: Mapping[str, Any]) -> Mapping[str, Any]:
    return (version.get("schema") or {}).get("openAPIV3Schema") or {}


def _no_defaults(_: Object) -> None:
    return None


def _scale_paths(scale: Mapping[str, Any]) -> ScalePaths:
    return ScalePaths(
        scale.get("specReplicasPath") or ScalePaths().wanted,
        scale.get("statusReplicasPath") or ScalePaths().present,
        scale.get("labelSelectorPath") or "",
    )


def _presenter(
    gvk: GroupVersionKind, checker: Checker | None, fill: Callable[[Object], None] | None
) -> Callable[[Object], Object]:
    """Shows a stored object in this version, with what the stored version's schema has now.

    Fields that only another version has are lost, and defaults that came later are there. Source:
    schemaCoercingDecoder in apiextensions-apiserver/pkg/apiserver/customresource_handler.go.
    """

    def present(obj: Object) -> Object:
        if checker is not None:
            checker.check_types(obj)
        obj["apiVersion"] = gvk.api_version
        if fill is not None:
            fill(obj)
        return obj

    return present
