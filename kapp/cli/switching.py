"""`kapp enable` and `kapp disable`: which resources run.

A resource is disabled while the ConfigMap `NAME-disable` of kapp's API says so; it says so until
somebody says otherwise, reloads of the Kappfile included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

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
from kapp.instance import Instance

Names: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", autocompletion=resource_names)
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="All resources.")]
Labels: TypeAlias = Annotated[
    list[str] | None, typer.Option("-l", "--labels", help="Resources with all of these labels.")
]


def enable(
    names: Names = None,
    everything: All = False,
    labels: Labels = None,
    only: Annotated[bool, typer.Option("--only", help="And disable all others.")] = False,
    file: Engine = "",
) -> None:
    """Apply resources that were disabled, and keep them in line."""
    instance = running_instance(file)
    states = _states(instance)
    chosen = _chosen(instance, states, names or (), everything, labels or ())
    if only:
        _switch(instance, [n for n in states if n not in chosen], states, disabled=True)
    _switch(instance, chosen, states, disabled=False)


def disable(
    names: Names = None, everything: All = False, labels: Labels = None, file: Engine = ""
) -> None:
    """Delete what resources applied, until they are enabled.

    Their forwards and logs end, too; reloads of the Kappfile change nothing of it.
    """
    instance = running_instance(file)
    states = _states(instance)
    chosen = _chosen(instance, states, names or (), everything, labels or ())
    _switch(instance, chosen, states, disabled=True)


def _states(instance: Instance) -> dict[str, bool]:
    """Whether each resource is disabled; without the Kappfile's own."""
    switches = disabled_switches(instance)
    names = map(name_of, resources_of(instance))
    found = {name: switch_of(name) in switches for name in names}
    found.pop(KAPPFILE, None)
    return found


def _chosen(
    instance: Instance,
    states: dict[str, bool],
    names: Sequence[str],
    everything: bool,
    labels: Sequence[str],
) -> list[str]:
    if everything and (names or labels):
        raise UsageError("there are names or labels, and --all", hint="leave one of them out")
    if not (everything or names or labels):
        raise UsageError("no resource is named", hint="name some, or labels with -l, or say --all")
    if everything:
        return list(states)
    if not set(names) <= states.keys():
        raise unknown(names, list(states))
    chosen = set(names)
    if labels:
        found = {name_of(one) for one in resources_of(instance, ",".join(labels))}
        if not found:
            raise KappError(
                f"no resource has the labels {', '.join(labels)}",
                hint="`kapp get uiresources --show-labels` shows which have",
            )
        chosen |= found
    return [name for name in states if name in chosen]


def _switch(
    instance: Instance, names: Sequence[str], states: dict[str, bool], *, disabled: bool
) -> None:
    word = "disabled" if disabled else "enabled"
    for name in names:
        if not patch(
            instance,
            "configmaps",
            switch_of(name),
            {"data": {"isDisabled": str(disabled).lower()}},
        ):
            raise KappError(
                f"{name} cannot be {word}: it has no ConfigMap {name}-disable",
                hint="`kapp trigger '(Kappfile)'` makes it again",
            )
        say(f"{name} was {word} already" if states[name] == disabled else f"{word} {name}")
