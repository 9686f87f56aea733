"""`kapp ci`: runs the Kappfile until everything is ready or done, and says what failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from kapp import quickstart
from kapp.cli.foreground import kappfile_to_run, stop_on_signals
from kapp.cli.options import Cluster, Context, Kappfile, Namespace, Resources
from kapp.cli.render import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, say, show_error
from kapp.cli.target import choose
from kapp.errors import KappError, UsageError

if TYPE_CHECKING:
    from kapp.api.v1alpha1.session import SessionFailure
    from kapp.engine.config import EngineConfig
    from kapp.engine.engine import Engine

# Enough for a traceback, and still one screen for each of a few failures.
_TAIL_LINES = 20
# What a container says at its end reaches the log store a moment after its status.
_LAST_WORDS_S = 1.0


def ci(
    context: typer.Context,
    resources: Resources = None,
    file: Kappfile = "",
    timeout: Annotated[
        str, typer.Option(help="How long it may take, such as 10m; before `ci_settings`.")
    ] = "",
    cluster: Cluster = "",
    kube_context: Context = "",
    namespace: Namespace = "",
) -> int:
    """Run the Kappfile until all is ready and done, for CI.

    That is, every server is ready and every Job done: it ends with 0 then, else with 1, at the
    first failure or when it takes too long. What it applied stays. Words after `--` are the
    Kappfile's arguments.
    """
    _check_duration(timeout)
    kappfile = kappfile_to_run(file)
    quickstart.begin()
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
        exit_condition="ci",
        ci_timeout=timeout,
    )
    return asyncio.run(_run(config))


def _check_duration(text: str) -> None:
    from kapp.api.durations import parse_duration

    try:
        if text:
            parse_duration(text)
    except ValueError as error:
        raise UsageError(
            f"--timeout {text} is no duration", hint="such as 30s, 10m or 1h30m"
        ) from error


async def _run(config: EngineConfig) -> int:
    from kapp.aio.supervise import TaskGroup
    from kapp.cli.showing import show
    from kapp.engine.engine import Engine

    engine = Engine(config)
    interrupted = stop_on_signals(engine)
    await engine.start()
    quickstart.end()
    try:
        async with TaskGroup("ci") as tasks:
            tasks.spawn(show(engine, stream=True), "show")
            over = tasks.spawn(_until_over(engine), "session")
            stopped = tasks.spawn(engine.wait(), "engine")
            await asyncio.wait([over, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                return _stopped(interrupted.is_set())
            await asyncio.sleep(_LAST_WORDS_S)
        return await _report(engine, over.result())
    finally:
        await engine.close()


def _stopped(interrupted: bool) -> int:
    say("stopped before everything was ready; what was applied is still there")
    return EXIT_INTERRUPTED if interrupted else EXIT_FAILED


async def _until_over(engine: Engine) -> list[SessionFailure]:
    """Wait until the Session is done; what failed."""
    from kapp.api.define import decode
    from kapp.api.v1alpha1.session import Session

    changed = asyncio.Event()
    sessions = engine.reflector(Session)
    unsubscribe = sessions.subscribe(lambda *_: changed.set())
    try:
        while True:
            changed.clear()
            for session in (decode(one, Session) for one in sessions.list()):
                if session.status.done:
                    return session.status.failures
            await changed.wait()
    finally:
        unsubscribe()


async def _report(engine: Engine, failures: list[SessionFailure]) -> int:
    from kapp.cluster.cures import cure

    for failure in failures:
        text = f"{failure.resource}: {failure.reason}: {failure.message}"
        show_error(KappError(text, hint=cure(failure.reason, failure.resource)))
        if tail := await _tail(engine, failure.resource):
            say(f"the end of its log (`kapp logs {failure.resource}` while it runs):")
            say("".join(f"  {line}\n" for line in tail).rstrip("\n"))
    if failures:
        return EXIT_FAILED
    say("everything is ready")
    return EXIT_DONE


async def _tail(engine: Engine, resource: str) -> list[str]:
    from kapp.logs.view import LogView, ViewOptions

    view = LogView(ViewOptions(), [resource])
    text = "".join(
        [view.render(entry) async for entry in engine.logs.read([resource], tail=_TAIL_LINES)]
    )
    return text.splitlines()
