"""Kappfile: evaluates the file, and keeps the objects that it wants in kapp's API.

Woken by Kappfile objects, by their FileWatches, and by the loss of an object that they own, which
is made again. An error leaves the objects of the evaluation before it as they are, and is shown in
the status and in the Kappfile's logs. `status.running` is set from before the first object is
written until the last one is, so that nobody takes half of the objects for all of them
(`kapp.controllers.inventory`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from kapp.api.typed import TypedClient, encode, owner_name
from kapp.api.v1alpha1.cmd import Cmd
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kappfile import (
    Kappfile,
    KappfileRunning,
    KappfileStatus,
    KappfileTerminated,
)
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION, KubernetesApply
from kapp.api.v1alpha1.meta import TypedObject
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.controllers import kappfileobjects as wants
from kapp.controllers.evaluation import Evaluator, Outcome
from kapp.controllers.logsink import LogSink
from kapp.errors import KappError
from kapp.kappfile.context import KubeContextInfo, check_context
from kapp.kappfile.model import UNCATEGORIZED, KubernetesResource, LocalResource, Settings
from kapp.machinery.objects import Object, ObjectKey, format_micro_time, name_of

T = TypeVar("T", bound=TypedObject)


class KappfileOptions(msgspec.Struct, kw_only=True, frozen=True):
    """What the command line decided.

    Attributes:
        context: The cluster that Kappfiles are evaluated for.
        subcommand: The command that it runs for, `up` or `ci`.
        port_forwards: Whether to forward ports at all.
    """

    context: KubeContextInfo
    subcommand: str = "up"
    port_forwards: bool = True


class _Evaluated(msgspec.Struct):
    """The last outcome of a Kappfile, and what was watched when it was evaluated.

    `watch` is the FileWatch that it wants, `written` the last outcome whose objects were written.
    """

    uid: str
    outcome: Outcome
    watched_before: frozenset[Path]
    watch: FileWatch
    written: Outcome | None


class KappfileReconciler:
    """Reconciles Kappfiles.

    Args:
        objects: kapp's API.
        evaluator: evaluates them.
        options: what the command line decided.
        log: where errors, warnings and prints go.
        now: wall time.
    """

    def __init__(
        self,
        objects: TypedClient,
        evaluator: Evaluator,
        options: KappfileOptions,
        log: LogSink,
        now: Callable[[], datetime],
    ) -> None:
        self._objects = objects
        self._evaluator = evaluator
        self._options = options
        self._log = log
        self._now = now
        self._evaluated: dict[str, _Evaluated] = {}
        self._newest_event: dict[str, str] = {}
        # By UID: what decided on which resources are enabled.
        self._asked: dict[str, tuple[list[str], frozenset[str] | None]] = {}

    def keys_of_watch(self, obj: Object) -> Iterable[ObjectKey]:
        """For the source of FileWatches: whose it is; notes its event, to end stale evaluations."""
        name = owner_name(obj, Kappfile)
        if name_of(obj) != name:
            return ()  # one of a resource
        # A changed object is shown twice, as it is and as it was: the later event counts.
        seen = str((obj.get("status") or {}).get("lastEventTime") or "")
        self._newest_event[name] = max(seen, self._newest_event.get(name, ""))
        return (ObjectKey("", name),)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Evaluate if the input changed, and write what the outcome wants."""
        kappfile = await self._objects.get(Kappfile, key.name)
        if kappfile is None:
            self._evaluated.pop(key.name, None)
            return None
        last = self._evaluated.get(key.name)
        event, given = await self._input(kappfile)
        if (
            kappfile.status.evaluated_input == given
            and last is not None
            and last.uid == kappfile.metadata.uid
            and not last.outcome.changed_on_disk(last.watched_before)
        ):
            await self._restore(kappfile, last)
            return None
        if last is not None and last.uid == kappfile.metadata.uid:
            news = _without_event(given) != _without_event(kappfile.status.evaluated_input)
            if not news and last.outcome.saw_everything():
                await self._write(
                    kappfile, evaluated_input=given, terminated=kappfile.status.terminated
                )
                return None
        await self._evaluate(kappfile, event, given)
        return None

    async def _restore(self, kappfile: Kappfile, last: _Evaluated) -> None:
        """Make again what somebody deleted."""
        await self._objects.ensure(last.watch)
        if last.written is not None:
            await self._write_objects(kappfile, last.written)

    async def _input(self, kappfile: Kappfile) -> tuple[str, str]:
        """The newest event of its own FileWatch, and the name of everything it is evaluated by."""
        names = [kappfile.metadata.name]
        if kappfile.spec.restart_on is not None:
            names += kappfile.spec.restart_on.file_watches
        events = []
        for name in names:
            watch = await self._objects.get(FileWatch, name)
            events.append(watch.status.last_event_time if watch is not None else "")
        trigger = kappfile.metadata.annotations.get(TRIGGER_ANNOTATION, "")
        return events[0], "/".join([str(kappfile.metadata.generation), trigger, *events])

    async def _evaluate(self, kappfile: Kappfile, event: str, given: str) -> None:
        name = kappfile.metadata.name
        known = kappfile.status.resources
        started_at = format_micro_time(self._now())
        reasons = self._reasons(kappfile, event)
        # Even if nothing else comes of it: there its error is shown.
        await self._objects.ensure(wants.own_ui(kappfile))
        await self._write(
            kappfile,
            evaluated_input=kappfile.status.evaluated_input,
            running=KappfileRunning(reasons=reasons, started_at=started_at),
        )
        outcome = await self._evaluator.evaluate(
            kappfile.spec.path,
            kappfile.spec.args,
            known=known,
            superseded=lambda: self._newest_event.get(name, "") > event,
        )
        if outcome is None:
            return  # the event that superseded it has woken this key already
        last = self._evaluated.get(name)
        watched = frozenset(last.outcome.watched_paths) if last is not None else frozenset()
        error = outcome.error or self._refusal(outcome)
        watch = self._watch_of(kappfile, outcome, watched if error is not None else frozenset())
        await self._objects.ensure(watch)
        # What it allows holds at once, and before there is anything to apply.
        await self._write(
            kappfile,
            evaluated_input=kappfile.status.evaluated_input,
            running=kappfile.status.running,
            settings=outcome.result.settings if outcome.result is not None else None,
        )
        written = last.written if last is not None else None
        if error is None:
            try:
                await self._write_objects(kappfile, outcome)
                written = outcome
            except KappError as refused:
                error = refused
        self._say(name, outcome, error)
        self._evaluated[name] = _Evaluated(kappfile.metadata.uid, outcome, watched, watch, written)
        result = outcome.result
        await self._write(
            kappfile,
            evaluated_input=given,
            terminated=KappfileTerminated(
                reasons=reasons,
                error=_report(error),
                started_at=started_at,
                finished_at=format_micro_time(self._now()),
                warning_count=len(result.warnings) if result is not None else 0,
            ),
            outcome=outcome if error is None else None,
        )

    def _reasons(self, kappfile: Kappfile, event: str) -> list[str]:
        last = self._evaluated.get(kappfile.metadata.name)
        if last is None:
            return ["start"]
        files = [] if event == "" else ["files"]
        return files or ["spec"]

    def _refusal(self, outcome: Outcome) -> KappError | None:
        if outcome.result is None or not outcome.result.names:
            return None
        allowed = outcome.result.settings.allowed_contexts
        refusal = check_context(self._options.context, allowed)
        return KappError(refusal.message, hint=refusal.hint) if refusal is not None else None

    async def _write(
        self,
        kappfile: Kappfile,
        *,
        evaluated_input: str,
        running: KappfileRunning | None = None,
        terminated: KappfileTerminated | None = None,
        settings: Settings | None = None,
        outcome: Outcome | None = None,
    ) -> None:
        before = encode(kappfile)
        old = kappfile.status
        result = outcome.result if outcome is not None else None
        kappfile.status = KappfileStatus(
            running=running,
            terminated=terminated,
            error=old.error if terminated is None else terminated.error,
            evaluated_input=evaluated_input,
            allowed_contexts=old.allowed_contexts
            if settings is None
            else sorted(settings.allowed_contexts),
            max_parallel_updates=old.max_parallel_updates
            if settings is None
            else settings.max_parallel_updates,
            resources=old.resources if result is None else result.names,
            ci=old.ci if settings is None else wants.ci_of(settings),
        )
        await self._objects.write_status(kappfile, before)

    def _watch_of(self, kappfile: Kappfile, outcome: Outcome, also: frozenset[Path]) -> FileWatch:
        """Watch what it read; after an error also what it read before, as it got less far."""
        return wants.watch_of(
            kappfile, {*outcome.watched_paths, *also}, outcome.watched_trees, outcome.ignores
        )

    async def _write_objects(self, kappfile: Kappfile, outcome: Outcome) -> None:
        assert outcome.result is not None  # errors leave the objects as they are
        resources, settings = outcome.result.resources, outcome.result.settings
        options = self._options
        self._log.scrub_secrets(settings.scrub_secrets)
        enabled = outcome.result.enabled
        # What the user switched stays, until the file or its arguments ask for something else.
        asked = (kappfile.spec.args, enabled)
        overwrite = self._asked.get(kappfile.metadata.uid, asked) != asked
        self._asked[kappfile.metadata.uid] = asked
        await self._keep(
            kappfile,
            ConfigMap,
            [
                wants.disabling_of(
                    kappfile, one, disabled=enabled is not None and one not in enabled
                )
                for one in outcome.result.names
            ],
            overwrite=overwrite,
        )
        local = outcome.result.local_resources
        all_resources: list[LocalResource | KubernetesResource] = [*local, *resources]
        uis = [wants.ui_of(kappfile, one, order) for order, one in enumerate(all_resources, 1)]
        applies = [
            wants.apply_of(kappfile, one, settings, forwards=options.port_forwards)
            for one in resources
        ]
        watches = [wants.deps_of(kappfile, one, settings) for one in all_resources]
        # Before the applies and Cmds, which look there for what they depend on.
        await self._keep(kappfile, UIResource, [wants.own_ui(kappfile), *uis])
        # Before the Cmds, which the first event of each would start a second time.
        await self._keep(kappfile, FileWatch, [one for one in watches if one is not None])
        cmds = [cmd for one in local for cmd in wants.cmds_of(kappfile, one)]
        await self._keep(kappfile, Cmd, cmds)
        await self._keep(kappfile, KubernetesApply, sorted(applies, key=_after_uncategorized))

    async def _keep(
        self, kappfile: Kappfile, cls: type[T], wanted: Sequence[T], *, overwrite: bool = True
    ) -> None:
        """Make exactly `wanted` exist among the kind's objects that the Kappfile owns."""
        resource_objects = await self._objects.list(cls)
        existing = {obj.metadata.name: obj for obj in resource_objects}
        for obj in wanted:
            current = existing.get(obj.metadata.name)
            if current is None or overwrite:
                await self._objects.ensure(obj, current)
        names = {obj.metadata.name for obj in wanted}
        for name, obj in existing.items():
            is_its_watch = cls is FileWatch and name == kappfile.metadata.name
            if name not in names and _is_owned(obj, kappfile) and not is_its_watch:
                await self._objects.delete(cls, name)

    def _say(self, name: str, outcome: Outcome, error: KappError | None) -> None:
        lines = [*outcome.output]
        if outcome.result is not None:
            lines += [f"warning: {warning}" for warning in outcome.result.warnings]
        if error is not None:
            lines.append(f"error: {_report(error)}")
        if lines:
            self._log.write(name, "\n".join(lines) + "\n")


def _without_event(given: str) -> list[str]:
    """What `_input` named, but for the event of the Kappfile's own FileWatch."""
    generation, trigger, _, *others = f"{given}//".split("/")
    return [generation, trigger, *others]


def _report(error: KappError | None) -> str:
    if error is None:
        return ""
    report = getattr(error, "report", None)
    return str(report()) if report is not None else error.one_line()


def _after_uncategorized(apply: KubernetesApply) -> bool:
    """Sorts first what others wait for (`kapp.controllers.holds`)."""
    return apply.metadata.name != UNCATEGORIZED


def _is_owned(obj: TypedObject, owner: TypedObject) -> bool:
    return any(
        reference.controller and reference.uid == owner.metadata.uid
        for reference in obj.metadata.owner_references
    )
