"""Why a Cmd's new input does not run yet. Reads kapp's API; writes nothing.

The modes are those of `kapp.controllers.holds`: auto_init decides on the first input, trigger_mode
on later ones. Dependencies hold up the first run only.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from kapp.api.typed import TypedClient
from kapp.api.v1alpha1.cmd import Cmd, CmdWaiting
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION
from kapp.controllers.holds import WAITING_FOR_TRIGGER, hold_by_dependencies, waits_for_trigger

WAITING_FOR_EVENT = "waiting-for-event"
WAITING_FOR_RUN = "waiting-for-run"


class CmdInput(NamedTuple):
    """All that decides on a run: its name, what must not change while it runs, and the trigger."""

    digest: str
    spec: str
    trigger: str


async def input_of(objects: TypedClient, cmd: Cmd) -> CmdInput:
    """The input of a Cmd as it is now."""
    spec = cmd.spec
    names = spec.restart_on.file_watches if spec.restart_on is not None else []
    events = [await last_event(objects, name) for name in names]
    trigger = cmd.metadata.annotations.get(TRIGGER_ANNOTATION, "")
    before = await objects.get(Cmd, spec.run_after) if spec.run_after else None
    ran = before.status.succeeded_input if before is not None else ""
    probe = msgspec.to_builtins(spec.readiness_probe)
    own = _digest([cmd.metadata.uid, spec.args, spec.dir, spec.env, spec.keep_running, probe])
    return CmdInput(_digest([own, events, trigger, ran]), _digest([own, trigger]), trigger)


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:20]


async def last_event(objects: TypedClient, name: str) -> str:
    """When a FileWatch saw something last, or ""."""
    watch = await objects.get(FileWatch, name)
    return watch.status.last_event_time if watch is not None else ""


async def hold_of(objects: TypedClient, cmd: Cmd, given: CmdInput) -> CmdWaiting | None:
    """What holds up `given`, a new input; None if nothing does.

    Notes in `cmd.status.held_input` what is held back because of autoInit.
    """
    if (hold := await _by_run(objects, cmd)) is not None:
        return hold
    if (hold := _by_mode(cmd, given)) is not None:
        return hold
    if cmd.status.started_input:
        return None
    return await _by_dependencies(objects, cmd) or await _by_event(objects, cmd)


async def _by_run(objects: TypedClient, cmd: Cmd) -> CmdWaiting | None:
    name = cmd.spec.run_after
    if not name:
        return None
    before = await objects.get(Cmd, name)
    if before is not None and before.status.succeeded_input:
        return None
    return CmdWaiting(
        reason=WAITING_FOR_RUN, message=f"waits until {name} has succeeded", on=[name]
    )


def _by_mode(cmd: Cmd, given: CmdInput) -> CmdWaiting | None:
    spec, status = cmd.spec, cmd.status
    if given.trigger and given.trigger != status.handled_trigger:
        return None
    first = not status.started_input
    if first and not spec.auto_init:
        status.held_input = status.held_input or given.digest
    changed = status.held_input != given.digest
    if not waits_for_trigger(spec.trigger_mode, spec.auto_init, first=first, changed=changed):
        return None
    return CmdWaiting(
        reason=WAITING_FOR_TRIGGER, message=f"run `kapp trigger {cmd.name}` to run it"
    )


async def _by_dependencies(objects: TypedClient, cmd: Cmd) -> CmdWaiting | None:
    hold = await hold_by_dependencies(objects, cmd.spec.resource_deps)
    if hold is None:
        return None
    return CmdWaiting(reason=hold.reason, message=hold.message, on=list(hold.on))


async def _by_event(objects: TypedClient, cmd: Cmd) -> CmdWaiting | None:
    start = cmd.spec.start_on
    if start is None:
        return None
    for name in start.file_watches:
        if await last_event(objects, name) > start.start_after:
            return None
    return CmdWaiting(
        reason=WAITING_FOR_EVENT, message="waits until a file changes", on=start.file_watches
    )
