"""Applies and deletes by commands of the user's: applyCmd and deleteCmd of KubernetesApplys.

What applyCmd prints is the YAML of what it applied, which is then looked up in the cluster. Before
it runs, its deleteCmd is written to a file beside the engine's other files, so that `kapp down`
(`kapp.engine.down`) can run it after anything that may have happened since.

Of one resource's commands, one runs at a time: what an applyCmd that was told to end still creates
is there when deleteCmd starts. Each takes a lock that its keeper holds until the last process of
it is gone, so this holds for the commands of an engine that was killed, too.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from kapp import yamlio
from kapp.aio.filelock import locked
from kapp.aio.process import GRACE_S, run
from kapp.aio.supervise import TaskGroup
from kapp.api.v1alpha1.kubernetesapply import KubernetesApplyCmd
from kapp.cluster.kubeconfig import KubeContext
from kapp.cluster.kubeconfigfile import write_kubeconfig
from kapp.cluster.prepare import flatten
from kapp.cluster.resolve import resolve
from kapp.controllers.connections import ClusterHandle
from kapp.controllers.logsink import LABEL
from kapp.errors import ConfigError, KappError
from kapp.logs.store import LogStore
from kapp.machinery.objects import Object, ObjectKey, display_name, key_of
from kapp.machinery.status import ApiError

DELETE_TIMEOUT_S = 120.0
# Three times as long as a command may take to end says that it cannot be ended.
_END_TIMEOUT_S = 3 * GRACE_S
_NOT_FOUND = 404


class CustomApply:
    """Runs the commands of all KubernetesApplys that have them.

    Args:
        env: the environment that they run in, before their own.
        directory: where they run that name none.
        records: the directory that belongs to the engine.
        store: where what they say goes.
        enqueue: wakes the key of a KubernetesApply whose deletion has ended.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        directory: str,
        records: Path,
        store: LogStore,
        enqueue: Callable[[ObjectKey], None],
    ) -> None:
        self._env = dict(env)
        self._directory = directory
        self._records = records
        self._store = store
        self._enqueue = enqueue
        self._entries = recorded(records)
        self._failed: set[str] = set()
        self._deletions: dict[str, asyncio.Task[None]] = {}
        self._tasks = TaskGroup("delete commands")

    async def close(self) -> None:
        """Give up; what is still to be deleted stays recorded."""
        await self._tasks.close()

    async def apply(
        self,
        name: str,
        command: KubernetesApplyCmd,
        delete: KubernetesApplyCmd | None,
        handle: ClusterHandle,
        timeout_s: float,
    ) -> list[Object]:
        """Run `command`; returns what it applied, as it is in the cluster.

        Raises KappError if it fails, or does not print what it applied.
        """
        code, printed = await self._run(name, command, delete, handle.connection.context, timeout_s)
        if code:
            raise ConfigError(
                f"applyCmd failed with exit code {code}", hint=f"see `kapp logs {name}`"
            )
        documents = yamlio.parse(printed.decode("utf-8", "replace"), "what applyCmd printed")
        objects = list(flatten(one.value for one in documents if one.value))
        if not objects:
            raise ConfigError(
                "applyCmd printed no object",
                hint="it must print what it applied, as `kubectl apply -o yaml` does",
            )
        return await _found(objects, handle)

    def is_deleting(self, name: str) -> bool:
        """Whether a deletion is under way."""
        return name in self._deletions

    def is_recorded(self, name: str) -> bool:
        """Whether there is something to delete."""
        return name in self._entries

    def delete(self, name: str) -> bool:
        """See to the deletion of what was applied; whether all is done that can be."""
        if name in self._deletions:
            return False
        if not self.is_recorded(name) or name in self._failed:
            return True
        self._deletions[name] = self._tasks.spawn(self._delete(name), name)
        return False

    async def _delete(self, name: str) -> None:
        span = self._store.open(name, LABEL)

        def say(data: bytes) -> None:
            self._store.append(span, data)

        try:
            await run_recorded(self._records, name, self._entries[name], self._env, say)
            say(b"deleted by deleteCmd\n")
        except KappError as error:
            self._failed.add(name)
            say(f"error: {error.one_line()}; `kapp down` tries again\n".encode())
        else:
            del self._entries[name]
            _write(self._records, self._entries)
        finally:
            self._store.close(span)
            self._deletions.pop(name, None)
            self._enqueue(ObjectKey("", name))

    async def _run(
        self,
        name: str,
        command: KubernetesApplyCmd,
        delete: KubernetesApplyCmd | None,
        context: KubeContext,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        span = self._store.open(name, LABEL)

        def say(data: bytes) -> None:
            self._store.append(span, data)

        try:
            async with _alone(self._records, name, say) as lock:
                if delete is not None:
                    self._record(name, delete, context)
                return await run(
                    command.args,
                    directory=command.dir or self._directory,
                    env={**self._env, **_added(command), "KUBECONFIG": self._kubeconfig(context)},
                    on_output=say,
                    timeout_s=timeout_s,
                    held=lock,
                )
        finally:
            self._store.close(span)

    def _kubeconfig(self, context: KubeContext) -> str:
        """A file that leads to the cluster, whatever the user's current context is by now."""
        path = self._records / f"cluster-{context.context.replace('/', '_')}.kubeconfig"
        write_kubeconfig(path, context)
        return str(path)

    def _record(self, name: str, command: KubernetesApplyCmd, context: KubeContext) -> None:
        wanted = msgspec.to_builtins(command)
        wanted["dir"] = command.dir or self._directory
        self._failed.discard(name)
        self._entries[name] = {"command": wanted, "kubeconfig": self._kubeconfig(context)}
        _write(self._records, self._entries)


def recorded(directory: Path) -> dict[str, Any]:
    """By resource: `command` (args, dir, env) that deletes what was applied, and `kubeconfig`."""
    try:
        found = json.loads((directory / _FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


async def run_recorded(
    directory: Path,
    name: str,
    entry: dict[str, Any],
    env: Mapping[str, str],
    say: Callable[[bytes], None],
) -> None:
    """Run the command of the entry `name` in `env` and its own; raises KappError if it fails.

    Waits until nothing is left of the resource's earlier commands.
    """
    command = msgspec.convert(entry["command"], KubernetesApplyCmd)
    async with _alone(directory, name, say) as lock:
        code, printed = await run(
            command.args,
            directory=command.dir,
            env={**env, **_added(command), "KUBECONFIG": entry["kubeconfig"]},
            on_output=say,
            timeout_s=DELETE_TIMEOUT_S,
            held=lock,
        )
    say(printed)
    if code:
        raise KappError(f"deleteCmd failed with exit code {code}")


def forget(directory: Path, name: str) -> None:
    """Take a resource out of the record: it is deleted."""
    entries = recorded(directory)
    if entries.pop(name, None) is not None:
        _write(directory, entries)


_FILE = "delete-commands.json"


def _alone(
    directory: Path, name: str, say: Callable[[bytes], None]
) -> AbstractAsyncContextManager[int]:
    """For one command of a resource: nothing else of its commands runs. Gives a lock to hold."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return locked(
        directory / f"deploy-{digest}.lock",
        timeout_s=_END_TIMEOUT_S,
        on_wait=lambda: say(b"waiting for what was started before to end\n"),
    )


def _write(directory: Path, entries: dict[str, Any]) -> None:
    temporary = directory / f".{_FILE}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(entries, file)
    temporary.replace(directory / _FILE)


def _added(command: KubernetesApplyCmd) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in command.env if "=" in entry)


async def _found(objects: list[Object], handle: ClusterHandle) -> list[Object]:
    """The objects as they are in the cluster. Raises KappError for one that is not there."""
    connection = handle.connection
    found = []
    for target in await resolve(handle.mapping, objects, connection.namespace):
        namespace, name = key_of(target.obj)
        try:
            found.append(await connection.client.get(target.resource, name, namespace))
        except ApiError as error:
            if error.code != _NOT_FOUND:
                raise
            raise KappError(
                f"applyCmd printed {display_name(target.obj)}, which is not in the cluster"
            ) from error
    return found
