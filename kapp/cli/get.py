"""`kapp get --help`; every other form of it is `kapp/cli/instant.py`'s."""

from __future__ import annotations

from typing import Annotated

import typer


def get(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="KIND[,KIND…] [NAME…]", help="as for kubectl: kapp, pf/web, …"),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="yaml, json, name, wide, jsonpath=…, custom-columns=…, go-template=… (or -file)",
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Keep printing changes.")] = False,
    selector: Annotated[str, typer.Option("-l", "--selector", help="Label selector.")] = "",
    field_selector: Annotated[str, typer.Option("--field-selector", help="Field selector.")] = "",
    sort_by: Annotated[str, typer.Option("--sort-by", help="JSONPath to sort by.")] = "",
    no_headers: Annotated[bool, typer.Option("--no-headers", help="No header line.")] = False,
    ignore_not_found: Annotated[
        bool, typer.Option("--ignore-not-found", help="Succeed when it is not there.")
    ] = False,
    file: Annotated[str, typer.Option("-f", "--file", help="The Kappfile of the engine.")] = "",
) -> None:
    """Show objects of the engine, in kubectl's formats: `kapp get kapp example-go -o yaml`."""
    raise AssertionError("kapp.cli.entry sends `get` down the instant path")
