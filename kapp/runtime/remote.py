"""The client protocol over HTTP: raw bytes in and out, JSON by msgspec.

Every failure is an `ApiError` or `Unreachable`, as `kapp.runtime.transport` promises. Objects read
from a list get the apiVersion and kind that servers leave out there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec

from kapp.errors import Unreachable
from kapp.machinery.objects import Json, Object, Resource, key_of
from kapp.machinery.status import ApiError
from kapp.runtime.client import ObjectList, PatchType, WatchEvent
from kapp.runtime.transport import HttpTransport

# client-go's default page size: few round trips, and no answer that blocks a server for long.
PAGE_SIZE = 500
# How long beyond its own timeout a server may be silent before the watch is given up.
_WATCH_SLACK_S = 15.0
_JSON = {"Content-Type": "application/json"}


class RemoteClient:
    """`kapp.runtime.client.Client` over HTTP(S), by a transport that it closes."""

    def __init__(self, transport: HttpTransport) -> None:
        self.transport = transport

    async def close(self) -> None:
        """Close every connection."""
        await self.transport.close()

    async def __aenter__(self) -> RemoteClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def get_json(self, path: str, *, accept: str = "") -> Json:
        """GET any path and decode it. Raises ApiError, Unreachable."""
        headers = {"Accept": accept} if accept else None
        return self._decode(await self.transport.request("GET", path, headers=headers))

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """See `Client.get`."""
        return await self._json("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """See `Client.list`. A page that expired while being read starts over, unpaged."""
        selectors = _given(labelSelector=label_selector, fieldSelector=field_selector)
        params = {**selectors, "limit": str(PAGE_SIZE)}
        path = resource.path(namespace)
        items: list[Object] = []
        while True:
            try:
                page = await self._json("GET", path, params)
            except ApiError as e:
                if e.code == 410 and "continue" in params:
                    items, params = [], dict(selectors)
                    continue
                raise
            items += page.get("items") or ()
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                break
            params["continue"] = meta["continue"]
        api_version, kind = resource.gvk.api_version, resource.kind
        for item in items:
            item.setdefault("apiVersion", api_version)
            item.setdefault("kind", kind)
        return ObjectList(items, str(meta.get("resourceVersion") or ""))

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
        """See `Client.watch`. An ERROR event is raised as ApiError."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_s),
            **_given(
                resourceVersion=resource_version,
                labelSelector=label_selector,
                fieldSelector=field_selector,
            ),
        }
        parts: list[bytes] = []
        async with self.transport.stream(
            "GET",
            resource.path(namespace),
            params=params,
            silence_s=timeout_s + _WATCH_SLACK_S,
        ) as response:
            async for chunk in response.content.iter_any():
                whole, newline, rest = chunk.rpartition(b"\n")
                if not newline:
                    parts.append(chunk)
                    continue
                lines = b"".join((*parts, whole)).split(b"\n")
                parts = [rest] if rest else []
                for line in lines:
                    if line:
                        yield self._event(line)
        if b"".join(parts).strip():
            raise Unreachable(
                f"the watch of {self.transport.base_url} broke in the middle of a line"
            )

    async def create(self, resource: Resource, obj: Object, *, field_manager: str = "") -> Object:
        """See `Client.create`."""
        path = resource.path(key_of(obj).namespace)
        return await self._json("POST", path, _given(fieldManager=field_manager), obj)

    async def update(
        self,
        resource: Resource,
        obj: Object,
        *,
        subresource: str = "",
        field_manager: str = "",
    ) -> Object:
        """See `Client.update`."""
        namespace, name = key_of(obj)
        path = resource.path(namespace, name, subresource)
        return await self._json("PUT", path, _given(fieldManager=field_manager), obj)

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
        params = _given(
            fieldManager=field_manager,
            force="true" if force else "",
            dryRun="All" if dry_run else "",
            fieldValidation=field_validation,
        )
        body = await self.transport.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            params=params,
            body=msgspec.json.encode(patch),
            headers={"Content-Type": patch_type.value},
            # Applying or merging the same thing twice is the same as once; JSON patches are not.
            repeatable=patch_type in (PatchType.APPLY, PatchType.MERGE),
        )
        return self._object(body)

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
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if propagation:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        path = resource.path(namespace, name)
        await self.transport.request(
            "DELETE", path, body=msgspec.json.encode(options), headers=_JSON
        )

    async def _json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        obj: Object | None = None,
    ) -> Object:
        body = None if obj is None else msgspec.json.encode(obj)
        headers = None if obj is None else _JSON
        return self._object(
            await self.transport.request(method, path, params=params, body=body, headers=headers)
        )

    def _event(self, line: bytes) -> WatchEvent:
        event = self._object(line)
        if event.get("type") == "ERROR":
            raise ApiError.from_status(event.get("object") or {}, 500)
        return WatchEvent(event["type"], event["object"])

    def _object(self, body: bytes) -> Object:
        value = self._decode(body)
        if not isinstance(value, dict):
            raise self._not_an_api_server()
        return value

    def _decode(self, body: bytes) -> Json:
        try:
            return msgspec.json.decode(body)
        except msgspec.DecodeError as e:
            raise self._not_an_api_server() from e

    def _not_an_api_server(self) -> Unreachable:
        return Unreachable(
            f"what answers at {self.transport.base_url} does not speak the Kubernetes API",
            hint="is a proxy or another server in between?",
        )


def _given(**params: str) -> dict[str, str]:
    """The parameters that are not empty."""
    return {name: value for name, value in params.items() if value}
