"""`kapp apply -f`: makes objects of kapp's API as manifests say, as `kubectl apply` does."""

from __future__ import annotations

from kapp.cli.objects.api import APPLY_PATCH, Api, path_of
from kapp.cli.objects.manifests import read_manifests
from kapp.cli.objects.printing import CLIENT, Outcomes, each
from kapp.cli.render import say
from kapp.errors import UsageError
from kapp.machinery.objects import Object, name_of
from kapp.machinery.threeway import LAST_APPLIED, last_applied, three_way_patch, with_last_applied

# kubectl's, so that who types `kapp apply` has no conflict with having typed `kubectl apply`.
MANAGER, CLIENT_SIDE_MANAGER = "kubectl", "kubectl-client-side-apply"
_VALIDATION = {"strict": "Strict", "true": "Strict", "warn": "Warn", "ignore": "Ignore"}


def run(
    *,
    filename: list[str],
    recursive: bool,
    server_side: bool,
    force_conflicts: bool,
    field_manager: str,
    validate: str,
    dry_run: str,
    output: str,
    file: str,
) -> None:
    """Do it; the arguments are the options of `kapp/cli/apply.py`.

    Raises KappError, and typer.Exit where it has said itself what is wrong.
    """
    if validate not in _VALIDATION:
        raise UsageError(f'invalid --validate "{validate}"', hint="strict, warn or ignore")
    if force_conflicts and not server_side:
        raise UsageError("--force-conflicts only works with --server-side", hint="add it")
    outcomes = Outcomes(output, dry_run)
    if server_side and dry_run == CLIENT:
        raise UsageError("--dry-run=client doesn't work with --server-side", hint="use =server")
    api = Api(file)
    query = {**outcomes.query, "fieldValidation": _VALIDATION[validate]}
    query["fieldManager"] = field_manager or (MANAGER if server_side else CLIENT_SIDE_MANAGER)
    if force_conflicts:
        query["force"] = "true"
    act = _server_side if server_side else _client_side
    each(
        read_manifests(filename, recursive=recursive),
        outcomes,
        lambda obj: act(api, obj, outcomes, query),
    )


def _server_side(api: Api, obj: Object, outcomes: Outcomes, query: dict[str, str]) -> None:
    kind = api.kind_of(obj)
    applied = api.patch(kind, name_of(obj), obj, APPLY_PATCH, **query)
    outcomes.done(kind, applied, "serverside-applied")


def _client_side(api: Api, obj: Object, outcomes: Outcomes, query: dict[str, str]) -> None:
    kind = api.kind_of(obj)
    live = api.get(kind, name_of(obj))
    modified = with_last_applied(obj)
    if live is None:
        if outcomes.dry_run != CLIENT:
            modified = api.call("POST", path_of(kind), query=query, body=modified)
        outcomes.done(kind, modified, "created")
        return
    if LAST_APPLIED not in (live["metadata"].get("annotations") or {}):
        say(
            f"Warning: resource {kind.plural}/{name_of(obj)} is missing the {LAST_APPLIED} "
            "annotation which is required by kapp apply. kapp apply should only be used on "
            "resources created declaratively by kapp apply. The missing annotation will be "
            "patched automatically."
        )
    patch = three_way_patch(last_applied(live), modified, live)
    if not patch:
        outcomes.done(kind, live, "unchanged")
        return
    if outcomes.dry_run != CLIENT:
        live = api.patch(kind, name_of(obj), patch, **query)
    outcomes.done(kind, live, "configured")
