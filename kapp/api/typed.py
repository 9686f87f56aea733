"""Reads and writes kapp's objects as structs, through any client of kapp's API.

Every status has one writer, its kind's reconciler, so a status write overwrites; a spec has one
owner, so `ensure` does too, apart from annotations, where users leave their wishes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from kapp.api.define import decode
from kapp.api.v1alpha1.meta import (
    API_VERSION,
    GROUP,
    VERSION,
    ObjectMeta,
    OwnerReference,
    TypedObject,
)
from kapp.errors import KappError
from kapp.machinery.objects import Object, Resource
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client

T = TypeVar("T", bound=TypedObject)

_NOT_FOUND = 404
_CONFLICT = 409
# Each conflict means that somebody else's write succeeded; this many in a row are a fault.
_WRITE_ATTEMPTS = 10


def resource_of(cls: type[TypedObject]) -> Resource:
    """The REST resource of a kind."""
    return Resource(GROUP, VERSION, cls.PLURAL, cls.KIND, False)


def encode(obj: TypedObject) -> Object:
    """The object as JSON data, with its apiVersion and kind."""
    return {"apiVersion": API_VERSION, "kind": obj.KIND, **msgspec.to_builtins(obj)}


def owned_by(owner: TypedObject) -> list[OwnerReference]:
    """`metadata.ownerReferences` of an object that `owner` manages and is deleted with."""
    return [
        OwnerReference(
            api_version=API_VERSION,
            kind=owner.KIND,
            name=owner.metadata.name,
            uid=owner.metadata.uid,
            controller=True,
            block_owner_deletion=True,
        )
    ]


def owner_name(obj: Object, owner: type[TypedObject]) -> str:
    """The name of the `owner` that manages `obj`, or ""."""
    for reference in (obj.get("metadata") or {}).get("ownerReferences") or ():
        if reference.get("controller") and reference.get("kind") == owner.KIND:
            return str(reference["name"])
    return ""


class TypedClient:
    """A client that speaks structs."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def get(self, cls: type[T], name: str) -> T | None:
        """The object, or None if there is none."""
        try:
            return decode(await self.client.get(resource_of(cls), name), cls)
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    async def list(self, cls: type[T]) -> list[T]:
        """All objects of the kind."""
        listed = await self.client.list(resource_of(cls))
        return [decode(obj, cls) for obj in listed.items]

    async def ensure(self, wanted: T, current: T | None = None) -> T:
        """Create it, or give it the wanted spec, labels and owners; its status stays.

        `current` saves a read where the caller just read it. Raises KappError if it exists and
        belongs to another owner.
        """
        name = wanted.metadata.name
        for _ in range(_WRITE_ATTEMPTS):
            current = current or await self.get(type(wanted), name)
            try:
                if current is None:
                    return await self._create(wanted)
                _check_owner(wanted, current)
                if _content(current, current.metadata.annotations) == _content(
                    wanted, current.metadata.annotations
                ):
                    return current
                return await self._replace(wanted, current)
            except ApiError as error:
                if error.code not in (_CONFLICT, _NOT_FOUND):
                    raise
                current = None
        raise KappError(f"{wanted.KIND}/{name} changes faster than it can be written")

    async def write_status(self, obj: T, before: Object | None = None) -> None:
        """Write `obj.status` if it differs from `before` (its encoded form, as it was read)."""
        encoded = encode(obj)
        if before is not None and before.get("status", {}) == encoded.get("status", {}):
            return
        resource = resource_of(type(obj))
        for _ in range(_WRITE_ATTEMPTS):
            try:
                await self.client.update(resource, encoded, subresource="status")
            except ApiError as error:
                if error.code == _NOT_FOUND:
                    return
                if error.code != _CONFLICT:
                    raise
            else:
                return
            current = await self.get(type(obj), obj.metadata.name)
            if current is None or current.metadata.uid != obj.metadata.uid:
                return
            encoded["metadata"]["resourceVersion"] = current.metadata.resource_version

    async def delete(self, cls: type[TypedObject], name: str) -> None:
        """Delete it and what it owns; fine if there is none."""
        try:
            await self.client.delete(resource_of(cls), name, propagation="Background")
        except ApiError as error:
            if error.code != _NOT_FOUND:
                raise

    async def _create(self, wanted: T) -> T:
        created = await self.client.create(resource_of(type(wanted)), _without_status(wanted))
        return decode(created, type(wanted))

    async def _replace(self, wanted: T, current: T) -> T:
        meta, have = wanted.metadata, current.metadata
        obj = _without_status(wanted)
        obj["metadata"] = msgspec.to_builtins(
            ObjectMeta(
                name=have.name,
                uid=have.uid,
                resource_version=have.resource_version,
                labels=meta.labels,
                annotations={**have.annotations, **meta.annotations},
                owner_references=meta.owner_references,
                finalizers=have.finalizers,
            )
        )
        return decode(await self.client.update(resource_of(type(wanted)), obj), type(wanted))


def _without_status(obj: TypedObject) -> Object:
    return {key: value for key, value in encode(obj).items() if key != "status"}


def _content(obj: TypedObject, annotations: dict[str, str]) -> list[Any]:
    """What `ensure` compares: everything that the object's owner decides."""
    fields = [f for f in obj.__struct_fields__ if f not in ("metadata", "status")]
    meta = obj.metadata
    return [
        meta.labels,
        {**annotations, **meta.annotations},
        meta.owner_references,
        *(getattr(obj, name) for name in fields),
    ]


def _check_owner(wanted: TypedObject, current: TypedObject) -> None:
    names = [
        next((f"{r.kind}/{r.name}" for r in obj.metadata.owner_references if r.controller), "")
        for obj in (wanted, current)
    ]
    if names[0] != names[1]:
        holder = f"belongs to {names[1]}" if names[1] else "was made by hand"
        raise KappError(
            f"{wanted.KIND}/{wanted.metadata.name} {holder}",
            hint=f"delete or rename it, so that {names[0] or 'kapp'} can make its own",
        )
