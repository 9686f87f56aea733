"""Options and arguments that several commands have, each with its one help text."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from kapp.cli.completion import resource_names

Resources: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RESOURCE",
        autocompletion=resource_names,
        help="Only these, and what they depend on.",
    ),
]
Kappfile: TypeAlias = Annotated[
    str, typer.Option("-f", "--file", help="The Kappfile, or its directory.")
]
Cluster: TypeAlias = Annotated[
    str, typer.Option("--cluster", help="`embedded` for kapp's own cluster.")
]
Context: TypeAlias = Annotated[str, typer.Option("--context", help="A context of your kubeconfig.")]
Namespace: TypeAlias = Annotated[
    str, typer.Option("--namespace", help="For objects that name none.")
]

Engine: TypeAlias = Annotated[str, typer.Option("-f", "--file", help="The Kappfile of the engine.")]
# Where -f means something else, as it does for kubectl.
EngineLong: TypeAlias = Annotated[str, typer.Option("--file", help="The Kappfile of the engine.")]

Output: TypeAlias = Annotated[
    str, typer.Option("-o", "--output", help="yaml, json, name, jsonpath=…, custom-columns=…")
]
DryRun: TypeAlias = Annotated[
    str, typer.Option("--dry-run", help="`client` or `server`: say what would be done.")
]
FieldManager: TypeAlias = Annotated[
    str, typer.Option("--field-manager", help="Who is to own the fields.")
]
Selector: TypeAlias = Annotated[str, typer.Option("-l", "--selector", help="Label selector.")]
FieldSelector: TypeAlias = Annotated[str, typer.Option("--field-selector", help="Field selector.")]
AllOfKind: TypeAlias = Annotated[bool, typer.Option("--all", help="All objects of the kind.")]
IgnoreNotFound: TypeAlias = Annotated[
    bool, typer.Option("--ignore-not-found", help="Succeed when it is not there.")
]
