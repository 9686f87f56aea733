"""`kapp down`: deletes what a project applied; needs neither an engine nor a Kappfile that parses.

The cluster, the project's name and the namespace come from the description that its engine left;
what to delete comes from the inventory in the cluster. A running engine is told to stop first, so
that it does not apply again what is being deleted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec

from kapp.cluster import kubeconfig
from kapp.cluster.connection import Connection
from kapp.cluster.inventory import DOWN_TIMEOUT_S, Inventory
from kapp.cluster.kubeconfig import KubeContext
from kapp.cluster.mapping import RestMapping
from kapp.cluster.progress import Progress, silent
from kapp.cluster.removal import Left
from kapp.controllers.customapply import forget, recorded, run_recorded
from kapp.engine.project import project_id
from kapp.errors import KappError
from kapp.instance import Instance
from kapp.machinery.status import ApiError

# An engine ends within a second; three times that says that it hangs.
STOP_TIMEOUT_S = 3.0
_POLL_S = 0.02
_FORBIDDEN = 403


class DownResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was done.

    Attributes:
        deleted: display names.
        left: what could not be deleted in time, and why.
        kept: what was not meant to be deleted, and why.
    """

    deleted: list[str] = msgspec.field(default_factory=list)
    left: list[Left] = msgspec.field(default_factory=list)
    kept: list[Left] = msgspec.field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to delete."""
        return not self.deleted and not self.left and not self.kept


async def down(
    kappfile: str,
    *,
    context: KubeContext | None = None,
    delete_namespaces: bool = False,
    wait: bool = True,
    timeout_s: float = DOWN_TIMEOUT_S,
    on_progress: Callable[[Progress], None] = silent,
    on_stopped: Callable[[int], None] = lambda _: None,
) -> DownResult:
    """Delete everything that the project of `kappfile` applied, and nothing else.

    An engine that runs it is stopped first.

    Args:
        kappfile: names the project; it need not exist any more.
        context: the cluster, if another than the one recorded is meant.
        delete_namespaces: whether Namespaces go too.
        wait: whether to wait until everything is gone.
        timeout_s: for the deletion.
        on_progress: told of every step.
        on_stopped: told the process of the engine once it has stopped, if one ran.

    Raises:
        KappError: the engine does not stop, no cluster is known, or it cannot be reached.
    """
    instance = Instance(kappfile)
    recorded = instance.describe()
    if pid := await stop_engine(instance):
        on_stopped(pid)
    context = context or _recorded_context(recorded, instance)
    project = str(recorded.get("project") or project_id(instance.kappfile))
    connection = Connection(context)
    try:
        await connection.connect()
        result = DownResult()
        await _run_delete_commands(Path(instance.directory), result, on_progress)
        for inventory in await _inventories(connection, project):
            removal = await inventory.delete_all(
                delete_namespaces=delete_namespaces,
                wait=wait,
                timeout_s=timeout_s,
                on_progress=on_progress,
            )
            result.deleted.extend(removal.deleted)
            result.left.extend(removal.left)
            result.kept.extend(removal.kept)
        return result
    finally:
        await connection.close()


async def _run_delete_commands(
    directory: Path, result: DownResult, on_progress: Callable[[Progress], None]
) -> None:
    """Delete what the user's own commands applied, by those that they gave for it."""
    for name, entry in recorded(directory).items():
        on_progress(Progress(name, "deleting", "by its deleteCmd"))
        said = bytearray()
        try:
            await run_recorded(directory, name, entry, os.environ, said.extend)
        except KappError as error:
            lines = said.decode("utf-8", "replace").strip().splitlines()
            why = f"{error.one_line()}: {lines[-1]}" if lines else error.one_line()
            result.left.append(Left(name, why))
        else:
            forget(directory, name)
            on_progress(Progress(name, "deleted"))
            result.deleted.append(name)


async def stop_engine(instance: Instance) -> int:
    """Tell a running engine to stop and wait until it has; returns its pid, or 0 if none ran.

    Raises KappError if it does not stop.
    """
    if not instance.is_running():
        return 0
    pid = int(str(instance.describe().get("pid") or 0))
    connector = aiohttp.UnixConnector(path=instance.socket)
    try:
        async with (
            asyncio.timeout(STOP_TIMEOUT_S),
            aiohttp.ClientSession(connector=connector) as session,
        ):
            async with session.post("http://kapp/kapp/v1/stop") as response:
                await response.read()
            while instance.is_running():  # noqa: ASYNC110 -- another process: nothing else tells
                await asyncio.sleep(_POLL_S)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        if not instance.is_running():
            return pid
        raise KappError(
            f"the engine of {instance.kappfile} (process {pid}) does not stop",
            hint=f"end it with `kill {pid}`, then run `kapp down` again",
        ) from error
    return pid


def _recorded_context(recorded: dict[str, object], instance: Instance) -> KubeContext:
    cluster = recorded.get("cluster")
    if not isinstance(cluster, dict):
        raise KappError(
            f"kapp has not run {instance.kappfile} on this machine",
            hint="name the cluster that it was run against with --context",
        )
    return kubeconfig.load(
        context=str(cluster.get("context") or ""),
        namespace=str(cluster.get("namespace") or ""),
        env={**os.environ, "KUBECONFIG": str(cluster.get("kubeconfig") or "")},
    )


async def _inventories(connection: Connection, project: str) -> list[Inventory]:
    mapping = RestMapping(connection.client)
    try:
        return await Inventory.find(connection.client, mapping, project)
    except ApiError as error:
        if error.code != _FORBIDDEN:
            raise
    return [Inventory(connection.client, mapping, project=project, namespace=connection.namespace)]
