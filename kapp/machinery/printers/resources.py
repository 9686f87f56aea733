"""`kapp api-resources`: the kinds that are served. Source: k8s.io/kubectl/pkg/cmd/apiresources."""

from __future__ import annotations

from collections.abc import Sequence

from kapp.errors import KappError, UsageError
from kapp.machinery.printers.get import GetResult, failed
from kapp.machinery.printers.options import parse_get
from kapp.machinery.printers.tabwriter import TabWriter
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind

_COLUMNS = ("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND")
_WIDE = ("VERBS", "CATEGORIES")


def run_api_resources(registry: Registry, args: Sequence[str]) -> GetResult:
    """Run `kapp api-resources ARGS…`: `-o wide` or `name`, `--no-headers`; never raises."""
    try:
        # No kind is asked for; the other options are those of `get`.
        options = parse_get(["all", *args])
        if len(options.words) > 1:
            raise UsageError(
                f"unexpected arguments: [{' '.join(options.words[1:])}]",
                hint="see kapp api-resources --help",
            )
        if options.output not in ("", "wide", "name"):
            raise UsageError(f"--output {options.output} is not available", hint="wide or name")
    except KappError as error:
        return failed(error)
    kinds = sorted(registry.scheme, key=lambda kind: (kind.group, kind.plural))
    if options.output == "name":
        return GetResult("".join(f"{_name(kind)}\n" for kind in kinds), "", 0)
    wide = options.output == "wide"
    rows: list[tuple[str, ...]] = (
        [(*_COLUMNS, *_WIDE) if wide else _COLUMNS] if not options.no_headers else []
    )
    rows += [_row(kind, wide=wide) for kind in kinds]
    writer = TabWriter()
    writer.write("".join("\t".join(row) + "\n" for row in rows))
    return GetResult(writer.flush(), "", 0)


def _name(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def _row(kind: Kind, *, wide: bool) -> tuple[str, ...]:
    namespaced = "true" if kind.namespaced else "false"
    short_names = ",".join(kind.short_names)
    row = (kind.plural, short_names, kind.gvk.api_version, namespaced, kind.kind)
    if not wide:
        return row
    return (*row, ",".join(sorted(kind.verbs)), ",".join(kind.categories))
