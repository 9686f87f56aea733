"""`kapp delete`: deletes objects of kapp's API, as `kubectl delete` does."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import AllOfKind, DryRun, EngineLong, FieldSelector, IgnoreNotFound, Selector


def delete(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND [NAME…]]", help="pf web, pf/web kapp/web, …"),
    ] = None,
    filename: Annotated[
        list[str] | None, typer.Option("-f", "--filename", help="Delete what a manifest names.")
    ] = None,
    selector: Selector = "",
    field_selector: FieldSelector = "",
    everything: AllOfKind = False,
    cascade: Annotated[
        str, typer.Option("--cascade", help="What becomes of what it owns: background, …")
    ] = "background",
    ignore_not_found: IgnoreNotFound = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is gone.")] = True,
    timeout: Annotated[str, typer.Option("--timeout", help="How long; 0s is for ever.")] = "0s",
    dry_run: DryRun = "none",
    output: Annotated[str, typer.Option("-o", "--output", help="`name` or nothing.")] = "",
    file: EngineLong = "",
) -> None:
    """Delete objects: `kapp delete pf web`.

    What the Kappfile declares is made afresh.
    """
    from kapp.cli.objects.delete import run

    run(
        names=names,
        filename=filename,
        selector=selector,
        field_selector=field_selector,
        everything=everything,
        cascade=cascade,
        ignore_not_found=ignore_not_found,
        wait=wait,
        timeout=timeout,
        dry_run=dry_run,
        output=output,
        file=file,
    )
