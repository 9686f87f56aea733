"""Connects the controllers: which objects wake which reconciler.

    Kappfile ──▶ KubernetesApply ──▶ KubernetesDiscovery ──▶ PortForward
       ▲  ├────▶ UIResource    └▶ inventory            └───▶ PodLogStream
    FileWatch ──▶ Cmd

`Wiring` makes every handle cache and controller of an engine, and closes them in the right order.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.cluster import Cluster, KubernetesClusterConnection
from kapp.api.v1alpha1.cmd import Cmd
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kappfile import Kappfile
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscovery
from kapp.api.v1alpha1.meta import TypedObject
from kapp.api.v1alpha1.podlogstream import PodLogStream
from kapp.api.v1alpha1.portforward import PortForward
from kapp.api.v1alpha1.session import Session
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.cluster.kubeconfig import KubeContext
from kapp.controllers.appliedobjects import AppliedObjects
from kapp.controllers.cluster import ClusterReconciler
from kapp.controllers.cmd import CmdReconciler
from kapp.controllers.connections import Connections
from kapp.controllers.customapply import CustomApply
from kapp.controllers.evaluation import Evaluator
from kapp.controllers.filewatch import FileWatchReconciler
from kapp.controllers.guard import Guard
from kapp.controllers.inventories import Inventories
from kapp.controllers.inventory import InventoryReconciler
from kapp.controllers.inventory import keys_of as cluster_of_apply
from kapp.controllers.kappfile import KappfileOptions, KappfileReconciler
from kapp.controllers.kubernetesapply import KubernetesApplyReconciler
from kapp.controllers.kubernetesdiscovery import KubernetesDiscoveryReconciler
from kapp.controllers.logsink import LogSink
from kapp.controllers.podlogstream import PodLogStreamReconciler
from kapp.controllers.podsource import PodSources
from kapp.controllers.portforward import PortForwardReconciler
from kapp.controllers.session import SessionReconciler, concerns_session
from kapp.controllers.uiresource import (
    UIResourceReconciler,
    error_changed,
    keys_of_kappfile,
    own_key_of_kappfile,
    resource_key,
)
from kapp.engine import wakes
from kapp.kappfile.context import KubeContextInfo
from kapp.logs.store import LogStore
from kapp.machinery.objects import Object, ObjectKey
from kapp.runtime.client import Client
from kapp.runtime.controller import Controller, Reconciler, Source, own_key
from kapp.runtime.manager import Manager

# So many pods' logs may start to be followed at once.
_LOG_WORKERS = 16


class Wiring:
    """The controllers of one engine.

    Args:
        client: kapp's API.
        context: the cluster.
        resolve: see `Connections`.
        project: see `kapp.engine.project`.
        options: what the command line decided.
        env: the environment that Kappfiles see, and commands run in.
        directory: where commands run that name no directory.
        records: the engine's own directory.
        store: where resources' logs go.
        started_at: when the engine started.
        now: wall time.
    """

    def __init__(
        self,
        client: Client,
        *,
        context: KubeContext,
        resolve: Callable[[KubernetesClusterConnection, bool], KubeContext],
        project: str,
        options: KappfileOptions,
        env: dict[str, str],
        directory: str,
        records: Path,
        store: LogStore,
        started_at: datetime,
        now: Callable[[], datetime],
    ) -> None:
        self.manager = Manager("engine")
        self._client = client
        self._objects = TypedClient(client)
        self._guard = Guard(self._objects)
        self.connections = Connections(resolve, self._guard.permit)
        self._now = now
        self._store = store
        self._log = LogSink(store)
        self._inventories = Inventories(project)
        self._queues: dict[str, Controller] = {}
        self._live = AppliedObjects(
            self.manager,
            self.connections,
            self._waker("kubernetesapply"),
            on_health=self._waker("cluster"),
        )
        self._pods = PodSources(
            self.manager,
            self.connections,
            self._waker("kubernetesdiscovery"),
            on_health=self._waker("cluster"),
        )
        info = KubeContextInfo(context.context, context.namespace, context.is_local)
        self._evaluator = Evaluator(info, env, now, options.subcommand)
        self._add_files_and_kappfile(options)
        self._add_applies(env, directory, records)
        self._add_cmds(env, directory)
        self._add_pods()
        self._add_truths(started_at)

    def start(self) -> None:
        """Run every controller."""
        self.manager.start()

    async def close(self) -> None:
        """Stop listening first, then everything else; the cluster stays as it is."""
        self._evaluator.close()
        await self._forwards.close()
        self._files.close()
        await self.manager.close()
        await self._cmds.close()
        parts = (self._applies, self._live, self._streams, self._pods)
        await asyncio.gather(*(part.close() for part in parts))
        await self.connections.close()

    def _add_files_and_kappfile(self, options: KappfileOptions) -> None:
        self._files = FileWatchReconciler(self._objects, self._waker("filewatch"), self._now)
        self._add(
            "filewatch",
            self._files,
            self._source(FileWatch, matters=wakes.spec_changed),
            self._source(ConfigMap, self._naming(FileWatch, wakes.disabling_config_maps)),
        )
        kappfile = KappfileReconciler(self._objects, self._evaluator, options, self._log, self._now)
        self._add(
            "kappfile",
            kappfile,
            self._source(Kappfile, matters=wakes.spec_changed),
            self._source(FileWatch, kappfile.keys_of_watch),
            *(self._losses(cls) for cls in (KubernetesApply, Cmd, UIResource, ConfigMap)),
            workers=1,
        )

    def _add_applies(self, env: dict[str, str], directory: str, records: Path) -> None:
        self._applies = KubernetesApplyReconciler(
            self._objects,
            self.connections,
            self._inventories,
            self._live,
            self._guard,
            CustomApply(env, directory, records, self._store, self._waker("kubernetesapply")),
            self._log,
            self._waker("kubernetesapply"),
            self._now,
        )
        self._add(
            "kubernetesapply",
            self._applies,
            self._source(KubernetesApply, matters=wakes.spec_changed),
            self._source(
                KubernetesApply,
                self._naming(KubernetesApply, wakes.predecessors),
                matters=wakes.predecessor_changed,
            ),
            self._source(
                KubernetesDiscovery, wakes.owner_key(KubernetesApply), matters=wakes.status_changed
            ),
            self._source(ConfigMap, self._naming(KubernetesApply, wakes.disabling_config_maps)),
            self._source(
                UIResource,
                self._naming(KubernetesApply, wakes.dependencies),
                matters=wakes.ever_ready_changed,
            ),
            self._source(
                FileWatch,
                self._naming(KubernetesApply, wakes.restarting_watches),
                matters=wakes.status_changed,
            ),
            self._source(
                Kappfile,
                wakes.all_of(
                    self.manager.reflector(self._client, resource_of(KubernetesApply)).list
                ),
                matters=wakes.allowed_contexts_changed,
            ),
            self._source(
                Cluster,
                self._naming(KubernetesApply, wakes.cluster_name),
                matters=wakes.connection_changed,
            ),
        )
        self._add(
            "inventory",
            InventoryReconciler(
                self._objects,
                self.manager.reflector(self._client, resource_of(KubernetesApply)).list,
                self.connections,
                self._inventories,
                self._log,
            ),
            self._source(KubernetesApply, cluster_of_apply, matters=wakes.apply_changed),
            self._source(Kappfile, self._all_clusters, matters=wakes.status_changed),
            workers=1,
        )

    def _add_cmds(self, env: dict[str, str], directory: str) -> None:
        self._cmds = CmdReconciler(
            self._objects, self._store, self._log, env, directory, self._waker("cmd"), self._now
        )
        self._add(
            "cmd",
            self._cmds,
            self._source(Cmd, matters=wakes.spec_changed),
            self._source(Cmd, self._naming(Cmd, wakes.run_before), matters=wakes.status_changed),
            self._source(
                FileWatch,
                self._naming(Cmd, wakes.starting_watches),
                matters=wakes.status_changed,
            ),
            self._source(ConfigMap, self._naming(Cmd, wakes.disabling_config_maps)),
            self._source(
                UIResource,
                self._naming(Cmd, wakes.dependencies),
                matters=wakes.ever_ready_changed,
            ),
        )

    def _add_pods(self) -> None:
        self._add(
            "kubernetesdiscovery",
            KubernetesDiscoveryReconciler(self._objects, self._pods, self._now),
            self._source(KubernetesDiscovery, matters=wakes.spec_changed),
            self._source(
                PortForward, wakes.owner_key(KubernetesDiscovery), matters=wakes.spec_changed
            ),
            self._source(
                PodLogStream, wakes.owner_key(KubernetesDiscovery), matters=wakes.spec_changed
            ),
        )
        self._forwards = PortForwardReconciler(
            self._objects, self.connections, self._log, self._waker("portforward"), self._now
        )
        self._add(
            "portforward",
            self._forwards,
            self._source(PortForward, matters=wakes.spec_changed),
            self._source(
                KubernetesDiscovery,
                self._naming(PortForward, wakes.discovery_name),
                matters=wakes.status_changed,
            ),
        )
        self._streams = PodLogStreamReconciler(
            self._objects,
            self.connections,
            self._pods,
            self._store,
            self._waker("podlogstream"),
            self._now,
        )
        self._add(
            "podlogstream",
            self._streams,
            self._source(PodLogStream, matters=wakes.spec_changed),
            workers=_LOG_WORKERS,
        )

    def _add_truths(self, started_at: datetime) -> None:
        self._add(
            "cluster",
            ClusterReconciler(self._objects, self.connections, self._log, self._now),
            self._source(Cluster, matters=wakes.spec_changed),
        )
        self._add(
            "uiresource",
            UIResourceReconciler(self._objects, self._log, self._now),
            self._source(UIResource, matters=wakes.spec_changed),
            self._source(KubernetesApply),
            self._source(Cmd, resource_key),
            self._source(KubernetesDiscovery, matters=wakes.status_changed),
            self._source(Kappfile, own_key_of_kappfile),
            self._source(Kappfile, keys_of_kappfile, matters=error_changed),
        )
        session = SessionReconciler(self._objects, os.getpid(), started_at, self._now)
        self._add(
            "session",
            session,
            self._source(Session, matters=wakes.spec_changed),
            self._source(UIResource, session.keys_of_resource, matters=concerns_session),
            workers=1,
        )

    def _add(self, name: str, reconciler: Reconciler, *sources: Source, workers: int = 4) -> None:
        controller = Controller(name, reconciler, sources, workers=workers)
        self._queues[name] = self.manager.add(controller)

    def _source(
        self,
        cls: type[TypedObject],
        keys: Callable[[Object], Iterable[ObjectKey]] = own_key,
        *,
        matters: Callable[[Object, Object | None], bool] | None = None,
    ) -> Source:
        if matters is None:
            return Source(client=self._client, resource=resource_of(cls), map=keys)
        return Source(client=self._client, resource=resource_of(cls), map=keys, matters=matters)

    def _naming(
        self, cls: type[TypedObject], names: Callable[[Object], Iterable[str]]
    ) -> wakes.KeysOf:
        """The objects of a kind that name the changed one."""
        return wakes.referring(self.manager.reflector(self._client, resource_of(cls)).list, names)

    def _losses(self, cls: type[TypedObject]) -> Source:
        """Objects of a kind that the Kappfile owns and that are gone."""
        found = self.manager.reflector(self._client, resource_of(cls)).get
        return self._source(cls, wakes.lost(found, Kappfile))

    def _all_clusters(self, _obj: Object) -> Iterable[ObjectKey]:
        return [ObjectKey("", name) for name in self.connections.names()]

    def _waker(self, name: str) -> Callable[[ObjectKey], None]:
        """Wakes a key of a controller that may not have been added yet."""
        return lambda key: self._queues[name].enqueue(key)
