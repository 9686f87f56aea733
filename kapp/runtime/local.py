"""A client in the server's own process: the registry's rules without HTTP.

Same semantics and same errors as over HTTP; objects are copied on their way in and out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from kapp.machinery.objects import Json, Object, ObjectKey, Resource, key_of
from kapp.machinery.options import DeleteOptions, FieldValidation, Propagation, WriteOptions
from kapp.machinery.patching import patch_kind
from kapp.machinery.registry import Registry
from kapp.machinery.status import bad_request
from kapp.runtime.client import ObjectList, PatchType, WatchEvent

DEFAULT_MANAGER = "kapp"


class LocalClient:
    """`Client` over a registry.

    Args:
        registry: the server's.
        manager: who writes, for managedFields, where a call does not say.
    """

    def __init__(self, registry: Registry, *, manager: str = DEFAULT_MANAGER) -> None:
        self._registry = registry
        self._manager = manager

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See `Client.get`."""
        kind = self._registry.kind_of(resource)
        return self._registry.get(kind, ObjectKey(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """See `Client.list`."""
        page = self._registry.list(
            self._registry.kind_of(resource),
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        return ObjectList(page.objects(), page.resource_version)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        """See `Client.watch`; it ends with a bookmark."""
        kind = self._registry.kind_of(resource)
        selection = self._registry.watch(
            kind,
            namespace,
            resource_version=resource_version,
            label_selector=label_selector,
            field_selector=field_selector,
        )
        woken = asyncio.Event()
        selection.on_wake(woken.set)
        deadline = asyncio.get_running_loop().time() + timeout_s
        try:
            while not selection.closed:
                # Cleared before taking: a change that comes after is then never slept through.
                woken.clear()
                while events := selection.take():
                    for event in events:
                        yield WatchEvent(event.type, event.object())
                version = self._registry.store.resource_version
                try:
                    async with asyncio.timeout_at(deadline):
                        await woken.wait()
                except TimeoutError:
                    meta = {"resourceVersion": str(version)}
                    obj = {"apiVersion": kind.gvk.api_version, "kind": kind.kind, "metadata": meta}
                    yield WatchEvent("BOOKMARK", obj)
                    return
            if selection.error is not None:
                raise selection.error
        finally:
            selection.close()

    async def create(self, resource: Resource, obj: Object, *, field_manager: str = "") -> Object:
        """See `Client.create`."""
        kind = self._registry.kind_of(resource)
        return self._registry.create(
            kind, key_of(obj).namespace, _copy(obj), self._options(field_manager)
        )

    async def update(
        self,
        resource: Resource,
        obj: Object,
        *,
        subresource: str = "",
        field_manager: str = "",
    ) -> Object:
        """See `Client.update`."""
        kind = self._registry.kind_of(resource)
        options = self._options(field_manager, subresource=subresource)
        return self._registry.update(kind, key_of(obj), _copy(obj), options)

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
        """See `Client.patch`."""
        kind = self._registry.kind_of(resource)
        options = self._options(
            field_manager,
            subresource=subresource,
            force=force,
            dry_run=dry_run,
            field_validation=_field_validation(field_validation),
        )
        patched, _ = self._registry.patch(
            kind, ObjectKey(namespace, name), _copy(patch), patch_kind(kind, patch_type), options
        )
        return patched

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
        """See `Client.delete`."""
        options = DeleteOptions(
            propagation=_propagation(propagation), uid=uid, grace_period_s=grace_period_s
        )
        self._registry.delete(self._registry.kind_of(resource), ObjectKey(namespace, name), options)

    def _options(
        self,
        manager: str,
        *,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_validation: FieldValidation = "Ignore",
    ) -> WriteOptions:
        return WriteOptions(
            manager=manager or self._manager,
            subresource=subresource,
            force=force,
            dry_run=dry_run,
            field_validation=field_validation,
        )


def _copy(value: Json) -> Json:
    return msgspec.json.decode(msgspec.json.encode(value))


def _field_validation(text: str) -> FieldValidation:
    match text or "Ignore":
        case "Strict" | "Warn" | "Ignore" as known:
            return known
    raise bad_request(f'unknown fieldValidation "{text}"')


def _propagation(text: str) -> Propagation:
    match text or "Background":
        case "Background" | "Foreground" | "Orphan" as known:
            return known
    raise bad_request(f'invalid propagationPolicy "{text}"')
