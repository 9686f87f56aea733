"""`kapp get -w`: what there is, then every change, as text to be pulled.

    watching = watch_get(registry, ["kapp", "-w"])
    watching.on_wake(woken.set)
    while not watching.ended:
        woken.clear()
        show(watching.take())
        ...                         # wait until woken

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
    in_order,
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
from kapp.machinery.watching import Selection

_SORT_IGNORED = "warning: --watch or --watch-only requested, --sort-by will be ignored\n"

_NOTHING = GetResult("", "", EXIT_DONE)

_Show: TypeAlias = Callable[[list[Object], str], str]
"""The text of some objects, to which an event of that type happened."""


class Watching:
    """A running `get -w`.

    `take`, then wait for `on_wake`, which is called from within a write to the store and must not
    block; again until `ended`: by `close`, or by an error, which the last `take` tells.
    """

    def __init__(
        self, result: GetResult, selection: Selection | None = None, show: _Show | None = None
    ) -> None:
        self._result = result
        self._selection = selection
        self._show = show

    def take(self) -> GetResult:
        """All there is to print now; the exit code counts once it has ended."""
        result, self._result = self._result, _NOTHING
        texts = [result.stdout]
        try:
            # Until nothing is left: only then does the selection wake anyone.
            while self._selection and self._show and (events := self._selection.take()):
                texts += [self._show([event.object()], event.type) for event in events]
        except KappError as error:
            self.close()
            result = failed(error)
        if self._selection is not None and self._selection.error is not None:
            result = failed(self._selection.error)
        return result._replace(stdout="".join(texts))

    def on_wake(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when there is more to take, and when an error has ended it."""
        if self._selection is not None:
            self._selection.on_wake(callback)

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more but what can be taken now."""
        return self._selection is None or self._selection.closed

    def close(self) -> None:
        """End it. Safe to call twice."""
        if self._selection is not None:
            self._selection.close()


def watch_get(
    registry: Registry, args: Sequence[str], *, read_file: ReadFile = read_text
) -> Watching:
    """Run `kapp get ARGS…` and watch; never raises.

    What cannot begin, or does not ask to watch, has ended already. See `run_get` for the
    arguments.
    """
    try:
        options = parse_get(args)
        if not options.watch:
            return Watching(run_get(registry, args, read_file=read_file))
        target = _one_target(registry, options)
        show = _new_show(registry, options, target, read_file)
        try:
            page = fetch(registry, options, target)
        except ApiError as error:
            if options.ignore_not_found and error.reason == "NotFound":
                return Watching(_NOTHING)
            raise
        objects = [] if options.watch_only else page.objects()
        if options.as_table:
            objects = in_order(options, objects)
        begun = GetResult(
            show(objects, "ADDED") if objects else "",
            _SORT_IGNORED if options.sort_by else "",
            EXIT_DONE,
        )
        selection = registry.watch(
            target.kind,
            namespace_of(options, target.kind),
            resource_version=page.resource_version,
            label_selector=options.selector,
            field_selector=_name_selector(target.name) or options.field_selector,
        )
        return Watching(begun, selection, show)
    except KappError as error:
        return Watching(failed(error))


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


def _new_show(
    registry: Registry, options: GetOptions, target: Target, read_file: ReadFile
) -> _Show:
    if options.as_table:
        return _table_show(registry, options, target)
    printer = formats.new_printer(options, read_file)

    def show(objects: list[Object], event: str) -> str:
        if options.events and options.output != "name":
            objects = [formats.event_of(event, obj) for obj in objects]
        if options.output.startswith("custom-columns"):
            return printer(formats.list_of(objects))
        return "".join(map(printer, objects))

    return show


def _table_show(registry: Registry, options: GetOptions, target: Target) -> _Show:
    writer = TabWriter()
    printer = new_table_printer(
        options,
        writer,
        target.kind,
        with_kind=options.show_kind,
        with_namespace=options.all_namespaces and target.kind.namespaced,
    )

    def show(objects: list[Object], event: str) -> str:
        table = table_of(registry, target.kind, objects)
        printer.write(table, event if options.events else "")
        return writer.flush()

    return show
