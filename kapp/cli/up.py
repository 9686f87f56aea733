"""`kapp up`: runs the engine of a Kappfile in the foreground until Ctrl-C."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from kapp.cli.completion import resource_names
from kapp.cli.foreground import kappfile_to_run, stop_on_signals
from kapp.cli.render import EXIT_DONE, EXIT_INTERRUPTED, say
from kapp.cli.target import Target, choose

if TYPE_CHECKING:
    from kapp.engine.config import EngineConfig


def up(
    context: typer.Context,
    resources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RESOURCE",
            autocompletion=resource_names,
            help="Only these, and what they depend on.",
        ),
    ] = None,
    file: Annotated[str, typer.Option("-f", "--file", help="The Kappfile, or its directory.")] = "",
    stream: Annotated[bool, typer.Option("--stream", help="Print logs as plain lines.")] = False,
    cluster: Annotated[
        str, typer.Option("--cluster", help="`embedded` for kapp's own cluster.")
    ] = "",
    kube_context: Annotated[
        str, typer.Option("--context", help="A context of your kubeconfig.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", help="For objects that name none.")] = "",
    port_forwards: Annotated[
        bool, typer.Option("--port-forwards/--no-port-forwards", help="Forward ports, or not.")
    ] = True,
    down_on_exit: Annotated[
        bool, typer.Option("--down-on-exit", help="Delete what was applied when it ends.")
    ] = False,
) -> int:
    """Run what the Kappfile says, and keep it in line with every save, until Ctrl-C.

    Words after `--` are the Kappfile's arguments.
    """
    kappfile = kappfile_to_run(file)
    target = choose(cluster, kube_context, namespace)

    from kapp.cli import diagnostics
    from kapp.engine.config import EngineConfig

    diagnostics.configure()
    config = EngineConfig(
        kappfile=kappfile,
        context=target.load(),
        kubeconfig=target.kubeconfig,
        args=tuple(context.obj or ()),
        resources=tuple(resources or ()),
        port_forwards=port_forwards,
    )
    return asyncio.run(_run(config, target, stream=stream, down_on_exit=down_on_exit))


async def _run(config: EngineConfig, target: Target, *, stream: bool, down_on_exit: bool) -> int:
    from kapp.aio.supervise import TaskGroup
    from kapp.cli.showing import show
    from kapp.engine.engine import Engine

    engine = Engine(config)
    interrupted = stop_on_signals(engine)
    await engine.start()
    say(f"kapp runs {engine.instance.kappfile}")
    say(f"on {target.context}, namespace {target.namespace}; Ctrl-C to stop")
    try:
        async with TaskGroup("up") as tasks:
            tasks.spawn(show(engine, stream=stream), "show")
            await engine.wait()
    finally:
        await engine.close()
    if not interrupted.is_set():
        say("kapp has stopped, as another command asked it to")
        return EXIT_DONE
    if down_on_exit:
        return await _down(config)
    say("kapp has stopped; what it applied is still there: `kapp down` deletes it")
    return EXIT_INTERRUPTED


async def _down(config: EngineConfig) -> int:
    from kapp.cli.down import DEFAULT_TIMEOUT_S, report, show_progress
    from kapp.engine.down import down

    say("kapp has stopped; deleting what it applied (Ctrl-C leaves it: `kapp down` goes on)")
    result = await down(
        config.kappfile,
        context=config.context,
        timeout_s=DEFAULT_TIMEOUT_S,
        on_progress=show_progress,
    )
    return report(result) or EXIT_INTERRUPTED
