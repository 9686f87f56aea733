"""`kapp doctor`: looks at what kapp needs and says what is wrong, before anything goes wrong."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kapp import __version__
from kapp.cli.options import Context
from kapp.cli.render import EXIT_FAILED, paint
from kapp.errors import KappError
from kapp.instance import KAPPFILE, all_instances, find_kappfile, state_directory

if TYPE_CHECKING:
    from kapp.cluster.connection import Connection
    from kapp.cluster.kubeconfig import KubeContext

_MIB = 1024 * 1024
# An embedded cluster and a hundred engines fit in this.
_LEAST_FREE_MIB = 50
# One directory of a project is one watch; a large Kappfile with its charts needs some hundreds.
_LEAST_WATCHES = 1024
_CLUSTER_TIMEOUT_S = 10.0
_UNREACHABLE = "is it running, and is the network up? another one: --context NAME"
_PROGRAMS = {
    "helm": "the builtin helm() needs it",
    "kustomize": "the builtin kustomize() needs it or kubectl",
    "kubectl": "kapp itself does not need it",
}
_COLOURS = {"ok": "32", "note": "36", "warn": "33", "fail": "31"}


class Finding(NamedTuple):
    """One line: what was looked at, how it is (ok, note, warn or fail), and what to do."""

    name: str
    state: str
    text: str
    hint: str = ""


def doctor(
    kube_context: Context = "",
    namespace: Annotated[
        str, typer.Option("--namespace", help="Where the rights are looked at.")
    ] = "",
) -> None:
    """Look at this machine and the cluster for what is wrong.

    Also at your rights there. Changes nothing. Ends with 1 if something will not work.
    """
    failed = False
    for finding in _findings(kube_context, namespace):
        failed |= finding.state == "fail"
        state = paint(f"{finding.state:4}", _COLOURS[finding.state], sys.stdout)
        print(f"{state}  {finding.name}: {finding.text}")
        if finding.hint:
            print(f"      hint: {finding.hint}")
    if failed:
        raise typer.Exit(EXIT_FAILED)


def _findings(kube_context: str, namespace: str) -> Iterator[Finding]:
    yield Finding(
        "kapp",
        "ok",
        f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}",
    )
    yield _state()
    yield _kappfile()
    yield _engines()
    yield from _file_watching()
    yield from _cluster(kube_context, namespace)
    yield from _programs()


def _state() -> Finding:
    directory = state_directory()
    hint = "set KAPP_STATE_DIR to a directory of your own, on a disk with room"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        free_mib = shutil.disk_usage(directory).free // _MIB
    except OSError as error:
        return Finding("state", "fail", f"{directory}: {error.strerror or error}", hint)
    if not os.access(directory, os.W_OK | os.X_OK):
        return Finding("state", "fail", f"{directory} cannot be written to", hint)
    if free_mib < _LEAST_FREE_MIB:
        return Finding("state", "fail", f"{directory} has {free_mib} MiB left", hint)
    return Finding("state", "ok", f"{directory}, {free_mib} MiB free")


def _kappfile() -> Finding:
    found = find_kappfile(os.getcwd())
    if found:
        return Finding("Kappfile", "ok", found)
    return Finding("Kappfile", "note", f"there is no {KAPPFILE} here or in a directory above")


def _engines() -> Finding:
    running = [one.kappfile for one in all_instances() if one.is_running()]
    return Finding("engines", "ok", ", ".join(running) or "none is running")


def _file_watching() -> Iterator[Finding]:
    try:
        with open("/proc/sys/fs/inotify/max_user_watches", encoding="ascii") as file:
            watches = int(file.read())
    except (OSError, ValueError):
        return  # no Linux: watchfiles finds its own way
    if watches < _LEAST_WATCHES:
        yield Finding(
            "file watching",
            "warn",
            f"the system allows {watches} inotify watches",
            "raise fs.inotify.max_user_watches with sysctl",
        )
    else:
        yield Finding("file watching", "ok", f"inotify, {watches} watches allowed")


def _cluster(kube_context: str, namespace: str) -> Iterator[Finding]:
    from kapp.cluster.kubeconfig import NoContext, load, paths

    files = os.pathsep.join(map(str, paths()))
    try:
        context = load(context=kube_context, namespace=namespace)
    except NoContext:
        yield Finding("cluster", "note", f"{files} names none: `kapp up` uses its embedded cluster")
        yield from _embedded()
        return
    except KappError as error:
        yield Finding("cluster", "fail", str(error), error.hint or "")
        return
    yield from asyncio.run(_ask(context))


def _embedded() -> Iterator[Finding]:
    from kapp.cli.target import embedded_directory
    from kapp.minicluster import process

    found = process.status(embedded_directory())
    if not found.running:
        yield Finding("embedded cluster", "ok", "stopped; `kapp up` starts it")
        return
    text = f"running, pods in {found.mode}{f' ({found.reason})' if found.reason else ''}"
    yield Finding("embedded cluster", "ok" if found.mode == "namespaces" else "warn", text)


async def _ask(context: KubeContext) -> list[Finding]:
    from kapp.cluster.connection import Connection

    connection = Connection(context)
    where = f"context {context.context}, {context.server}, namespace {context.namespace}"
    try:
        async with asyncio.timeout(_CLUSTER_TIMEOUT_S):
            info = await connection.connect()
            rights = await _rights(connection, context.namespace)
    except TimeoutError:
        text = f"{where} did not answer within {_CLUSTER_TIMEOUT_S:.0f} s"
        return [Finding("cluster", "fail", text, _UNREACHABLE)]
    except KappError as error:
        return [Finding("cluster", "fail", str(error), error.hint or _UNREACHABLE)]
    finally:
        await connection.close()
    findings = [Finding("cluster", "ok", f"{where}, Kubernetes {info.version}")]
    if not context.is_local:
        findings.append(
            Finding(
                "guard",
                "note",
                f"{context.context} is not known to be a local cluster",
                f"write allow_k8s_contexts('{context.context}') in the Kappfile to deploy to it",
            )
        )
    return [*findings, rights]


async def _rights(connection: Connection, namespace: str) -> Finding:
    from kapp.cluster.rights import missing

    lacking = await missing(connection.client, namespace)
    if lacking is None:
        return Finding("rights", "note", "the cluster does not tell what this account may do")
    if not lacking:
        return Finding("rights", "ok", f"enough to work in namespace {namespace}")
    text = "; ".join(f"may not {right}, needed to {right.purpose}" for right in lacking)
    return Finding(
        "rights", "fail", text, f"ask for the role `edit` in namespace {namespace}, or name another"
    )


def _programs(which: Callable[[str], str | None] = shutil.which) -> Iterator[Finding]:
    for program, purpose in _PROGRAMS.items():
        path = which(program)
        yield Finding(program, "ok" if path else "note", path or f"not installed: {purpose}")
