"""Namespaces: what a new one gets, and how one ends.

An active namespace gets the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`. One that
is being deleted is emptied, kind by kind, and only then let go by removing its finalizer.

Source: pkg/controller/namespace/deletion/namespaced_resources_deleter.go,
pkg/controller/serviceaccount/serviceaccounts_controller.go and
pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from kapp.machinery.objects import (
    Object,
    ObjectKey,
    Resource,
    is_deleting,
    key_of,
    metadata_of,
    name_of,
    set_condition,
    uid_of,
)
from kapp.machinery.status import ApiError
from kapp.minicluster.defaults.core import FINALIZER
from kapp.minicluster.resources import CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS
from kapp.runtime.client import Client

_ROOT_CA = "kube-root-ca.crt"

_AGAIN_S = 0.2
"""Pods take a while to end; the namespace looks again until they have."""


class NamespaceReconciler:
    """Looks after one namespace.

    Args:
        client: the cluster.
        read: the namespace by key, or None.
        resources: the namespaced resources that are served now.
        root_ca: the cluster's CA certificate, PEM; "" if pods have no use for it.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        read: Callable[[ObjectKey], Object | None],
        resources: Callable[[], Iterable[Resource]],
        root_ca: str,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._read = read
        self._resources = resources
        self._root_ca = root_ca
        self._now = now

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Furnish the namespace, or empty it; comes back until it is empty."""
        namespace = self._read(key)
        if namespace is None:
            return None
        if not is_deleting(namespace):
            await self._furnish(key.name)
            return None
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            namespace = await self._write_status(namespace, {})
        if remaining := await self._empty(key.name):
            await self._tell(namespace, remaining)
            return _AGAIN_S
        await self._let_go(namespace)
        return None

    async def _furnish(self, namespace: str) -> None:
        meta = {"name": "default", "namespace": namespace}
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
        await self._create_missing(SERVICE_ACCOUNTS, account)
        if self._root_ca:
            trust = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": _ROOT_CA, "namespace": namespace},
                "data": {"ca.crt": self._root_ca},
            }
            await self._create_missing(CONFIG_MAPS, trust)

    async def _create_missing(self, resource: Resource, obj: Object) -> None:
        key = key_of(obj)
        try:
            await self._client.get(resource, key.name, key.namespace)
        except ApiError as e:
            if e.code != 404:
                raise
        else:
            return
        try:
            await self._client.create(resource, obj)
        except ApiError as e:
            # Made by somebody else meanwhile, or the namespace began to end.
            if e.code not in (403, 404, 409):
                raise

    async def _empty(self, namespace: str) -> dict[str, int]:
        """Delete what is there; returns how many objects of each resource remain."""
        remaining: dict[str, int] = {}
        for resource in self._resources():
            found = await self._client.list(resource, namespace)
            for obj in found.items:
                if is_deleting(obj):
                    continue
                try:
                    await self._client.delete(
                        resource, name_of(obj), namespace, propagation="Background"
                    )
                except ApiError as e:
                    if e.code != 404:
                        raise
            if found.items:
                left = await self._client.list(resource, namespace)
                if left.items:
                    remaining[resource.group_resource] = len(left.items)
        return remaining

    async def _tell(self, namespace: Object, remaining: dict[str, int]) -> None:
        """The condition that `kubectl describe namespace` shows of one that takes long."""
        parts = ", ".join(f"{name} has {n} resource instances" for name, n in remaining.items())
        status: dict[str, Any] = {**(namespace.get("status") or {})}
        conditions = [dict(c) for c in status.get("conditions") or ()]
        set_condition(
            conditions,
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            f"Some resources are remaining: {parts}",
            self._now(),
        )
        if conditions != status.get("conditions"):
            await self._write_status(namespace, {"conditions": conditions})

    async def _write_status(self, namespace: Object, more: dict[str, Any]) -> Object:
        status = {**(namespace.get("status") or {}), **more, "phase": "Terminating"}
        try:
            return await self._client.update(
                NAMESPACES, {**namespace, "status": status}, subresource="status"
            )
        except ApiError as e:
            if e.code in (404, 409):
                return namespace
            raise

    async def _let_go(self, namespace: Object) -> None:
        """Remove the finalizer from the namespace as it is now; the registry does the rest."""
        try:
            fresh = await self._client.get(NAMESPACES, name_of(namespace))
            if uid_of(fresh) != uid_of(namespace) or not is_deleting(fresh):
                return
            finalizers = metadata_of(fresh).get("finalizers") or []
            metadata_of(fresh)["finalizers"] = [f for f in finalizers if f != FINALIZER]
            fresh["spec"] = {
                "finalizers": [
                    f for f in (fresh.get("spec") or {}).get("finalizers") or () if f != FINALIZER
                ]
            }
            await self._client.update(NAMESPACES, fresh)
        except ApiError as e:
            if e.code not in (404, 409):
                raise
