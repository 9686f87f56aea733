"""`kapp wait`: waits for objects of kapp's API, as `kubectl wait` does."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import AllOfKind, EngineLong, Selector


def wait(
    names: Annotated[list[str], typer.Argument(metavar="KIND/NAME…", help="uiresource/web, …")],
    condition: Annotated[
        str,
        typer.Option(
            "--for",
            help="condition=NAME[=VALUE], jsonpath={PATH}[=VALUE], create or delete",
        ),
    ],
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait.")] = "30s",
    selector: Selector = "",
    everything: AllOfKind = False,
    output: Annotated[
        str, typer.Option("-o", "--output", help="yaml, json, name, …: of what is met")
    ] = "",
    file: EngineLong = "",
) -> None:
    """Wait until it is so, as `kubectl wait` does.

    For example: kapp wait uiresource/web --for=condition=Ready
    """
    from kapp.cli.objects.wait import run

    run(
        names=names,
        condition=condition,
        timeout=timeout,
        selector=selector,
        everything=everything,
        output=output,
        file=file,
    )
