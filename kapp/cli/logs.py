"""`kapp logs`: what resources printed, from the engine's log store."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from http.client import HTTPResponse
from typing import Annotated
from urllib.parse import urlencode

import typer

from kapp.cli.completion import resource_names
from kapp.cli.engines import request, running_instance
from kapp.cli.options import EngineLong
from kapp.cli.render import say, wants_colour
from kapp.cli.resources import KAPPFILE, name_of, resources_of, unknown
from kapp.errors import KappError, UsageError
from kapp.instance import Instance

_CHUNK_BYTES = 65536
_LOOK_INTERVAL_S = 0.3
"""For an engine that is to come, by whoever follows its logs."""


def logs(
    resources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RESOURCE", autocompletion=resource_names, help="All, if none is named."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Keep printing what comes.")
    ] = False,
    since: Annotated[str, typer.Option(help="Only lines newer than this, such as 5m.")] = "",
    tail: Annotated[int, typer.Option(help="Only the last lines; -1 for all.")] = -1,
    level: Annotated[
        str, typer.Option(help="Only lines as bad as this: debug, info, warn or error.")
    ] = "",
    timestamps: Annotated[bool, typer.Option(help="Each line with its time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    file: EngineLong = "",
) -> None:
    """Show what resources printed, newest version and before."""
    query: list[tuple[str, str]] = [("resource", name) for name in resources or ()]
    query += [
        ("follow", str(follow).lower()),
        ("timestamps", str(timestamps).lower()),
        ("format", "json" if as_json else "text"),
        ("colour", str(wants_colour(sys.stdout)).lower()),
    ]
    if level:
        query.append(("level", _checked_level(level)))
    earlier = [("since", _checked_duration(since))] if since else []
    if tail < -1:
        raise UsageError(f"--tail {tail} is no number of lines", hint="-1 shows all of them")
    if tail >= 0:
        earlier.append(("tail", str(tail)))
    instance = running_instance(file, option="--file")
    _check_names(instance, resources or ())
    _print(instance, [*query, *earlier])
    while follow:
        say("the engine ended; its logs are followed again once `kapp up` runs (Ctrl-C to stop)")
        _wait_until_it_runs(instance)
        say("the engine runs again; this is what it prints from its start")
        try:
            _print(instance, query)
        except KappError as error:
            say(error.one_line())


def _checked_level(level: str) -> str:
    from kapp.logs.levels import LEVELS

    if level not in LEVELS:
        raise UsageError(f"there is no level {level}", hint=f"one of {', '.join(LEVELS)}")
    return level


def _checked_duration(since: str) -> str:
    from kapp.api.durations import parse_duration

    try:
        parse_duration(since)
    except ValueError as error:
        raise UsageError(f"--since {since} is no duration", hint="such as 30s or 5m") from error
    return since


def _check_names(instance: Instance, names: Sequence[str]) -> None:
    """Raise KappError for what is no resource, and was none."""
    if not names:
        return
    known = [*map(name_of, resources_of(instance))]
    if not set(known) - {KAPPFILE}:
        return  # the Kappfile was not read yet, or cannot be
    with request(instance, "GET", "/kapp/v1/status") as response:
        known += json.load(response)["logResources"]
    if not set(names) <= set(known):
        raise unknown(names, list(dict.fromkeys(known)))


def _print(instance: Instance, query: list[tuple[str, str]]) -> None:
    """Print what the engine answers, until it is all or the engine ends."""
    path = f"/kapp/v1/logs?{urlencode(query)}"
    with request(instance, "GET", path, streaming=True) as response:
        while chunk := _next(response):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _next(response: HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK_BYTES)
    except ConnectionError:
        return b""  # it was killed


def _wait_until_it_runs(instance: Instance) -> None:
    pause = threading.Event()
    while not (instance.is_running() and os.path.exists(instance.socket)):
        pause.wait(_LOOK_INTERVAL_S)
