"""Whole objects in every format but tables: yaml, json, name, jsonpath, custom columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from kapp.errors import KappError
from kapp.machinery import gojson, jsonpath
from kapp.machinery.objects import Object, gvk_of, metadata_of, name_of
from kapp.machinery.printers import columns
from kapp.machinery.printers.options import GetOptions, ReadFile

_INDENT = "    "

ObjectPrinter: TypeAlias = Callable[[Object], str]
"""The text of one object, or of a List of them."""


def new_printer(options: GetOptions, read_file: ReadFile) -> ObjectPrinter:
    """The printer that `-o` asks for; it remembers what it printed (headers, separators).

    Raises KappError for a template or a file that cannot be read.
    """
    match options.output:
        case "json":
            return lambda obj: _json(obj, options)
        case "yaml":
            return _Documents(options).print
        case "name":
            return lambda obj: "".join(f"{_name(item)}\n" for item in items_of(obj))
    template = options.template
    if options.output.endswith("-file"):
        template = _read(options, read_file)
    if options.output.startswith("custom-columns"):
        from_text = columns.from_file if options.output.endswith("-file") else columns.from_spec
        printer = columns.ColumnsPrinter(from_text(template), no_headers=options.no_headers)
        return lambda obj: printer.print(items_of(obj))
    if options.output.startswith("go-template"):
        from kapp.machinery import gotemplate

        return gotemplate.compile(template).render
    path = jsonpath.compile(template)
    if options.output == "jsonpath-as-json":
        return lambda obj: "".join(
            f"{gojson.encode(values, _INDENT)}\n" for values in path.find_each(obj)
        )
    return path.render


def list_of(objects: list[Object]) -> Object:
    """The List that kubectl makes of several objects."""
    return {
        "apiVersion": "v1",
        "items": objects,
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }


def items_of(obj: Object) -> list[Object]:
    """The objects in a List; any other object alone."""
    if obj.get("kind") == "List" and obj.get("apiVersion") == "v1":
        return list(obj["items"])
    return [obj]


def event_of(change: str, obj: Object) -> Object:
    """A watch event about an object, as something to print."""
    return {"type": change, "object": obj}


def _json(obj: Object, options: GetOptions) -> str:
    if "kind" in obj:
        return gojson.encode(_shown(obj, options), _INDENT) + "\n"
    # An event: kubectl prints it on one line, in the order of its fields.
    pairs = (f'"{name}":{gojson.encode(value)}' for name, value in obj.items())
    return f"{{{','.join(pairs)}}}\n"


class _Documents:
    """YAML; every document but the first after a separator."""

    def __init__(self, options: GetOptions) -> None:
        self._options = options
        self._separator = ""

    def print(self, obj: Object) -> str:
        from kapp.yamlio import dump

        separator, self._separator = self._separator, "---\n"
        return separator + dump(_shown(obj, self._options))


def _shown(obj: Object, options: GetOptions) -> Object:
    """The object without the fields that only machines read."""
    if options.show_managed_fields:
        return obj
    shown = [_without_managed_fields(item) for item in items_of(obj)]
    return {**obj, "items": shown} if shown and items_of(obj)[0] is not obj else (shown or [obj])[0]


def _without_managed_fields(obj: Object) -> Object:
    meta = metadata_of(obj)
    if "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}


def _name(obj: Object) -> str:
    gvk = gvk_of(obj)
    kind = f"{gvk.kind}.{gvk.group}" if gvk.group else gvk.kind
    return f"{kind.lower()}/{name_of(obj)}"


def _read(options: GetOptions, read_file: ReadFile) -> str:
    try:
        return read_file(options.template)
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        flag = "" if options.output.startswith("custom") else "--"
        raise KappError(
            f"error reading {flag}template {options.template}, open {options.template}: {reason}",
            hint=f"write -o {options.output}=PATH",
        ) from error
