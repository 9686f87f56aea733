"""`kapp get -w`: what there is, then every change, as text to be pulled.

    found = watch_get(registry, ["kapp", "-w"])
    if isinstance(found, Watching):
        while not found.closed:
            print(found.take())         # until it is empty
            ...                         # then wait for on_wake

Synchronous, as the registry's own watches are: whoever holds the connection waits.
Source: k8s.io/kubectl/pkg/cmd/get/get.go, watch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from kapp.errors import KappError, UsageError
from kapp.machinery.objects import Object
from kapp.machinery.printers import formats
from kapp.machinery.printers.get import (
    EXIT_DONE,
    GetResult,
    failed,
    fetch,
    namespace_of,
    new_table_printer,
    read_text,
    run_get,
    table_of,
)
from kapp.machinery.printers.options import GetOptions, ReadFile, parse_get
from kapp.machinery.printers.tabwriter import TabWriter
from kapp.machinery.printers.targets import Target, find_targets
from kapp.machinery.registry import Registry
from kapp.machinery.status import ApiError

_SORT_IGNORED = "warning: --watch or --watch-only requested, --sort-by will be ignored\n"

_Print: TypeAlias = Callable[[list[Object], str], str]
"""The text of some objects that an event of a type ("" for none) is about."""


class Watching:
    """A running `get -w`.

    `take` until it returns nothing, then wait for `on_wake`, which is called from within a write
    to the store and must not block. Closed by `close`, or by an error: then `result` says which.

    Attributes:
        warning: what to print to stderr, before anything else.
    """

    def __init__(
        self, registry: Registry, options: GetOptions, target: Target, print_objects: _Print
    ) -> None:
        page = fetch(registry, options, target)
        self.warning = _SORT_IGNORED if options.sort_by else ""
        self._options = options
        self._print = print_objects
        self._error: KappError | None = None
        self._first = [] if options.watch_only else page.objects()
        self._selection = registry.watch(
            target.kind,
            namespace_of(options, target.kind),
            resource_version=page.resource_version,
            label_selector=options.selector,
            field_selector=_name_selector(target.name) or options.field_selector,
        )

    def take(self) -> str:
        """What there is to print; "" when there is nothing yet, and once it is closed."""
        try:
            if self._first:
                first, self._first = self._first, []
                return self._print(first, self._event("ADDED"))
            return "".join(
                self._print([event.object()], self._event(event.type))
                for event in self._selection.take()
            )
        except KappError as error:
            self._error = error
            self.close()
            return ""

    def _event(self, change: str) -> str:
        return change if self._options.events else ""

    def on_wake(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when there is more to take, and when it is closed by an error."""
        self._selection.on_wake(callback)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._selection.closed

    def close(self) -> None:
        """End it. Safe to call twice."""
        self._selection.close()

    def result(self) -> GetResult:
        """How it ended; stdout is empty, for it has been taken."""
        error = self._error or self._selection.error
        return GetResult("", "", EXIT_DONE) if error is None else failed(error)


def watch_get(
    registry: Registry, args: Sequence[str], *, read_file: ReadFile = read_text
) -> Watching | GetResult:
    """Run `kapp get ARGS…`, with or without `-w`; never raises.

    Without `-w`, or if it cannot even begin, it is done and this is its result. See `run_get` for
    the arguments.
    """
    try:
        options = parse_get(args)
        if not options.watch:
            return run_get(registry, args, read_file=read_file)
        target = _one_target(registry, options)
        printer = _printer(registry, options, target, read_file)
        try:
            return Watching(registry, options, target, printer)
        except ApiError as error:
            if options.ignore_not_found and error.reason == "NotFound":
                return GetResult("", "", EXIT_DONE)
            raise
    except KappError as error:
        return failed(error)


def _one_target(registry: Registry, options: GetOptions) -> Target:
    targets = find_targets(registry.scheme, options).items
    if len({target.kind.gvk for target in targets}) > 1:
        raise UsageError(
            "you may only specify a single resource type",
            hint="watch one kind, or one object",
        )
    if len(targets) > 1:
        raise UsageError(
            "you may only watch a single resource or type of resource at a time",
            hint="select several with -l, or watch all of the kind",
        )
    return targets[0]


def _name_selector(name: str) -> str:
    for char in "\\,=":
        name = name.replace(char, f"\\{char}")
    return f"metadata.name={name}" if name else ""


def _printer(
    registry: Registry, options: GetOptions, target: Target, read_file: ReadFile
) -> _Print:
    if options.as_table:
        return _table_printer(registry, options, target)
    printer = formats.new_printer(options, read_file)

    def print_objects(objects: list[Object], event: str) -> str:
        shown = [formats.event_of(event, obj) if event else obj for obj in objects]
        if options.output.startswith("custom-columns"):
            return printer(formats.list_of(shown))
        return "".join(map(printer, shown))

    if options.output == "name":
        return lambda objects, _: "".join(map(printer, objects))
    return print_objects


def _table_printer(registry: Registry, options: GetOptions, target: Target) -> _Print:
    writer = TabWriter()
    printer = new_table_printer(
        options,
        writer,
        target.kind,
        with_kind=options.show_kind,
        with_namespace=options.all_namespaces and target.kind.namespaced,
    )

    def print_rows(objects: list[Object], event: str) -> str:
        printer.write(table_of(registry, target.kind, objects), event)
        return writer.flush()

    return print_rows
