"""`kapp completion`: completes commands, options and the names of resources in a shell."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.errors import KappError, UsageError

SHELLS = ("bash", "zsh", "fish")

VARIABLE = "_KAPP_COMPLETE"
"""Set by a shell's script when it asks what could stand next."""


def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=" | ".join(SHELLS))],
) -> None:
    """Print a shell's completion script.

    For bash: put `source <(kapp completion bash)` into ~/.bashrc. zsh and fish likewise.
    """
    if shell not in SHELLS:
        known = ", ".join(SHELLS)
        raise UsageError(f"there is no completion for {shell!r}", hint=f"there is one for {known}")
    # Typer offers it under its own option only, which would stand among those of every command.
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    print(get_completion_script(prog_name="kapp", complete_var=VARIABLE, shell=shell))


def resource_names(incomplete: str) -> list[str]:
    """The running engine's resources that begin with `incomplete`; none where none answers."""
    from kapp.cli.engines import running_instance
    from kapp.cli.resources import name_of, resources_of

    try:
        resources = resources_of(running_instance(""))
    except KappError:
        # What stands on the line already may be wrong; completing must not say so.
        return []
    return [name for name in map(name_of, resources) if name.startswith(incomplete)]


def prepare() -> None:
    """Teach Typer the shells; needed in the process that answers a script."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
