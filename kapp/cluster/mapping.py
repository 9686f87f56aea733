"""Which REST resource serves a kind: discovery, cached, read again when a kind is not found.

Aggregated discovery (two requests) where the server has it, else one request for each group
version. Source: k8s.io/client-go/discovery/aggregated_discovery.go, KEP-3352.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kapp.errors import ClusterError
from kapp.machinery.objects import GroupVersionKind, Resource
from kapp.machinery.status import ApiError
from kapp.runtime.remote import RemoteClient

_AGGREGATED = (
    ",".join(
        f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        for version in ("v2", "v2beta1")
    )
    + ",application/json"
)
# A kind that does not exist is asked for again and again by retries: not more often than this.
REFRESH_INTERVAL_S = 2.0
# Legacy discovery asks once for each group version; so many at a time.
_CONCURRENCY = 16


class NoSuchKind(ClusterError):
    """The cluster does not serve a kind."""


class RestMapping:
    """Kinds of one cluster; nothing is asked before the first lookup."""

    def __init__(self, client: RemoteClient) -> None:
        self._client = client
        self._by_gvk: dict[GroupVersionKind, Resource] = {}
        self._broken_groups: set[str] = set()
        self._lock = asyncio.Lock()
        self._read_at: float | None = None

    def find(self, gvk: GroupVersionKind) -> Resource | None:
        """What is known without asking."""
        return self._by_gvk.get(gvk)

    async def resource_for(self, gvk: GroupVersionKind) -> Resource:
        """The resource of a kind. Raises NoSuchKind, ApiError, Unreachable."""
        if (found := self.find(gvk)) is None:
            await self._refresh_on_miss()
            found = self.find(gvk)
        if found is None:
            raise self._no_such_kind(gvk)
        return found

    async def resource_of_kind(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in the version the server prefers, or None if it has none.

        Raises ClusterError where the group's own server is down: then nobody can tell.
        """
        if (found := self._preferred(group, kind)) is None:
            await self._refresh_on_miss()
            found = self._preferred(group, kind)
        if found is None and group in self._broken_groups:
            raise ClusterError(f"the API group {group} is registered, but does not answer")
        return found

    def invalidate(self) -> None:
        """Forget everything: the server answered that a known path does not exist."""
        self._by_gvk = {}
        self._read_at = None

    async def refresh(self) -> None:
        """Read discovery again. Raises ApiError, Unreachable; what was known then stays."""
        async with self._lock:
            await self._read()

    async def _refresh_on_miss(self) -> None:
        started = asyncio.get_running_loop().time()
        async with self._lock:
            if self._read_at is None or started - self._read_at > REFRESH_INTERVAL_S:
                await self._read()

    async def _read(self) -> None:
        core, groups = await asyncio.gather(
            self._client.get_json("/api", accept=_AGGREGATED),
            self._client.get_json("/apis", accept=_AGGREGATED),
        )
        found: dict[GroupVersionKind, Resource] = {}
        broken = self._broken_groups = set()
        for document, legacy in ((core, self._legacy_core), (groups, self._legacy_groups)):
            if document.get("kind") == "APIGroupDiscoveryList":
                resources: Iterable[Resource] = _aggregated(document, broken)
            else:
                resources = await legacy(document)
            for resource in resources:
                found.setdefault(resource.gvk, resource)
        self._by_gvk = found
        self._read_at = asyncio.get_running_loop().time()

    async def _legacy_core(self, document: Mapping[str, Any]) -> list[Resource]:
        return await self._legacy([("", str(version)) for version in document["versions"]])

    async def _legacy_groups(self, document: Mapping[str, Any]) -> list[Resource]:
        pairs = []
        for group in document.get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("version")
            versions = [str(v["version"]) for v in group.get("versions") or ()]
            versions.sort(key=lambda version: version != preferred)
            pairs += [(str(group["name"]), version) for version in versions]
        return await self._legacy(pairs)

    async def _legacy(self, group_versions: list[tuple[str, str]]) -> list[Resource]:
        limit = asyncio.Semaphore(_CONCURRENCY)

        async def one(group: str, version: str) -> list[Resource]:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            async with limit:
                try:
                    document = await self._client.get_json(path)
                except ApiError:
                    # An aggregated API whose own server is down hides only itself.
                    self._broken_groups.add(group)
                    return []
            return [
                Resource(group, version, str(r["name"]), str(r["kind"]), bool(r.get("namespaced")))
                for r in document.get("resources") or ()
                if "/" not in str(r["name"])
            ]

        lists = await asyncio.gather(*(one(*pair) for pair in group_versions))
        return [resource for resources in lists for resource in resources]

    def _preferred(self, group: str, kind: str) -> Resource | None:
        return next(
            (r for gvk, r in self._by_gvk.items() if (gvk.group, gvk.kind) == (group, kind)), None
        )

    def _no_such_kind(self, gvk: GroupVersionKind) -> NoSuchKind:
        served = [other.api_version for other in self._by_gvk if other.kind == gvk.kind]
        if served:
            hint = f"the cluster serves {gvk.kind} as {', '.join(served)}"
        elif "." in gvk.group:
            hint = "is its CustomResourceDefinition installed?"
        else:
            hint = "check apiVersion and kind; kubectl api-resources lists what there is"
        return NoSuchKind(f"the cluster has no kind {gvk.kind} in {gvk.api_version}", hint=hint)


def _aggregated(document: Mapping[str, Any], broken: set[str]) -> Iterator[Resource]:
    """Resources in the order of the document, which puts preferred versions first.

    Groups that the server could not ask are added to `broken`.
    """
    for group in document.get("items") or ():
        name = str((group.get("metadata") or {}).get("name") or "")
        for version in group.get("versions") or ():
            if version.get("freshness") == "Stale":
                broken.add(name)
            for resource in version.get("resources") or ():
                kind = resource.get("responseKind") or {}
                yield Resource(
                    name,
                    str(version["version"]),
                    str(resource["resource"]),
                    str(kind.get("kind") or ""),
                    resource.get("scope") == "Namespaced",
                )
