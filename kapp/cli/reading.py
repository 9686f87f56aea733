"""The help of the commands that only read; every other form of them is `kapp/cli/instant.py`'s."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from kapp.cli.options import Engine, FieldSelector, IgnoreNotFound, Selector

Objects = Annotated[
    list[str] | None,
    typer.Argument(metavar="KIND[,KIND…] [NAME…]", help="as for kubectl: kapp, pf/web, …"),
]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="No header line.")]


def get(
    names: Objects = None,
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="yaml, json, name, wide, jsonpath=…, custom-columns=…, go-template=… (or -file)",
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Keep printing changes.")] = False,
    watch_only: Annotated[
        bool, typer.Option("--watch-only", help="The same, without what there is now.")
    ] = False,
    events: Annotated[
        bool, typer.Option("--output-watch-events", help="Say of each change what happened.")
    ] = False,
    selector: Selector = "",
    field_selector: FieldSelector = "",
    sort_by: Annotated[str, typer.Option("--sort-by", help="JSONPath to sort by.")] = "",
    label_columns: Annotated[
        str, typer.Option("-L", "--label-columns", help="Labels to show as columns.")
    ] = "",
    show_labels: Annotated[
        bool, typer.Option("--show-labels", help="All labels in a column.")
    ] = False,
    show_kind: Annotated[
        bool, typer.Option("--show-kind", help="Names with the kind before them.")
    ] = False,
    show_managed_fields: Annotated[
        bool, typer.Option("--show-managed-fields", help="Who owns which field, in YAML and JSON.")
    ] = False,
    no_headers: NoHeaders = False,
    ignore_not_found: IgnoreNotFound = False,
    file: Engine = "",
) -> None:
    """Show objects, as kubectl does: `kapp get kapp web -o yaml`."""
    _elsewhere()


def describe(names: Objects = None, selector: Selector = "", file: Engine = "") -> None:
    """Show objects in words: `kapp describe kapp web`."""
    _elsewhere()


def explain(
    field: Annotated[
        str, typer.Argument(metavar="KIND[.FIELD…]", help="kubernetesapply, pf.spec.forwards, …")
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", help="The fields below, without their texts.")
    ] = False,
    file: Engine = "",
) -> None:
    """Show what a kind's fields mean: `kapp explain kapp.spec`."""
    _elsewhere()


def api_resources(
    output: Annotated[str, typer.Option("-o", "--output", help="wide or name")] = "",
    no_headers: NoHeaders = False,
    file: Engine = "",
) -> None:
    """Show the kinds that the engine serves."""
    _elsewhere()


def _elsewhere() -> NoReturn:
    raise AssertionError("kapp.cli.entry sends these down the instant path")
