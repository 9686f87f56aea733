"""Writes that several controllers make alike: a status, a deletion, and the end of a pod."""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object, Resource, key_of, uid_of
from kapp.machinery.status import ApiError
from kapp.minicluster.controllers.mirror import Mirror
from kapp.minicluster.resources import PODS
from kapp.runtime.client import Client


async def write_status(
    client: Client, resource: Resource, mirror: Mirror, obj: Object, status: dict[str, Any]
) -> None:
    """Write a status that differs; one whose object changed or went meanwhile is dropped.

    The object's event wakes its controller again. Raises ApiError for anything else.
    """
    if status == (obj.get("status") or {}):
        return
    wanted = {**obj, "status": status}
    try:
        mirror.wrote(await client.update(resource, wanted, subresource="status"))
    except ApiError as e:
        if e.code not in (404, 409):
            raise


async def delete(client: Client, resource: Resource, obj: Object) -> None:
    """Delete this very object, if it is still there. Raises ApiError for anything but a 404."""
    key = key_of(obj)
    try:
        await client.delete(resource, key.name, key.namespace, uid=uid_of(obj))
    except ApiError as e:
        if e.code != 404:
            raise


async def delete_pod(client: Client, mirror: Mirror, pod: Object) -> Object | None:
    """Delete a pod; returns it as it is then, None if it has gone. Raises ApiError.

    One that has a node stays for its grace period, and one with finalizers for as long as they do.
    """
    key = key_of(pod)
    try:
        await client.delete(PODS, key.name, key.namespace, uid=uid_of(pod))
        return mirror.wrote(await client.get(PODS, key.name, key.namespace))
    except ApiError as e:
        if e.code not in (404, 409):
            raise
    mirror.removed(pod)
    return None
