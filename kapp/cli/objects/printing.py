"""What became of an object, and of a request that was refused, in kubectl's words.

Source: k8s.io/cli-runtime/pkg/printers/name.go, k8s.io/kubectl/pkg/cmd/util/helpers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from kapp.cli.render import EXIT_FAILED, EXIT_USAGE, say
from kapp.errors import KappError, UsageError
from kapp.machinery.objects import Object, name_of
from kapp.machinery.printers.formats import list_of, new_printer
from kapp.machinery.printers.get import error_text
from kapp.machinery.printers.options import GetOptions, parse_get
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError

NONE, CLIENT, SERVER = "none", "client", "server"


class Outcomes:
    """Collects what became of objects and prints it as `-o` says. Raises UsageError.

    Lines are printed as they come; whole objects at the end, more than one in a List.
    """

    def __init__(self, output: str = "", dry_run: str = NONE) -> None:
        if dry_run not in (NONE, CLIENT, SERVER):
            raise UsageError(
                f"invalid dry-run value ({dry_run}). Must be none, server, or client",
                hint="leave --dry-run out to do it",
            )
        self.options: GetOptions = parse_get(["x", "-o", output] if output else ["x"])
        if self.options.output == "wide":
            raise UsageError("tables are what `kapp get` prints", hint="use -o yaml")
        self.dry_run = dry_run
        self.failed = False
        self._objects: list[Object] = []

    @property
    def query(self) -> dict[str, str]:
        """The parameter of a request that is a dry run."""
        return {"dryRun": "All"} if self.dry_run == SERVER else {}

    def done(self, kind: Kind, obj: Object, what: str) -> None:
        """One object is done with."""
        match self.options.output:
            case "":
                print(f"{qualified(kind, name_of(obj))} {what}{self._dry_run_note()}", flush=True)
            case "name":
                print(qualified(kind, name_of(obj)), flush=True)
            case _:
                self._objects.append(obj)

    def deleted(self, kind: Kind, name: str, what: str = "deleted") -> None:
        """One object is deleted."""
        if self.options.output == "name":
            print(qualified(kind, name), flush=True)
        else:
            label = f"{kind.singular_name}.{kind.group}" if kind.group else kind.singular_name
            print(f'{label} "{name}" {what}{self._dry_run_note()}', flush=True)

    def refused(self, error: KappError) -> None:
        """One object is not done; go on with the others."""
        self.failed = True
        say(refusal(error).rstrip("\n"))

    def finish(self) -> None:
        """Print what is left to print; exits with 1 if something was refused."""
        if self._objects:
            printer = new_printer(self.options, lambda path: Path(path).read_text(encoding="utf-8"))
            one = len(self._objects) == 1
            print(printer(self._objects[0] if one else list_of(self._objects)), end="")
        if self.failed:
            raise typer.Exit(EXIT_FAILED)

    def _dry_run_note(self) -> str:
        return {NONE: "", CLIENT: " (dry run)", SERVER: " (server dry run)"}[self.dry_run]


def qualified(kind: Kind, name: str) -> str:
    """`kubernetesapply.kapp.dev/web`."""
    group = f".{kind.group}" if kind.group else ""
    return f"{kind.kind.lower()}{group}/{name}"


def refusal(error: KappError) -> str:
    """An error as kubectl shows it, ending in a newline."""
    if not isinstance(error, ApiError) or error.reason != "Invalid":
        return error_text(error)
    kind, name = error.details.get("kind") or "", error.details.get("name") or ""
    if not kind and not name:
        causes = "; ".join(f"{c.field}: {c.message}" for c in error.causes)
        return f"The request is invalid: {causes or error.message}\n"
    head = f'The {kind} "{name}" is invalid'
    if len(error.causes) == 1:
        return f"{head}: {error.causes[0].field}: {error.causes[0].message}\n"
    listed = "".join(f"\n* {c.field}: {c.message}" for c in error.causes)
    return f"{head}: {listed}\n" if listed else f"{head}\n"


def each(objects: Sequence[Object], outcomes: Outcomes, act: Callable[[Object], None]) -> None:
    """Do something with each object; what one is refused does not stop the others."""
    for obj in objects:
        try:
            act(obj)
        except UsageError:
            raise
        except KappError as error:
            outcomes.refused(error)
    outcomes.finish()


def failed(error: KappError) -> typer.Exit:
    """Say what an error says, for a command that is about one thing; the exit to raise."""
    say(refusal(error).rstrip("\n"))
    return typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED)
