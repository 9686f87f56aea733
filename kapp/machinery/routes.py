"""What a URL path means: which resource, which object, which subresource. Pure.

Source: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from kapp.machinery.objects import ObjectKey
from kapp.machinery.scheme import Kind, Scheme
from kapp.machinery.status import unknown_path

# The only subresources of namespaces: `/namespaces/x/pods` means the pods in x.
_NAMESPACE_SUBRESOURCES = ("status", "finalize")


class Target(NamedTuple):
    """A collection (no name), an object, or a subresource of it."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    rest: str = ""

    @property
    def key(self) -> ObjectKey:
        """The object's key."""
        return ObjectKey(self.namespace, self.name)


def split_path(raw_path: str) -> list[str]:
    """The decoded segments of a path; a `%2F` stays within its segment."""
    return [unquote(part) for part in raw_path.strip("/").split("/")]


def find_target(scheme: Scheme, parts: list[str]) -> Target:
    """What `/api/V/…` or `/apis/G/V/…` names. Raises ApiError (404)."""
    if parts[0] == "api" and len(parts) > 2:
        group, version, tail = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, tail = parts[1], parts[2], parts[3:]
    else:
        raise unknown_path()
    namespace = ""
    if tail[0] == "namespaces" and len(tail) > 2 and tail[2] not in _NAMESPACE_SUBRESOURCES:
        namespace, tail = tail[1], tail[2:]
    kind = scheme.by_path(group, version, tail[0])
    if kind is None or "" in tail or (namespace and not kind.namespaced):
        raise unknown_path()
    name, subresource, *rest = (*tail[1:], "", "")[: max(2, len(tail) - 1)]
    if kind.namespaced and not namespace and name:
        raise unknown_path()
    return Target(kind, namespace, name, subresource, "/".join(rest))
