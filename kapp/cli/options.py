"""Options that several of the commands on objects have."""

from __future__ import annotations

from typing import Annotated

import typer

File = Annotated[str, typer.Option("--file", help="The Kappfile of the engine.")]
Output = Annotated[
    str, typer.Option("-o", "--output", help="yaml, json, name, jsonpath=…, custom-columns=…")
]
DryRun = Annotated[
    str, typer.Option("--dry-run", help="`client` or `server`: say what would be done.")
]
Selector = Annotated[str, typer.Option("-l", "--selector", help="Label selector.")]
FieldSelector = Annotated[str, typer.Option("--field-selector", help="Field selector.")]
All = Annotated[bool, typer.Option("--all", help="All objects of the kind.")]
