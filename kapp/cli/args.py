"""`kapp args`: shows and replaces the Kappfile's arguments while its engine runs."""

from __future__ import annotations

import json
import shlex
from typing import Annotated
from urllib.parse import quote

import typer

from kapp.cli.engines import request, running_instance
from kapp.cli.options import Engine
from kapp.cli.render import say
from kapp.cli.resources import API, KAPPFILE, patch
from kapp.errors import KappError, UsageError


def args(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARGS…]", help="The new arguments; flags after `--`."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take all arguments away.")] = False,
    file: Engine = "",
) -> None:
    """Show or replace the arguments of the Kappfile.

    For example: kapp args -- --flag value
    """
    instance = running_instance(file)
    wanted = [*(words or ()), *(context.obj or ())]
    if clear and wanted:
        raise UsageError("there are new arguments, and --clear", hint="leave one of them out")
    if not clear and not wanted:
        with request(instance, "GET", f"{API}/kappfiles/{quote(KAPPFILE, safe='')}") as response:
            print(shlex.join(json.load(response)["spec"].get("args") or ()))
        return
    if not patch(instance, "kappfiles", KAPPFILE, {"spec": {"args": wanted}}):
        raise KappError("the Kappfile is gone", hint="start its engine again: `kapp up`")
    say(f"arguments: {shlex.join(wanted)}" if wanted else "no arguments")
