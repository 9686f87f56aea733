"""`kapp logs`: what resources printed, from the engine's log store."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import urlencode

import typer

from kapp.cli.completion import resource_names
from kapp.cli.engines import request, running_instance
from kapp.cli.render import say, wants_colour

_CHUNK_BYTES = 65536


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
    timestamps: Annotated[bool, typer.Option(help="Each line with its time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    file: Annotated[str, typer.Option("--file", help="The Kappfile of the engine.")] = "",
) -> None:
    """Show what the resources printed, newest version and before."""
    query: list[tuple[str, str]] = [("resource", name) for name in resources or ()]
    query += [
        ("follow", str(follow).lower()),
        ("timestamps", str(timestamps).lower()),
        ("format", "json" if as_json else "text"),
        ("colour", str(wants_colour(sys.stdout)).lower()),
    ]
    if since:
        query.append(("since", since))
    if tail >= 0:
        query.append(("tail", str(tail)))
    instance = running_instance(file)
    path = f"/kapp/v1/logs?{urlencode(query)}"
    with request(instance, "GET", path, streaming=True) as response:
        while chunk := response.read1(_CHUNK_BYTES):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    if follow:
        say("the engine ended; start it again with `kapp up`")
