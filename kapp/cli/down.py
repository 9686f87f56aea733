"""`kapp down`: deletes what a project applied; without an engine and without a Kappfile, too."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapp.cli.engines import kappfile_path
from kapp.cli.render import EXIT_DONE, EXIT_FAILED, say
from kapp.cli.target import EMBEDDED, Target, choose, embedded_directory, start_embedded
from kapp.errors import KappError, UsageError
from kapp.instance import KAPPFILE, Instance

if TYPE_CHECKING:
    from kapp.cluster.progress import Progress
    from kapp.engine.down import DownResult

DEFAULT_TIMEOUT_S = 120.0


def down(
    file: Annotated[
        str, typer.Option("-f", "--file", help="The Kappfile; it need not exist any more.")
    ] = "",
    cluster: Annotated[
        str, typer.Option("--cluster", help="`embedded`, if not where it ran last.")
    ] = "",
    kube_context: Annotated[
        str, typer.Option("--context", help="A context of your kubeconfig, if not where it ran.")
    ] = "",
    delete_namespaces: Annotated[
        bool, typer.Option("--delete-namespaces", help="Namespaces that kapp applied go too.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(help="How long to wait until everything is gone, such as 2m or 90s.")
    ] = "2m",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Return when all is gone, or at once.")
    ] = True,
) -> int:
    """Delete what kapp applied for this Kappfile, nothing else.

    Needs neither a running engine nor a Kappfile that can be evaluated.
    """
    timeout_s = _seconds(timeout)
    instance = Instance(_kappfile(file))
    target = _target(instance, cluster, kube_context)
    if target is None:
        say(f"nothing to delete: kapp has not run {instance.kappfile} on this machine")
        return EXIT_DONE

    from kapp.engine.down import down as delete

    deleting = delete(
        instance.kappfile,
        context=target.load(),
        delete_namespaces=delete_namespaces,
        wait=wait,
        timeout_s=timeout_s,
        on_progress=show_progress,
        on_stopped=lambda pid: say(f"stopped the engine (process {pid})"),
    )
    return report(asyncio.run(deleting))


def _seconds(text: str) -> float:
    """A duration as Go writes it, or seconds. Raises UsageError."""
    from kapp.api.durations import parse_duration

    with contextlib.suppress(ValueError):
        return float(text)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout {text} is no duration", hint="such as 90s or 2m") from error


def _kappfile(option: str) -> str:
    """The project's Kappfile; in a directory where it was deleted, the one that was there."""
    try:
        return kappfile_path(option)
    except KappError:
        gone = Instance(os.path.join(os.getcwd(), KAPPFILE))
        if gone.describe():
            return gone.kappfile
        raise


def _target(instance: Instance, cluster: str, context: str) -> Target | None:
    """Where the project ran last, unless told otherwise; None if it cannot have run anywhere."""
    recorded: dict[str, Any] = instance.describe()
    found = recorded.get("cluster")
    if cluster or context:
        return choose(cluster, context, "")
    if not isinstance(found, dict):
        return _where_it_may_have_run()
    target = Target(found["kubeconfig"], found["context"], found["namespace"])
    if target.is_embedded:
        return start_embedded(target.namespace)
    return target


def _where_it_may_have_run() -> Target | None:
    """The cluster that `kapp up` would choose, unless that is an embedded one that never ran."""
    from kapp.cluster.kubeconfig import NoContext, load

    if os.environ.get("KAPP_CLUSTER") != EMBEDDED:
        try:
            load()
        except NoContext:
            pass
        else:
            return choose("", "", "")
    return start_embedded("") if embedded_directory().exists() else None


def show_progress(progress: Progress) -> None:
    """Print one step of a deletion."""
    text = f"{progress.object} {progress.state}"
    say(f"{text}: {progress.message}" if progress.message else text)


def report(result: DownResult) -> int:
    """Print what is still there and why; returns the exit code."""
    if result.is_empty:
        say("nothing to delete: kapp has nothing in the cluster")
    for kept in result.kept:
        say(f"kept: {kept.object}: {kept.why}")
    for left in result.left:
        say(f"left: {left.object}: {left.why}")
    if result.left:
        say("hint: `kapp down` again goes on from here")
    return EXIT_FAILED if result.left else EXIT_DONE
