"""`kapp edit`: changes an object of kapp's API in an editor, as `kubectl edit` does."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import EngineLong, Output


def edit(
    names: Annotated[list[str], typer.Argument(metavar="KIND NAME", help="or KIND/NAME")],
    output: Output = "",
    file: EngineLong = "",
) -> None:
    """Change an object in your editor.

    That is $KUBE_EDITOR, $VISUAL or $EDITOR.
    """
    from kapp.cli.objects.edit import run

    run(names=names, output=output, file=file)
