"""Kappfile: the file that declares what to run, and how its last evaluation went."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.v1alpha1.meta import RestartOn, Time, TypedObject
from kapp.api.v1alpha1.session import SessionCISpec
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

MAIN = "(Kappfile)"
"""The name of the engine's own Kappfile object, of its FileWatch, its UIResource and its logs."""


class KappfileSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which file, and with what arguments.

    Attributes:
        path: Absolute path of the file.
        args: Arguments, as given after `--`.
        labels: Labels of the resource that shows it.
        restart_on: What makes it be evaluated again, besides what it reads.
    """

    path: str
    args: list[str] = []
    labels: dict[str, str] = {}
    restart_on: RestartOn | None = None


class KappfileWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """It has not been evaluated yet.

    Attributes:
        reason: Why not.
    """

    reason: str = ""


class KappfileRunning(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """It is being evaluated.

    Attributes:
        reasons: What it is evaluated for.
        started_at: Since when.
    """

    reasons: list[str] = []
    started_at: Time = ""


class KappfileTerminated(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Its last evaluation.

    Attributes:
        reasons: What it was evaluated for.
        error: Why it failed; the objects of the evaluation before it then stay.
        started_at: When it began.
        finished_at: When it ended, its objects written.
        warning_count: How many warnings there were.
    """

    reasons: list[str] = []
    error: str = ""
    started_at: Time = ""
    finished_at: Time = ""
    warning_count: int = 0


class KappfileStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How its evaluation goes; exactly one of waiting, running and terminated.

    Attributes:
        waiting: Set before its first evaluation.
        running: Set while it is evaluated.
        terminated: Set afterwards.
        error: The error of the last evaluation, also while the next one runs.
        evaluated_input: Names the input of the last evaluation.
        allowed_contexts: Contexts that it allows to be written to, besides local clusters.
        max_parallel_updates: How many resources may be applied at once.
        resources: The resources that it declared, in order.
        ci: What its `ci_settings` says.
    """

    waiting: KappfileWaiting | None = None
    running: KappfileRunning | None = None
    terminated: KappfileTerminated | None = None
    error: str = ""
    evaluated_input: str = ""
    allowed_contexts: list[str] = []
    max_parallel_updates: int = 0
    resources: list[str] = []
    ci: SessionCISpec | None = None


class Kappfile(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """The file that declares what to run.

    Attributes:
        spec: Which file.
        status: How its evaluation goes.
    """

    KIND: ClassVar[str] = "Kappfile"
    PLURAL: ClassVar[str] = "kappfiles"

    spec: KappfileSpec
    status: KappfileStatus = msgspec.field(default_factory=KappfileStatus)


def _check(obj: Kappfile) -> Iterable[Cause]:
    path = obj.spec.path
    if not os.path.isabs(path):
        yield Cause("spec.path", f'Invalid value: "{path}": must be an absolute path')


def _state(obj: Object, _now: Any) -> str:
    status = obj.get("status") or {}
    if "running" in status:
        return "Evaluating"
    if "terminated" in status:
        error = str(status["terminated"].get("error") or "")
        return f"Error: {error.partition(chr(10))[0]}" if error else "Evaluated"
    return "Waiting"


def _warnings(obj: Object, _now: Any) -> int:
    terminated = (obj.get("status") or {}).get("terminated") or {}
    return int(terminated.get("warningCount") or 0)


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        Kappfile,
        short_names=("kf",),
        columns=(
            Column("Status", _state, description="How its evaluation goes."),
            Column("Warnings", _warnings, "integer", "Warnings of the last evaluation."),
            Column("Path", field("spec.path"), description="The file."),
        ),
        check=_check,
    )
