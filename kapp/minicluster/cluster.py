"""The embedded cluster, put together: kinds, store, server, controllers and one node.

The only place where its parts are wired. Run by `kapp.minicluster.__main__`, in a process of its
own; tests may run it in theirs. `start()` returns when `/readyz` says ok.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from kapp.machinery.objects import ObjectKey, Resource
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.minicluster import credentials, protobuf
from kapp.minicluster.admission import DEFAULT_CLASS, DEFAULT_NAMESPACES, Admission
from kapp.minicluster.controllers.volumes.claims import PROVISIONER
from kapp.minicluster.controllers.wiring import add_controllers
from kapp.minicluster.customresources.serving import CustomKinds
from kapp.minicluster.kinds import new_scheme
from kapp.minicluster.node.kubelet import Node
from kapp.minicluster.node.streams import handlers
from kapp.minicluster.openapi import KUBERNETES_MINOR
from kapp.minicluster.persist import Persistence
from kapp.minicluster.process import CONTEXT_NAME
from kapp.minicluster.resources import CLASSES, NAMESPACES
from kapp.minicluster.statedir import StateDirectory
from kapp.runtime.local import LocalClient
from kapp.runtime.manager import Manager
from kapp.server.http import Server, serve
from kapp.server.listeners import TlsListener
from kapp.server.tls import write_kubeconfig, write_private

_log = logging.getLogger(__name__)

HOST = "127.0.0.1"


STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {DEFAULT_CLASS: "true"}},
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}
"""Its volumes are directories of this machine."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cluster:
    """One cluster in one directory, whose lock the caller holds.

    Args:
        directory: where it keeps its state.
        now: wall time.

    Attributes:
        server_url: where it is served, once started.
    """

    def __init__(
        self,
        directory: StateDirectory,
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.server_url = ""
        self._directory = directory
        self._now = now
        self._ready = False
        self._store = Store()
        self._registry = Registry(
            new_scheme(), self._store, now=now, admit=[Admission(self._store)]
        )
        self._custom_kinds = CustomKinds(self._registry)
        self._registry.admit.append(self._custom_kinds)
        self._persistence = Persistence(directory.database)
        self._manager = Manager("controllers")
        self._node = Node(
            LocalClient(self._registry, manager="kubelet"),
            directory.node,
            now=now,
            # credentials and objects are none of a pod's business
            hidden=[directory.path],
        )
        self._server: Server | None = None

    async def start(self) -> None:
        """Restore, run and serve. Raises KappError for what the user can mend."""
        self._directory.make()
        self._persistence.open()
        restored = self._persistence.restore(self._store)
        self._persistence.start(self._store)
        self._custom_kinds.restore()
        _log.info("state restored", extra={"objects": restored})
        await self._make_namespaces()
        await self._make_storage_class()
        token, _ = await asyncio.gather(
            asyncio.to_thread(credentials.ensure, self._directory, self._now),
            self._node.start(),
        )
        self._control()
        await self._serve(token)
        self._describe()
        self._ready = True

    async def close(self) -> None:
        """Stop everything that was started, pods included, and write the state. Safe twice."""
        self._ready = False
        if self._server is not None:
            await self._server.close()
            self._server = None
        await self._manager.close()
        await self._node.close()
        await self._persistence.close()

    async def _make_namespaces(self) -> None:
        client = LocalClient(self._registry, manager="kube-apiserver")
        for name in DEFAULT_NAMESPACES:
            if self._store.get(NAMESPACES.group_resource, ObjectKey("", name)) is None:
                meta = {"name": name}
                await client.create(
                    NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
                )

    async def _make_storage_class(self) -> None:
        """The class of claims that name none; made once, so that it may be deleted."""
        made = self._directory.path / "storage-class"
        if made.exists():
            return
        client = LocalClient(self._registry, manager="kube-apiserver")
        with contextlib.suppress(ApiError):
            await client.create(CLASSES, deepcopy(STORAGE_CLASS))
        made.touch(mode=0o600)

    def _control(self) -> None:
        add_controllers(
            self._manager,
            LocalClient(self._registry, manager="kube-controller-manager"),
            namespaced=self._namespaced,
            custom_kinds=self._custom_kinds,
            may_surge=lambda: self._node.mode == "namespaces",
            root_ca=self._directory.certificate.read_text(),
            volumes_root=self._directory.node / "claims",
            now=self._now,
        )
        self._manager.start()

    def _namespaced(self) -> list[Resource]:
        """One resource for each collection: versions of a kind share theirs."""
        found = [k.resource for k in self._registry.scheme if k.namespaced and not k.view_of]
        return list({resource.group_resource: resource for resource in found}.values())

    async def _serve(self, token: str) -> None:
        """Listen on the port of last time if it is free: kubeconfigs stay good."""
        known = self._directory.path / "port"
        self._server = await self._listen(token, _read_port(known))
        port = self._server.ports[0]
        write_private(known, str(port).encode())
        self.server_url = f"https://{HOST}:{port}"
        write_kubeconfig(
            self._directory.kubeconfig,
            server=self.server_url,
            ca=self._directory.certificate.read_bytes(),
            token=token,
            context=CONTEXT_NAME,
            namespace="default",
        )

    async def _listen(self, token: str, port: int) -> Server:
        for number in (port, 0):
            listener = TlsListener(
                token, self._directory.certificate, self._directory.key, HOST, number
            )
            with contextlib.suppress(OSError):
                return await serve(
                    self._registry,
                    [listener],
                    streams=handlers(self._node),
                    ready=lambda: "" if self._ready else "starting",
                    decoders={protobuf.MEDIA_TYPE: protobuf.decode},
                )
        raise OSError("no port is free on loopback")

    def _describe(self) -> None:
        about = {
            "pid": os.getpid(),
            "server": self.server_url,
            "mode": self._node.mode,
            "reason": self._node.reason,
            "startedAt": time.time(),
            "kubernetes": f"1.{KUBERNETES_MINOR}",
        }
        write_private(self._directory.description, msgspec.json.encode(about))


def _read_port(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
