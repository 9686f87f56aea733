"""What a server says of its kinds: groups, versions, resources, verbs. Pure.

Both forms are served: aggregated (KEP-3352: one document for all of `/api` and one for `/apis`)
and legacy (a document a level). Used by `rest.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Kind, Scheme, Subresource

DISCOVERY_GROUP = "apidiscovery.k8s.io"
DISCOVERY_VERSIONS = ("v2", "v2beta1")

_KUBE_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STATUS_VERBS = ("get", "patch", "update")


def aggregated(scheme: Scheme, version: str, *, core: bool) -> Object:
    """An APIGroupDiscoveryList: of the core group for `/api`, of all others for `/apis`."""
    items = []
    for group, versions in _groups(scheme).items():
        if (group == "") != core:
            continue
        listed = [
            {
                "version": v,
                "freshness": "Current",
                "resources": [_aggregated_resource(kind) for kind in kinds],
            }
            for v, kinds in versions.items()
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{DISCOVERY_GROUP}/{version}",
        "metadata": {},
        "items": items,
    }


def api_versions(scheme: Scheme) -> Object:
    """The answer to `/api`."""
    return {
        "kind": "APIVersions",
        "versions": list(_groups(scheme).get("", {})),
        "serverAddressByClientCIDRs": [],
    }


def api_group_list(scheme: Scheme) -> Object:
    """The answer to `/apis`."""
    groups = [_group(g, versions) for g, versions in _groups(scheme).items() if g]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(scheme: Scheme, group: str) -> Object | None:
    """The answer to `/apis/G`, if there is such a group."""
    versions = _groups(scheme).get(group)
    if not versions:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)}


def api_resource_list(scheme: Scheme, group: str, version: str) -> Object | None:
    """The answer to `/api/v1` and `/apis/G/V`, if there is such a version."""
    kinds = _groups(scheme).get(group, {}).get(version)
    if not kinds:
        return None
    resources = []
    for kind in kinds:
        resources.append(
            {
                "name": kind.plural,
                "singularName": kind.singular_name,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": list(kind.verbs),
                **_names(kind),
            }
        )
        resources += [_legacy_subresource(kind, sub) for sub in _subresources(kind)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": resources,
    }


def _groups(scheme: Scheme) -> dict[str, dict[str, list[Kind]]]:
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in scheme:
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    return {
        group: {version: versions[version] for version in sorted(versions, key=version_order)}
        for group, versions in groups.items()
    }


def version_order(version: str) -> tuple[int, int, int, str]:
    """Sorts versions, the preferred one first: v2, v1, v1beta2, v1beta1, v1alpha1, then others.

    Source: CompareKubeAwareVersionStrings in k8s.io/apimachinery/pkg/version/helpers.go.
    """
    found = _KUBE_VERSION.fullmatch(version)
    if found is None:
        return (3, 0, 0, version)
    major, stage, minor = found.groups()
    rank = {None: 0, "beta": 1, "alpha": 2}[stage]
    return (rank, -int(major), -int(minor or 0), "")


def _group(group: str, versions: Iterable[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _names(kind: Kind) -> dict[str, Any]:
    names: dict[str, Any] = {}
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return names


def _subresources(kind: Kind) -> Iterable[Subresource]:
    if kind.has_status:
        yield Subresource("status", _STATUS_VERBS)
    yield from kind.subresources


def _response_kind(kind: Kind, sub: Subresource | None = None) -> dict[str, str]:
    if sub is not None and sub.kind:
        return {"group": sub.group, "version": sub.version, "kind": sub.kind}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _aggregated_resource(kind: Kind) -> dict[str, Any]:
    resource = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular_name,
        "verbs": list(kind.verbs),
        **_names(kind),
    }
    subresources = [
        {
            "subresource": sub.name,
            "responseKind": _response_kind(kind, sub),
            "verbs": list(sub.verbs),
        }
        for sub in _subresources(kind)
    ]
    return {**resource, "subresources": subresources} if subresources else resource


def _legacy_subresource(kind: Kind, sub: Subresource) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": sub.kind or kind.kind,
        "verbs": list(sub.verbs),
    }
    if sub.kind:
        found.update(group=sub.group, version=sub.version)
    return found
