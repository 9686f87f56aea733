"""Evaluates a Kappfile: the package's only entry point.

Pure but for reading files: no effect on the engine or a cluster. Blocking, so the engine runs it
with `asyncio.to_thread`; `cancelled` is asked often enough to end any loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kapp.kappfile.assembly.assemble import assemble
from kapp.kappfile.assembly.declarations import DeclaredObject, DeferredObjects
from kapp.kappfile.assembly.selection import selected
from kapp.kappfile.caches import EvaluationCache
from kapp.kappfile.context import KubeContextInfo
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.exits import Exit
from kapp.kappfile.host import Host
from kapp.kappfile.model import Result
from kapp.kappfile.renders import Renders
from kapp.kappfile.session import Session

_PANICS_OVER_SIZE = ("out of memory", "AlignedSize must not exceed", "capacity overflow")

MAX_SOURCE_CHARS = 200
"""A source line is shown up to here: a generated one may be endless."""


def evaluate(
    path: Path,
    *,
    args: Sequence[str] = (),
    context: KubeContextInfo,
    env: Mapping[str, str],
    subcommand: str = "up",
    cancelled: Callable[[], bool] = lambda: False,
    cache: EvaluationCache | None = None,
) -> Result:
    """Execute the Kappfile at `path` and assemble what it declares.

    Args:
        path: the Kappfile; made absolute, so that watched paths are.
        args: the words after `kapp up --`.
        context: what it is evaluated for.
        env: what the Kappfile sees as the environment.
        subcommand: the command that evaluates, `up` or `ci`.
        cancelled: polled from the evaluating thread; True ends the evaluation soon.
        cache: remembers documents and charts between evaluations; pass the same one each time.

    Raises:
        KappfileError: whatever went wrong, including a fault of kapp itself.
    """
    cache = cache or EvaluationCache()
    cache.begin()
    session = Session(
        main=path.absolute(),
        args=tuple(args),
        context=context,
        env=dict(env),
        subcommand=subcommand,
        manifests=cache.manifests,
        renders=Renders(cache.renders, cancelled),
        cancelled=cancelled,
    )
    try:
        return _run(session)
    except KappfileError as error:
        _complete(error, session)
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the native interpreter is no Exception
        wrapped = _too_large(error, session) or KappfileError(
            f"kapp failed on this Kappfile: {type(error).__name__}: {error}",
            hint="this is a fault of kapp, not of the Kappfile",
            location=session.display(session.main),
        )
        _complete(wrapped, session)
        raise wrapped from error


def _run(session: Session) -> Result:
    host = Host(session)
    try:
        _execute(host, session)
        _expand(session)
        assembly = assemble(session.declared, namespace=session.context.namespace)
        requested = session.configuration.requested(session.args)
        enabled = (
            None
            if requested is None
            else selected(requested, [*assembly.local_resources, *assembly.resources])
        )
    finally:
        session.renders.close()
        host.close()
    for location in session.unused_forwards.values():
        session.warn(
            "port_forward without a resource does nothing on its own: write "
            "port_forward('RESOURCE', 8000), or pass it to k8s_resource(port_forwards=…)",
            location,
        )
    return Result(
        resources=assembly.resources,
        local_resources=assembly.local_resources,
        enabled=enabled,
        watched_paths=session.watched_paths,
        watched_trees=session.watched_trees,
        contents=session.contents,
        settings=session.declared.settings,
        warnings=(*session.warnings, *assembly.warnings),
        output=tuple(session.output),
        transient=any(not text.strip() for text in session.sources.values()),
    )


def _too_large(error: BaseException, session: Session) -> KappfileError | None:
    """What the interpreter means by a panic over a value that it cannot hold."""
    if not any(text in str(error) for text in _PANICS_OVER_SIZE):
        return None
    return KappfileError(
        "the Kappfile makes a value that is too large",
        hint="look for a list or a string that grows without end",
        location=session.display(session.main),
    )


def _execute(host: Host, session: Session) -> None:
    try:
        host.load(session.main)
    except Exit:
        pass


def _expand(session: Session) -> None:
    """Put objects that had to be rendered first where they were declared."""
    declared = session.declared
    expanded: list[DeclaredObject] = []
    start = 0
    for item in declared.deferred:
        expanded += declared.objects[start : item.position]
        start = item.position
        expanded += _rendered(item, session)
    declared.objects = [*expanded, *declared.objects[start:]]


def _rendered(item: DeferredObjects, session: Session) -> list[DeclaredObject]:
    text, source = session.renders.text(item.number), session.renders.source(item.number)
    try:
        manifests = session.manifests.parse(text, source)
    except KappfileError as error:
        error.message = f"k8s_yaml: {error.message}"
        error.located(item.frames)
        raise
    return [DeclaredObject(one, item.frames, item.allow_duplicates) for one in manifests]


def _complete(error: KappfileError, session: Session) -> None:
    """Add what the error's reader needs: the source line, what to watch, what was printed."""
    if error.frames and not error.source_line:
        frame = error.frames[-1]
        lines = session.sources.get(frame.path, "").splitlines()
        if 0 < frame.line <= len(lines):
            error.source_line = lines[frame.line - 1].strip()[:MAX_SOURCE_CHARS]
    error.watched_paths = session.watched_paths
    error.watched_trees = session.watched_trees
    error.watch_ignores = session.declared.settings.watch_ignores
    error.contents = session.contents
    error.output = tuple(session.output)
