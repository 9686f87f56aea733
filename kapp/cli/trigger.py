"""`kapp trigger`: applies a resource again, now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from kapp.cli.completion import resource_names
from kapp.cli.engines import running_instance
from kapp.cli.options import Engine
from kapp.cli.render import say
from kapp.cli.resources import (
    KAPPFILE,
    disabled_switches,
    name_of,
    patch,
    resources_of,
    switch_of,
    unknown,
)
from kapp.errors import KappError, UsageError

_TRIGGER = "kapp.dev/trigger"
_FORCE = "kapp.dev/trigger-force"
# What can stand behind a resource, the most frequent first.
_KINDS = ("kubernetesapplys", "cmds")


def trigger(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            autocompletion=resource_names,
            help="Resources; `(Kappfile)` is the file itself.",
        ),
    ],
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Delete its objects first, and create them again; but not Namespaces, CRDs and"
            " volumes, and nothing annotated with `kapp.dev/down-policy: keep`.",
        ),
    ] = False,
    file: Engine = "",
) -> None:
    """Apply resources again, now.

    This undoes drift, runs Jobs again, and restarts what would not change.
    """
    instance = running_instance(file)
    resources = [name_of(one) for one in resources_of(instance)]
    if not set(names) <= set(resources):
        raise unknown(names, resources)
    if force and KAPPFILE in names:
        raise UsageError("the Kappfile has nothing to delete", hint="leave --force out")
    disabled = disabled_switches(instance)
    for name in names:
        if switch_of(name) in disabled:
            raise KappError(f"{name} is disabled", hint=f"enable it first: `kapp enable {name}`")
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    annotations = {_TRIGGER: moment, _FORCE: moment} if force else {_TRIGGER: moment}
    for name in names:
        kinds = ("kappfiles",) if name == KAPPFILE else _KINDS
        changes = {"metadata": {"annotations": annotations}}
        if not any(patch(instance, kind, name, changes) for kind in kinds):
            raise KappError(f"{name} is gone", hint="look at `kapp get uiresources`")
        say(f"triggered {name}")
