"""One client protocol, with two implementations: over the store and over HTTP.

Objects go in and come out as plain dicts that belong to the caller. Every method raises
`kapp.machinery.status.ApiError` for what an API server answers, and `kapp.errors.Unreachable`
where none answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from kapp.machinery.objects import Json, Object, Resource

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(NamedTuple):
    """One change. A BOOKMARK's object has a resourceVersion and little else."""

    type: EventType
    object: Object


class ObjectList(NamedTuple):
    """A consistent list, and the version from which a watch continues it."""

    items: list[Object]
    resource_version: str
    continue_token: str = ""


class PatchType(StrEnum):
    """How a patch is written; the value is its media type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Client(Protocol):
    """Reads, writes and watches objects of one API server.

    `namespace` is "" for cluster-scoped resources and for "all namespaces" in `list` and `watch`.
    """

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """The object. Raises ApiError (404 NotFound)."""
        ...

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """All matching objects (pages are joined), with the version they were read at."""
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after `resource_version`, bookmarks included, until the server's timeout.

        Ends normally when the server ends it. Raises ApiError with code 410 when the version is
        too old, or the watcher fell behind: list again.
        """
        ...

    async def create(self, resource: Resource, obj: Object, *, field_manager: str = "") -> Object:
        """Create. Raises ApiError (409 AlreadyExists, 422 Invalid)."""
        ...

    async def update(
        self,
        resource: Resource,
        obj: Object,
        *,
        subresource: str = "",
        field_manager: str = "",
    ) -> Object:
        """Replace. Raises ApiError (409 Conflict) if `obj`'s resourceVersion is not the newest."""
        ...

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Json,
        patch_type: PatchType,
        namespace: str = "",
        *,
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_validation: str = "",
    ) -> Object:
        """Patch, or server-side apply with `PatchType.APPLY` (which creates what is missing)."""
        ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation: str = "",
        uid: str = "",
        grace_period_s: int | None = None,
    ) -> None:
        """Ask for deletion; returns when accepted, not when gone. Raises ApiError (404, 409).

        `propagation` is Background, Foreground or Orphan; `uid` is a precondition.
        """
        ...
