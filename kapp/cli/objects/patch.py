"""`kapp patch`: changes some fields of an object of kapp's API, as `kubectl patch` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kapp.cli.objects.api import JSON_PATCH, MERGE_PATCH, Api, path_of
from kapp.cli.objects.printing import CLIENT, Outcomes, failed
from kapp.errors import ConfigError, KappError, UsageError
from kapp.machinery.patch import json_patch, merge_patch

_TYPES = {"merge": MERGE_PATCH, "json": JSON_PATCH}


def run(
    *,
    names: list[str],
    changes: str,
    patch_file: str,
    how: str,
    subresource: str,
    field_manager: str,
    dry_run: str,
    output: str,
    file: str,
) -> None:
    """Do it; the arguments are the options of `kapp/cli/patch.py`.

    Raises KappError, and typer.Exit where it has said itself what is wrong.
    """
    if how not in _TYPES:
        raise UsageError(
            f"--type must be one of [json merge], not {how!r}",
            hint="strategic patches are for the kinds of Kubernetes itself",
        )
    body = _body(changes, patch_file)
    outcomes = Outcomes(output, dry_run)
    api = Api(file)
    try:
        for kind, name in api.targets(names).items:
            if not name:
                raise UsageError("resource name may not be empty", hint="write KIND/NAME")
            live = api.call("GET", path_of(kind, name))
            if dry_run == CLIENT:
                patched = json_patch(live, body) if how == "json" else merge_patch(live, body)
            else:
                query = {**outcomes.query, "fieldManager": field_manager}
                query["subresource"] = subresource
                patched = api.patch(kind, name, body, _TYPES[how], **query)
            changed = patched != live
            outcomes.done(kind, patched, "patched" if changed else "patched (no change)")
    except UsageError:
        raise
    except KappError as error:
        raise failed(error) from error
    outcomes.finish()


def _body(text: str, path: str) -> Any:
    """The patch. Raises UsageError, ConfigError."""
    from kapp.yamlio import load

    if bool(text) == bool(path):
        raise UsageError("must specify --patch or --patch-file", hint="one of them: -p '{…}'")
    if path:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
                hint="name a file with a patch",
            ) from error
    try:
        return json.loads(text)
    except ValueError:
        try:
            return load(text, path or "--patch")
        except ConfigError as error:
            raise ConfigError(
                f"unable to parse the patch: {error}", hint="JSON or YAML, as one word: -p '{…}'"
            ) from error
