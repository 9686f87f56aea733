"""`kapp delete`: deletes objects of kapp's API, as `kubectl delete` does."""

from __future__ import annotations

from kapp.cli.objects.api import Api, path_of
from kapp.cli.objects.manifests import read_manifests
from kapp.cli.objects.printing import CLIENT, SERVER, Outcomes, failed
from kapp.cli.objects.waiting import Deadline, until_gone
from kapp.errors import KappError, UsageError
from kapp.machinery.objects import Object, name_of
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError

_PROPAGATION = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


def run(
    *,
    names: list[str] | None,
    filename: list[str] | None,
    selector: str,
    field_selector: str,
    everything: bool,
    cascade: str,
    ignore_not_found: bool,
    wait: bool,
    timeout: str,
    dry_run: str,
    output: str,
    file: str,
) -> None:
    """Do it; the arguments are the options of `kapp/cli/delete.py`.

    Raises KappError, and typer.Exit where it has said itself what is wrong.
    """
    if cascade not in _PROPAGATION:
        raise UsageError(
            f'invalid cascade value ({cascade}). Must be "background", "foreground", or "orphan"',
            hint="leave it out for background",
        )
    if output not in ("", "name"):
        raise UsageError(f"unexpected -o output mode: {output}", hint='use "-o name"')
    outcomes = Outcomes(output, dry_run)
    deadline = Deadline(timeout)
    api = Api(file)
    try:
        found = _found(api, list(names or ()), filename, selector, field_selector, everything)
    except UsageError:
        raise
    except KappError as error:
        raise failed(error) from error
    options = {"propagationPolicy": _PROPAGATION[cascade]}
    if dry_run == SERVER:
        options["dryRun"] = "All"
    deleted: list[tuple[Kind, str, str]] = []
    for kind, name in found:
        try:
            uid = _delete(api, kind, name, options, outcomes)
        except ApiError as error:
            if not (error.reason == "NotFound" and (ignore_not_found or everything or selector)):
                outcomes.refused(error)
        else:
            deleted.append((kind, name, uid))
    if not found and not outcomes.failed:
        print("No resources found")
    if wait and dry_run == "none":
        for kind, name, uid in deleted:
            until_gone(api, kind, name, uid, deadline)
    outcomes.finish()


def _delete(api: Api, kind: Kind, name: str, options: dict[str, str], outcomes: Outcomes) -> str:
    """Delete one; returns its uid. Raises ApiError."""
    if outcomes.dry_run == CLIENT:
        answer = api.call("GET", path_of(kind, name))
    else:
        dry = {"dryRun": [options["dryRun"]]} if "dryRun" in options else {}
        answer = api.call("DELETE", path_of(kind, name), body={**options, **dry})
    outcomes.deleted(kind, name)
    return _uid_of(answer)


def _uid_of(answer: Object) -> str:
    """The uid of what was deleted: in a Status, or in the object while something holds it."""
    details = answer.get("details") if answer["kind"] == "Status" else answer["metadata"]
    return str((details or {}).get("uid") or "")


def _found(
    api: Api,
    words: list[str],
    filenames: list[str] | None,
    selector: str,
    fields: str,
    everything: bool,
) -> list[tuple[Kind, str]]:
    """What is to be deleted. Raises KappError."""
    if filenames:
        objects = read_manifests(filenames)
        return [(api.kind_of(obj), name_of(obj)) for obj in objects]
    if not words:
        raise UsageError(
            "you must provide one or more resources by argument or filename",
            hint="say what to delete: kapp delete pf NAME, kapp delete -f FILE",
        )
    targets = api.targets(words, selector, fields).items
    if everything and any(name for _, name in targets):
        raise UsageError(
            "name cannot be provided when --all is given", hint="name objects, or delete all"
        )
    result: list[tuple[Kind, str]] = []
    for kind, name in targets:
        if name:
            result.append((kind, name))
            continue
        if not (everything or selector or fields):
            raise UsageError(
                "resource(s) were provided, but no name was specified",
                hint="name them, select them with -l, or say --all",
            )
        listed = api.list(kind, selector, fields)
        result += [(kind, name_of(obj)) for obj in listed["items"]]
    return result
