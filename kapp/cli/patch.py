"""`kapp patch`: changes some fields of an object of kapp's API, as `kubectl patch` does."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import DryRun, EngineLong, FieldManager, Output


def patch(
    names: Annotated[list[str], typer.Argument(metavar="KIND NAME", help="or KIND/NAME")],
    changes: Annotated[str, typer.Option("-p", "--patch", help="The patch, JSON or YAML.")] = "",
    patch_file: Annotated[str, typer.Option("--patch-file", help="A file with it.")] = "",
    how: Annotated[
        str, typer.Option("--type", help="merge, or json for a list of operations")
    ] = "merge",
    subresource: Annotated[str, typer.Option("--subresource", help="status")] = "",
    field_manager: FieldManager = "kubectl-patch",
    dry_run: DryRun = "none",
    output: Output = "",
    file: EngineLong = "",
) -> None:
    """Change some fields: `kapp patch pf web -p '{"spec": …}'`."""
    from kapp.cli.objects.patch import run

    run(
        names=names,
        changes=changes,
        patch_file=patch_file,
        how=how,
        subresource=subresource,
        field_manager=field_manager,
        dry_run=dry_run,
        output=output,
        file=file,
    )
