"""`kapp edit`: changes an object of kapp's API in an editor, as `kubectl edit` does."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from kapp.cli.objects.api import Api, path_of
from kapp.cli.objects.printing import Outcomes, failed, refusal
from kapp.cli.render import say
from kapp.errors import ConfigError, KappError, UsageError
from kapp.machinery.objects import Object, name_of
from kapp.machinery.scheme import Kind

_MANAGER = "kubectl-edit"
_HEAD = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def run(
    *,
    names: list[str],
    output: str,
    file: str,
) -> None:
    """Do it; the arguments are the options of `kapp/cli/edit.py`.

    Raises KappError, and typer.Exit where it has said itself what is wrong.
    """
    outcomes = Outcomes(output)
    api = Api(file)
    try:
        for kind, name in api.targets(names).items:
            if not name:
                raise UsageError("resource name may not be empty", hint="write KIND/NAME")
            _edit(api, kind, api.call("GET", path_of(kind, name)), outcomes)
    except UsageError:
        raise
    except KappError as error:
        raise failed(error) from error
    outcomes.finish()


def _edit(api: Api, kind: Kind, live: Object, outcomes: Outcomes) -> None:
    from kapp.yamlio import dump, load

    before = _without_managers(live)
    text, problem = dump(before), ""
    with tempfile.TemporaryDirectory(prefix="kapp-edit-") as directory:
        path = Path(directory, f"{kind.plural}.yaml")
        while True:
            path.write_text(_HEAD + problem + text, encoding="utf-8")
            _run_editor(path)
            edited = _content(path.read_text(encoding="utf-8"))
            if not edited.strip() or edited == text:
                _cancelled(edited, path, bool(problem))
                return
            text = edited
            try:
                wanted = load(text, path.name)
                if not isinstance(wanted, dict) or name_of(wanted) != name_of(live):
                    raise ConfigError(
                        "At least one of apiVersion, kind and name was changed",
                        hint="to make another object: `kapp apply -f`",
                    )
                changes = _difference(before, wanted)
                if not changes:
                    say("Edit cancelled, no changes made.")
                    return
                done = api.patch(kind, name_of(live), changes, fieldManager=_MANAGER)
            except KappError as error:
                told = refusal(error).rstrip("\n")
                problem = "".join(f"# {line}\n" for line in told.splitlines()) + "#\n"
                say(told)
            else:
                outcomes.done(kind, done, "edited")
                return


def _cancelled(edited: str, path: Path, after_error: bool) -> None:
    """Nothing is to be saved. Raises KappError if something was, and could not be."""
    if not after_error:
        say(f"Edit cancelled, {'no changes made' if edited.strip() else 'saved file was empty'}.")
        return
    descriptor, copy = tempfile.mkstemp(prefix="kapp-edit-", suffix=".yaml")
    with open(descriptor, "w", encoding="utf-8") as kept:
        kept.write(path.read_text(encoding="utf-8"))
    raise KappError(
        "Edit cancelled, no valid changes were saved", hint=f"a copy of yours is in {copy}"
    )


def _run_editor(path: Path) -> None:
    names = ("KUBE_EDITOR", "VISUAL", "EDITOR")
    editor = next(filter(None, map(os.environ.get, names)), "vi")
    # As kubectl does: the value may hold arguments and quotes.
    done = subprocess.run(["sh", "-c", f'{editor} "$1"', "kapp-edit", path], check=False)
    if done.returncode:
        raise KappError(
            f'there was a problem with the editor "{editor}"', hint="set EDITOR to one that works"
        )


def _content(text: str) -> str:
    """What is not a comment of the head; comments inside are YAML's business."""
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return "".join(lines)


def _without_managers(obj: Object) -> Object:
    metadata = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return {**obj, "metadata": metadata}


def _difference(before: Any, after: Any) -> Object:
    """The merge patch from one object to another."""
    result: Object = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            result[name] = value
        elif isinstance(value, dict) and isinstance(before[name], dict):
            if below := _difference(before[name], value):
                result[name] = below
        elif before[name] != value:
            result[name] = value
    return result
