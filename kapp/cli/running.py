"""Runs the engine of a Kappfile in the foreground until Ctrl-C: what `kapp up` does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kapp import quickstart
from kapp.cli.foreground import kappfile_to_run, stop_on_signals
from kapp.cli.render import EXIT_DONE, EXIT_INTERRUPTED, say
from kapp.cli.target import Target, choose
from kapp.cli.upoptions import UpOptions

if TYPE_CHECKING:
    from kapp.engine.config import EngineConfig


def run(options: UpOptions) -> int:
    """Run until interrupted; the exit code. Raises KappError."""
    kappfile = kappfile_to_run(options.file)
    quickstart.begin()
    target = choose(options.cluster, options.kube_context, options.namespace)

    from kapp.cli import diagnostics
    from kapp.engine.config import EngineConfig

    diagnostics.configure()
    config = EngineConfig(
        kappfile=kappfile,
        context=target.load(),
        kubeconfig=target.kubeconfig,
        args=options.args,
        resources=options.resources,
        port_forwards=options.port_forwards,
    )
    return asyncio.run(_run(config, target, options))


async def _run(config: EngineConfig, target: Target, options: UpOptions) -> int:
    from kapp.aio.supervise import TaskGroup
    from kapp.cli.showing import show
    from kapp.engine.engine import Engine

    engine = Engine(config)
    interrupted = stop_on_signals(engine)
    await engine.start()
    quickstart.end()
    say(f"kapp runs {engine.instance.kappfile}")
    say(f"on {target.context}, namespace {target.namespace}; Ctrl-C to stop")
    try:
        async with TaskGroup("up") as tasks:
            tasks.spawn(show(engine, stream=options.stream), "show")
            await engine.wait()
    finally:
        await engine.close()
    if not interrupted.is_set():
        say("kapp has stopped, as another command asked it to")
        return EXIT_DONE
    if options.down_on_exit:
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
