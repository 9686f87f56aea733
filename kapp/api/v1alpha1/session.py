"""Session: the engine as a whole, and when it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import msgspec

from kapp.api.define import define, field
from kapp.api.durations import parse_duration
from kapp.api.v1alpha1.meta import Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

MAIN = "Kappfile"
"""The name of the engine's one Session."""


class SessionCISpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """When a run in CI has failed.

    Attributes:
        k8s_grace_period: How long a resource may be in error before it counts.
        timeout: How long the whole run may take.
        readiness_timeout: How long a resource may take to be ready after its apply.
    """

    k8s_grace_period: str = ""
    timeout: str = ""
    readiness_timeout: str = ""


class SessionSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What is run, and until when.

    Attributes:
        kappfile_path: Absolute path of the Kappfile.
        exit_condition: Whether the engine ends when told to, or when every target is done.
        ci: When a run in CI has failed.
    """

    kappfile_path: str
    exit_condition: Literal["manual", "ci"] = "manual"
    ci: SessionCISpec | None = None


class TargetWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The target has not begun.

    Attributes:
        wait_reason: Why not.
    """

    wait_reason: str = ""


class TargetActive(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The target runs.

    Attributes:
        start_time: Since when.
        ready: Whether it is ready.
        last_ready_time: When it became ready.
    """

    start_time: Time = ""
    ready: bool = False
    last_ready_time: Time = ""


class TargetTerminated(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The target has ended, or failed.

    Attributes:
        start_time: When it began.
        finish_time: When it ended.
        error: Why it failed.
    """

    start_time: Time = ""
    finish_time: Time = ""
    error: str = ""


class TargetDisabled(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The target is disabled."""


class TargetState(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Exactly one of the four.

    Attributes:
        waiting: It has not begun.
        active: It runs.
        terminated: It has ended, or failed.
        disabled: It is disabled.
    """

    waiting: TargetWaiting | None = None
    active: TargetActive | None = None
    terminated: TargetTerminated | None = None
    disabled: TargetDisabled | None = None


class Target(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One thing the session waits for.

    Attributes:
        name: Its name, such as web:update or web:runtime.
        type: job, for what ends, or server, for what keeps running.
        resources: The resources it belongs to.
        state: What it does.
    """

    name: str
    type: str
    resources: list[str] = []
    state: TargetState = msgspec.field(default_factory=TargetState)


class SessionFailure(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Why a run failed.

    Attributes:
        resource: The resource at fault.
        reason: One word in CamelCase.
        message: A sentence for people.
    """

    resource: str
    reason: str
    message: str = ""


class SessionStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How the run goes.

    Attributes:
        pid: Process ID of the engine.
        start_time: When the engine started.
        targets: What the session waits for.
        done: Whether the exit condition is met.
        error: Why the run failed.
        failures: The same, one by one.
    """

    pid: int = 0
    start_time: Time = ""
    targets: list[Target] = []
    done: bool = False
    error: str = ""
    failures: list[SessionFailure] = []


class Session(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """The engine as a whole.

    Attributes:
        spec: What is run, and until when.
        status: How it goes.
    """

    KIND: ClassVar[str] = "Session"
    PLURAL: ClassVar[str] = "sessions"

    spec: SessionSpec
    status: SessionStatus = msgspec.field(default_factory=SessionStatus)


def _check(obj: Session) -> Iterable[Cause]:
    if obj.spec.ci is None:
        return
    for name in ("k8sGracePeriod", "timeout", "readinessTimeout"):
        snake = {"k8sGracePeriod": "k8s_grace_period", "readinessTimeout": "readiness_timeout"}
        text = getattr(obj.spec.ci, snake.get(name, name))
        try:
            if text:
                parse_duration(text)
        except ValueError:
            yield Cause(
                f"spec.ci.{name}", f'Invalid value: "{text}": must be a duration such as 5m'
            )


def _targets(obj: Object, _now: Any) -> str:
    targets = (obj.get("status") or {}).get("targets") or ()
    good = sum(1 for target in targets if _is_good(target.get("state") or {}))
    return f"{good}/{len(targets)}"


def _is_good(state: Object) -> bool:
    if "active" in state:
        return bool(state["active"].get("ready"))
    return "disabled" in state or ("terminated" in state and not state["terminated"].get("error"))


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        Session,
        columns=(
            Column("Targets", _targets, description="Targets that are ready or done, of all."),
            Column("Done", field("status.done"), "boolean", "Whether the run is over."),
            Column("Error", field("status.error"), description="Why the run failed."),
            Column("PID", field("status.pid"), "integer", "Process ID of the engine."),
        ),
        check=_check,
    )
