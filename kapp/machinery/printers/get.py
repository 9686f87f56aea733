"""`kapp get` on a registry: from the words of a command line to what it prints.

    run_get(registry, ["kapp", "web", "-o", "yaml"]) -> GetResult(stdout, stderr, exit_code)

Never raises: every error becomes text, as on any command line. Changes (`-w`) are `watch.py`'s.
Source: k8s.io/kubectl/pkg/cmd/get/get.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kapp.errors import KappError, UsageError
from kapp.machinery.objects import Object, ObjectKey
from kapp.machinery.paging import Page
from kapp.machinery.printers import formats
from kapp.machinery.printers.options import GetOptions, ReadFile, parse_get
from kapp.machinery.printers.sorting import sort_by
from kapp.machinery.printers.tables import TablePrinter
from kapp.machinery.printers.tabwriter import TabWriter
from kapp.machinery.printers.targets import Target, Targets, find_targets
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError
from kapp.machinery.table import render_table

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

DEFAULT_NAMESPACE = "default"


class GetResult(NamedTuple):
    """What the command prints, and how it ends."""

    stdout: str
    stderr: str
    exit_code: int


def read_text(path: str) -> str:
    """Read a file by its path. Raises OSError, UnicodeDecodeError."""
    return Path(path).read_text(encoding="utf-8")


def run_get(
    registry: Registry, args: Sequence[str], *, read_file: ReadFile = read_text
) -> GetResult:
    """Run `kapp get ARGS…`, once; `-w` is ignored.

    Args:
        registry: where the objects are.
        args: what follows `get`.
        read_file: reads the files that `-o jsonpath-file=` and `-o custom-columns-file=` name,
            relative to where the user is.
    """
    try:
        options = parse_get(args)
        targets = find_targets(registry.scheme, options)
        if options.as_table:
            return _print_tables(registry, options, targets)
        return _print_objects(registry, options, targets, read_file)
    except KappError as error:
        return failed(error)


def failed(error: KappError) -> GetResult:
    """The result of a command that could not run at all."""
    code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    return GetResult("", error_text(error), code)


def error_text(error: KappError) -> str:
    """An error as the command shows it, ending in a newline."""
    if isinstance(error, ApiError):
        return f"Error from server ({error.reason}): {error.message}\n"
    hint = f"hint: {error.hint}\n" if error.hint else ""
    return f"error: {error}\n{hint}"


def fetch(registry: Registry, options: GetOptions, target: Target) -> Page:
    """The objects of a target as a page. Raises ApiError, in kubectl's words."""
    kind, namespace = target.kind, namespace_of(options, target.kind)
    if target.name:
        body = registry.read(kind, ObjectKey(namespace, target.name))
        return Page([body], str(registry.store.resource_version))
    try:
        return registry.list(
            kind,
            namespace,
            label_selector=options.selector,
            field_selector=options.field_selector,
        )
    except ApiError as error:
        gvk = kind.gvk
        raise ApiError(
            error.code,
            error.reason,
            f'Unable to find "{gvk.group}/{gvk.version}, Resource={kind.plural}" that match label '
            f'selector "{options.selector}", field selector "{options.field_selector}": '
            f"{error.message}",
        ) from error


def namespace_of(options: GetOptions, kind: Kind) -> str:
    """The namespace to look in; "" for all, and for kinds without."""
    if options.all_namespaces or not kind.namespaced:
        return ""
    return options.namespace or DEFAULT_NAMESPACE


class Fetched(NamedTuple):
    """What was found, target by target, and what was not."""

    pages: list[tuple[Kind, Page]]
    errors: list[ApiError]

    def result(self, stdout: str, stderr: str = "") -> GetResult:
        """What the command prints, and the errors after it."""
        texts = dict.fromkeys(error_text(error) for error in self.errors)
        return GetResult(stdout, stderr + "".join(texts), EXIT_FAILED if self.errors else EXIT_DONE)


def _fetch_all(registry: Registry, options: GetOptions, targets: Targets) -> Fetched:
    fetched = Fetched([], [])
    for target in targets.items:
        try:
            fetched.pages.append((target.kind, fetch(registry, options, target)))
        except ApiError as error:
            if not (options.ignore_not_found and error.reason == "NotFound"):
                fetched.errors.append(error)
    return fetched


def _print_objects(
    registry: Registry, options: GetOptions, targets: Targets, read_file: ReadFile
) -> GetResult:
    """One object if exactly one is named, else a List."""
    printer = formats.new_printer(options, read_file)
    fetched = _fetch_all(registry, options, targets)
    objects = [obj for _, page in fetched.pages for obj in page.objects()]
    if not objects and (targets.single or options.ignore_not_found):
        return fetched.result("")
    if targets.single:
        return fetched.result(printer(objects[0]))
    return fetched.result(printer(formats.list_of(in_order(options, objects))))


def _print_tables(registry: Registry, options: GetOptions, targets: Targets) -> GetResult:
    fetched = _fetch_all(registry, options, targets)
    with_kind = options.show_kind or len({kind.gvk for kind, _ in fetched.pages}) > 1
    writer = TabWriter()
    sections: list[str] = []
    printer: TablePrinter | None = None
    last: Kind | None = None
    with_namespace = False
    for kind, page in fetched.pages:
        if printer is None or last is None or kind.gvk != last.gvk:
            sections.append(writer.flush())
            writer.forget_widths()
            # Once shown, kubectl goes on to show it, for kinds without namespaces too.
            with_namespace |= options.all_namespaces and kind.namespaced
            printer = new_table_printer(
                options, writer, kind, with_kind=with_kind, with_namespace=with_namespace
            )
            last = kind
        printer.write(table_of(registry, kind, in_order(options, page.objects())))
    sections.append(writer.flush())
    text = ("" if options.no_headers else "\n").join(filter(None, sections))
    if text or fetched.errors or options.ignore_not_found:
        return fetched.result(text)
    return fetched.result("", _nothing_found(options, targets))


def in_order(options: GetOptions, objects: list[Object]) -> list[Object]:
    """The objects as `--sort-by` wants them. Raises KappError if they have no such order."""
    return sort_by(options.sort_by, objects) if options.sort_by and objects else objects


def new_table_printer(
    options: GetOptions, writer: TabWriter, kind: Kind, *, with_kind: bool, with_namespace: bool
) -> TablePrinter:
    """The printer of one kind's tables."""
    qualified = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return TablePrinter(
        options,
        writer,
        kind=qualified.lower() if with_kind else "",
        with_namespace=with_namespace,
    )


def table_of(registry: Registry, kind: Kind, objects: list[Object]) -> Object:
    """The server's table of some objects of a kind."""
    return render_table(kind, objects, registry.now())


def _nothing_found(options: GetOptions, targets: Targets) -> str:
    namespaced = all(target.kind.namespaced for target in targets.items)
    if namespaced and not options.all_namespaces:
        return f"No resources found in {options.namespace or DEFAULT_NAMESPACE} namespace.\n"
    return "No resources found\n"
