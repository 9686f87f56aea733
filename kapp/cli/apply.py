"""`kapp apply -f`: makes objects of kapp's API as manifests say, as `kubectl apply` does."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import DryRun, EngineLong, FieldManager, Output


def apply(
    filename: Annotated[
        list[str], typer.Option("-f", "--filename", help="A manifest, a directory of them, or -.")
    ],
    recursive: Annotated[
        bool, typer.Option("-R", "--recursive", help="Look into directories below, too.")
    ] = False,
    server_side: Annotated[
        bool, typer.Option("--server-side", help="Have the server merge, and know who set what.")
    ] = False,
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take fields from their managers.")
    ] = False,
    field_manager: FieldManager = "",
    validate: Annotated[
        str, typer.Option("--validate", help="What unknown fields do: strict, warn or ignore.")
    ] = "strict",
    dry_run: DryRun = "none",
    output: Output = "",
    file: EngineLong = "",
) -> None:
    """Make objects of kapp's API as manifests say.

    They last as long as the engine.
    """
    from kapp.cli.objects.apply import run

    run(
        filename=filename,
        recursive=recursive,
        server_side=server_side,
        force_conflicts=force_conflicts,
        field_manager=field_manager,
        validate=validate,
        dry_run=dry_run,
        output=output,
        file=file,
    )
