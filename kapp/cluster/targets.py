"""Objects by their place in a cluster: looked up, and deleted by UID."""

from __future__ import annotations

from typing import NamedTuple

from kapp.machinery.objects import Object, Resource, key_of, uid_of
from kapp.machinery.options import Propagation
from kapp.machinery.status import ApiError
from kapp.runtime.client import Client


class Target(NamedTuple):
    """An object and where it goes: its resource, and itself with its namespace filled in."""

    resource: Resource
    obj: Object

    @property
    def is_namespace(self) -> bool:
        """Whether it is a Namespace, in which others may keep things."""
        return (self.resource.group, self.resource.kind) == ("", "Namespace")


async def find(client: Client, target: Target) -> Object | None:
    """The object as it is in the cluster; None if it, or its kind, is not there (yet).

    Raises ApiError (but no 404), Unreachable.
    """
    namespace, name = key_of(target.obj)
    try:
        return await client.get(target.resource, name, namespace)
    except ApiError as e:
        if e.code == 404:
            return None
        raise


async def delete(client: Client, target: Target, live: Object, propagation: Propagation) -> None:
    """Ask that `live`, the object at a target, goes. Raises ApiError, Unreachable.

    Nothing is wrong if it has gone already, or if another object has its name by now.
    """
    namespace, name = key_of(target.obj)
    try:
        await client.delete(
            target.resource, name, namespace, propagation=propagation, uid=uid_of(live)
        )
    except ApiError as e:
        if e.code not in (404, 409):
            raise
