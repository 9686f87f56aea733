"""Cmd: a command that runs on this machine, once per input or all the time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from kapp.api.define import define
from kapp.api.v1alpha1.meta import (
    DisableSource,
    DisableStatus,
    RestartOn,
    Time,
    TypedObject,
)
from kapp.api.v1alpha1.probe import Probe, check_probe
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause


class StartOn(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What a command waits for before its first run.

    Attributes:
        file_watches: Names of FileWatches; an event of one of them starts it.
        start_after: Events up to then do not count.
    """

    file_watches: list[str] = []
    start_after: Time = ""


class CmdSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What to run, and when.

    Attributes:
        args: The program and its arguments.
        dir: Working directory, an absolute path; the Kappfile's directory if empty.
        env: Variables added to the environment, each `NAME=value`.
        readiness_probe: How to see whether it is ready; without one it is ready while it runs.
        restart_on: What makes it run again, besides a change of this spec.
        start_on: What it waits for before its first run.
        disable_source: Where to read whether it is disabled.
        keep_running: Whether it is a server, which is started again when it ends.
        run_after: Name of a Cmd: it runs once that has succeeded, and again each time it does.
        trigger_mode: Whether a new input runs at once, or when triggered.
        auto_init: Whether the first input runs without being triggered.
        resource_deps: Resources that must have been ready once before its first run.
        allow_parallel: Whether it runs beside other Cmds that do not keep running.
    """

    args: list[str]
    dir: str = ""
    env: list[str] = []
    readiness_probe: Probe | None = None
    restart_on: RestartOn | None = None
    start_on: StartOn | None = None
    disable_source: DisableSource | None = None
    keep_running: bool = False
    run_after: str = ""
    trigger_mode: str = ""
    auto_init: bool = True
    resource_deps: list[str] = []
    allow_parallel: bool = True


class CmdWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """It does not run.

    Attributes:
        reason: Why not: waiting-for-dep, waiting-for-trigger, waiting-for-local,
            waiting-for-run, waiting-for-event, or disabled.
        message: A sentence for people.
        on: Names of what is waited for.
    """

    reason: str = ""
    message: str = ""
    on: list[str] = []


class CmdRunning(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """It runs.

    Attributes:
        pid: Its process, which leads a session and a group of its own.
        started_at: Since when.
    """

    pid: int
    started_at: Time = ""


class CmdTerminated(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """It ended.

    Attributes:
        pid: The process that it was; 0 if it could not be started.
        exit_code: Its exit code; 128 and the signal's number if a signal ended it.
        started_at: When it began.
        finished_at: When it ended.
        reason: How it ended, for people.
    """

    pid: int = 0
    exit_code: int = 0
    started_at: Time = ""
    finished_at: Time = ""
    reason: str = ""


class CmdStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How it goes; exactly one of waiting, running and terminated.

    Attributes:
        waiting: Set before its first run, and while it is held up.
        running: Set while it runs.
        terminated: Set afterwards.
        ready: Whether it runs and its probe succeeds; without keepRunning, whether it succeeded.
        message: Why it is not ready.
        pending: Why a new input has not run yet: one of the reasons of waiting.
        disable_status: Whether it is disabled.
        observed_generation: The newest spec that was looked at.
        restarts: How often it was started again after it ended by itself, in a row.
        restart_at: When it will be started again.
        started_input: Names the input of the newest run.
        succeeded_input: Names the newest run that succeeded.
        handled_trigger: The trigger (`kapp trigger`) that was carried out last.
        held_input: Names the first input that was held back because of autoInit.
    """

    waiting: CmdWaiting | None = None
    running: CmdRunning | None = None
    terminated: CmdTerminated | None = None
    ready: bool = False
    message: str = ""
    pending: CmdWaiting | None = None
    disable_status: DisableStatus | None = None
    observed_generation: int = 0
    restarts: int = 0
    restart_at: Time = ""
    started_input: str = ""
    succeeded_input: str = ""
    handled_trigger: str = ""
    held_input: str = ""


class Cmd(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """A command that runs on this machine.

    Attributes:
        spec: What to run, and when.
        status: How it goes.
    """

    KIND: ClassVar[str] = "Cmd"
    PLURAL: ClassVar[str] = "cmds"

    spec: CmdSpec
    status: CmdStatus = msgspec.field(default_factory=CmdStatus)


def _check(obj: Cmd) -> Iterable[Cause]:
    spec = obj.spec
    if not spec.args or not spec.args[0]:
        yield Cause("spec.args", "Required value", "FieldValueRequired")
    if spec.dir and not os.path.isabs(spec.dir):
        yield Cause("spec.dir", f'Invalid value: "{spec.dir}": must be an absolute path')
    for index, entry in enumerate(spec.env):
        if not entry.partition("=")[0] or "=" not in entry:
            yield Cause(f"spec.env[{index}]", f'Invalid value: "{entry}": must be NAME=value')
    if spec.trigger_mode not in ("", "auto", "manual"):
        yield Cause(
            "spec.triggerMode",
            f'Unsupported value: "{spec.trigger_mode}": supported values: "auto", "manual"',
        )
    if spec.readiness_probe is not None:
        yield from check_probe(spec.readiness_probe, "spec.readinessProbe")


def _state(obj: Object, _now: Any) -> str:
    status = obj.get("status") or {}
    if "running" in status:
        return "Running"
    if "terminated" in status:
        code = status["terminated"].get("exitCode", 0)
        return f"Error: {status['terminated'].get('reason')}" if code else "Succeeded"
    reason = str((status.get("waiting") or {}).get("reason") or "")
    return f"Waiting: {reason}" if reason else "Waiting"


def _ready(obj: Object, _now: Any) -> bool:
    return bool((obj.get("status") or {}).get("ready"))


def _pid(obj: Object, _now: Any) -> str:
    return str(((obj.get("status") or {}).get("running") or {}).get("pid") or "-")


def _command(obj: Object, _now: Any) -> str:
    args = (obj.get("spec") or {}).get("args") or []
    return args[2] if args[:2] == ["sh", "-c"] and len(args) == 3 else " ".join(args)


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        Cmd,
        columns=(
            Column("Status", _state, description="Whether it runs."),
            Column("Ready", _ready, "boolean", "Whether it is ready, or has succeeded."),
            Column("PID", _pid, description="Its process."),
            Column("Command", _command, description="What it runs.", priority=1),
        ),
        check=_check,
    )
