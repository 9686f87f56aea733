"""One engine: the API of one project, its controllers, and the files that others find it by.

    Instance (directory, lock) ─▶ Store + Registry ─▶ LocalClient ─▶ Wiring (controllers)
                                        └──────────▶ Server: Unix socket, TLS on loopback

The engine's only state is the store, which is rebuilt from the Kappfile at every start. Ending it
leaves the cluster as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from copy import deepcopy
from datetime import datetime
from pathlib import Path

from kapp.aio.supervise import TaskGroup
from kapp.api.corev1 import DEFAULT as DEFAULT_NAMESPACE
from kapp.api.corev1 import NAMESPACES, namespace_kind
from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.cluster import (
    Cluster,
    ClusterConnection,
    ClusterSpec,
    KubernetesClusterConnection,
)
from kapp.api.v1alpha1.cmd import Cmd
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile, KappfileSpec
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION, KubernetesApply
from kapp.api.v1alpha1.meta import ObjectMeta, TypedObject
from kapp.api.v1alpha1.scheme import scheme
from kapp.api.v1alpha1.session import MAIN as SESSION
from kapp.api.v1alpha1.session import Session, SessionCISpec, SessionSpec
from kapp.cluster import kubeconfig
from kapp.cluster.kubeconfig import KubeContext
from kapp.controllers.connections import DEFAULT
from kapp.controllers.kappfile import KappfileOptions
from kapp.engine.access import open_access
from kapp.engine.config import EngineConfig
from kapp.engine.project import project_id
from kapp.engine.routes import Routes
from kapp.engine.wiring import Wiring
from kapp.errors import KappError
from kapp.instance import Instance
from kapp.kappfile.context import KubeContextInfo
from kapp.logs.store import LogStore
from kapp.machinery.objects import format_micro_time, format_time
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError
from kapp.machinery.store import Store
from kapp.runtime.client import PatchType
from kapp.runtime.local import LocalClient
from kapp.runtime.reflector import Reflector
from kapp.server.http import Server, serve
from kapp.server.listeners import UnixListener

_log = logging.getLogger(__name__)

# What can stand behind a resource, the most frequent first.
_TRIGGERED = (KubernetesApply, Cmd, Kappfile)


def unusable(instance: Instance, error: OSError) -> KappError:
    """What is said where an engine's files cannot be written."""
    return KappError(
        f"{instance.directory} cannot be used: {error.strerror or error}",
        hint="set KAPP_STATE_DIR to a directory of your own, on a disk with room",
    )


def already_running(instance: Instance) -> KappError:
    """What a second engine for the same Kappfile is told."""
    pid = instance.describe().get("pid", "unknown")
    return KappError(
        f"another engine (process {pid}) runs {instance.kappfile} already",
        hint=f"use that one, or stop it first: Ctrl-C in its terminal, or `kill {pid}`",
    )


class Engine:
    """Runs one project: `start()`, then `wait()` or anything else, then `close()`.

    Args:
        config: what the command line decided.

    Attributes:
        client: kapp's API, in this process.
        logs: what the resources print.
        instance: the files that others find the engine by.
        project: the project's name in the cluster.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.instance = Instance(config.kappfile)
        self.project = project_id(config.kappfile)
        kinds = scheme()
        kinds.register(namespace_kind())
        self.registry = Registry(kinds, _store(config.now()), now=config.now)
        self.client = LocalClient(self.registry)
        self.logs = LogStore(now=config.now)
        self._started_at = config.now()
        self._wiring = Wiring(
            self.client,
            context=config.context,
            resolve=self._resolve,
            project=self.project,
            options=KappfileOptions(
                context=KubeContextInfo(
                    config.context.context, config.context.namespace, config.context.is_local
                ),
                subcommand="ci" if config.exit_condition == "ci" else "up",
                port_forwards=config.port_forwards,
            ),
            env=dict(config.env),
            directory=os.path.dirname(self.instance.kappfile),
            records=Path(self.instance.directory),
            store=self.logs,
            started_at=self._started_at,
            now=config.now,
        )
        self._server: Server | None = None
        self._lock: int | None = None
        self._tasks = TaskGroup("engine")
        self._stopping = asyncio.Event()
        self._access_tried = asyncio.Event()

    async def start(self) -> None:
        """Take the project over, open the Unix socket and begin to work.

        Raises KappError if another engine runs this Kappfile, or the directory cannot be used.
        """
        self._acquire()
        try:
            await self._wiring.connections.open(DEFAULT, KubernetesClusterConnection())
            routes = Routes(
                self.registry, self.logs, self.stop, self.config.now, kubeconfig=self._kubeconfig
            )
            self._server = await serve(
                self.registry,
                [UnixListener(Path(self.instance.socket))],
                extra_routes=routes.table(),
                title="kapp",
            )
            await self._create_objects()
            self._wiring.start()
            self._describe()
        except OSError as error:
            await self.close()
            raise unusable(self.instance, error) from error
        except BaseException:
            await self.close()
            raise
        if self.config.tls:
            self._tasks.spawn(self._open_tls(self._server), "tls")

    async def wait(self) -> None:
        """Wait until `stop()` is called, here or by a command."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Ask the engine to end; its owner then calls `close()`."""
        self._stopping.set()

    def reflector(self, cls: type[TypedObject]) -> Reflector:
        """A copy of all objects of a kind that is kept up to date; read-only."""
        return self._wiring.manager.reflector(self.client, resource_of(cls))

    async def trigger(self, name: str) -> str:
        """Have a resource applied again, as `kapp trigger NAME` does; returns what became of it."""
        moment = format_micro_time(self.config.now())  # two in one second are two
        changes = {"metadata": {"annotations": {TRIGGER_ANNOTATION: moment}}}
        for cls in _TRIGGERED:
            try:
                await self.client.patch(resource_of(cls), name, changes, PatchType.MERGE)
            except ApiError:
                continue
            return f"triggered {name}"
        return f"{name} is gone"

    async def run(self) -> None:
        """`start()`, `wait()` and `close()`."""
        await self.start()
        try:
            await self.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """End within a second, leaving the cluster as it is. Safe to call twice."""
        self._stopping.set()
        await self._tasks.close()
        await self._wiring.close()
        if self._server is not None:
            await self._server.close()
            self._server = None
        if self._lock is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.instance.socket)
            os.close(self._lock)
            self._lock = None

    def _resolve(self, spec: KubernetesClusterConnection, fresh: bool) -> KubeContext:
        """The context of a Cluster's spec; `fresh` reads the engine's own from its file again."""
        own = self.config.context
        if not spec.context and not spec.namespace and not (fresh and self.config.kubeconfig):
            return own
        return kubeconfig.load(
            context=spec.context or own.context,
            namespace=spec.namespace or ("" if spec.context else own.namespace),
            env={**self.config.env, "KUBECONFIG": self.config.kubeconfig},
        )

    def _acquire(self) -> None:
        try:
            self._lock = self.instance.acquire()
        except OSError as error:
            raise unusable(self.instance, error) from error
        if self._lock is None:
            raise already_running(self.instance)

    def _describe(self) -> None:
        context = self.config.context
        self.instance.write_description(
            {
                "kappfile": self.instance.kappfile,
                "pid": os.getpid(),
                "project": self.project,
                "startedAt": format_time(self._started_at),
                "cluster": {
                    "kubeconfig": self.config.kubeconfig,
                    "context": context.context,
                    "namespace": context.namespace,
                },
            }
        )

    async def _create_objects(self) -> None:
        """The objects that everything else follows from."""
        config, objects = self.config, TypedClient(self.client)
        await self.client.create(NAMESPACES, deepcopy(DEFAULT_NAMESPACE))
        connection = ClusterConnection(kubernetes=KubernetesClusterConnection())
        await objects.ensure(
            Cluster(metadata=ObjectMeta(name=DEFAULT), spec=ClusterSpec(connection=connection))
        )
        await objects.ensure(
            Session(
                metadata=ObjectMeta(name=SESSION),
                spec=SessionSpec(
                    kappfile_path=self.instance.kappfile,
                    exit_condition=config.exit_condition,
                    ci=SessionCISpec(timeout=config.ci_timeout)
                    if config.exit_condition == "ci"
                    else None,
                ),
            )
        )
        await objects.ensure(
            Kappfile(
                metadata=ObjectMeta(name=MAIN),
                spec=KappfileSpec(
                    path=self.instance.kappfile, args=[*config.resources, *config.args]
                ),
            )
        )

    async def _open_tls(self, server: Server) -> None:
        """The way in for kubectl and libraries; its certificate takes a moment to make."""
        try:
            await open_access(server, self.instance, self.config.now())
        finally:
            self._access_tried.set()

    async def _kubeconfig(self) -> str:
        """The path of the kubeconfig, once it leads here."""
        if self.config.tls:
            await self._access_tried.wait()
        return self.instance.kubeconfig


def _store(now: datetime) -> Store:
    """An empty store, whose versions go on from those of every engine before.

    Clients that knew an earlier one are then told that their version is too old (410), and list
    again. Milliseconds: no engine writes more than a thousand times a second for all its life.
    """
    store = Store()
    store.load((), int(now.timestamp() * 1000))
    return store
