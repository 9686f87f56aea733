"""Builtins that set something for the whole run."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import re

import msgspec

from kapp.kappfile.errors import ArgumentError, KappfileError
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import Value, boolean, integer, one_of, string, strings

TOPIC = "Settings"

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def duration_s(argument: str, value: Value) -> float:
    """Seconds of a duration as Go's time.ParseDuration reads it: `30m`, `1h30m`, `500ms`, `0`."""
    written = string(argument, value)
    if written == "0":
        return 0.0
    if not re.fullmatch(f"(?:{_PART.pattern})+", written):
        raise KappfileError(
            f"`{argument}`: '{written}' is no duration", hint="such as '30s', '5m' or '1h30m'"
        )
    return sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(written))


def _set(call: Call, **changes: object) -> None:
    given = {name: value for name, value in changes.items() if value is not None}
    declared = call.session.declared
    declared.settings = msgspec.structs.replace(declared.settings, **given)


@builtin("update_settings", topic=TOPIC, example="update_settings(max_parallel_updates=5)")
def update_settings(
    call: Call,
    max_parallel_updates: Value = None,
    k8s_upsert_timeout_secs: Value = None,
    suppress_unused_image_warnings: Value = None,
    k8s_server_side_apply: Value = None,
) -> None:
    """Set how changes are applied; what is not given stays as it is.

    Args:
        max_parallel_updates: how many resources are applied at once (16).
        k8s_upsert_timeout_secs: after how many seconds applying one object fails (30).
        suppress_unused_image_warnings: accepted for Tiltfiles, as kapp builds no images yet.
        k8s_server_side_apply: `'auto'`, `'true'` or `'false'`, which all are the same to kapp.
    """
    parallel = max_parallel_updates
    if parallel is not None and integer("max_parallel_updates", parallel) < 1:
        raise ArgumentError("`max_parallel_updates` must be at least 1", "max_parallel_updates")
    timeout = k8s_upsert_timeout_secs
    if timeout is not None and integer("k8s_upsert_timeout_secs", timeout) < 1:
        raise ArgumentError(
            "`k8s_upsert_timeout_secs` must be at least 1", "k8s_upsert_timeout_secs"
        )
    if k8s_server_side_apply is not None:
        one_of("k8s_server_side_apply", k8s_server_side_apply, ("auto", "true", "false"))
    _set(
        call,
        max_parallel_updates=parallel,
        upsert_timeout_s=None if timeout is None else float(timeout),
    )


@builtin("ci_settings", topic=TOPIC, example="ci_settings(timeout='10m', readiness_timeout='2m')")
def ci_settings(
    call: Call,
    k8s_grace_period: Value = None,
    timeout: Value = None,
    readiness_timeout: Value = None,
) -> None:
    """Set when `kapp ci` gives up; what is not given stays as it is.

    Args:
        k8s_grace_period: how long after its deployment a resource may fail (`'0'`).
        timeout: how long the whole run may take (`'30m'`).
        readiness_timeout: how long a resource may take to become ready (`'5m'`).
    """
    given = {
        "ci_grace_period_s": ("k8s_grace_period", k8s_grace_period),
        "ci_timeout_s": ("timeout", timeout),
        "ci_readiness_timeout_s": ("readiness_timeout", readiness_timeout),
    }
    _set(
        call,
        **{
            field: duration_s(argument, value)
            for field, (argument, value) in given.items()
            if value not in (None, "")
        },
    )


@builtin("watch_settings", topic=TOPIC, example="watch_settings(ignore=['**/*.tmp', 'build'])")
def watch_settings(call: Call, ignore: Value) -> None:
    """Set which files never count as changed.

    Args:
        ignore: patterns as in a `.dockerignore`, from the directory of the file that is executed.
    """
    root = call.session.directory
    added = tuple((root, pattern) for pattern in strings("ignore", ignore))
    _set(call, watch_ignores=(*call.session.declared.settings.watch_ignores, *added))


@builtin("secret_settings", topic=TOPIC, example="secret_settings(disable_scrub=True)")
def secret_settings(call: Call, disable_scrub: Value = False) -> None:
    """Set whether values of Secrets are hidden in logs.

    Args:
        disable_scrub: True shows them.
    """
    _set(call, scrub_secrets=not boolean("disable_scrub", disable_scrub))


@builtin("version_settings", topic=TOPIC, example="version_settings(check_updates=False)")
def version_settings(call: Call, check_updates: Value = True, constraint: Value = "") -> None:
    """Accepted for Tiltfiles: kapp looks for no updates, and is not bound to versions of Tilt.

    Args:
        check_updates: without effect.
        constraint: a constraint on Tilt's version; a warning tells that it is not checked.
    """
    boolean("check_updates", check_updates)
    if string("constraint", constraint):
        frames = call.frames
        call.session.warn(
            f"version_settings: the constraint '{constraint}' is not checked by kapp",
            str(frames[-1]) if frames else "",
        )
