"""Server-side apply, and the tracking of who changed what.

`apply` is a PATCH of type apply; `update` records any other write (create, update, the other
patches) in managedFields. Both are pure: they take whole objects and return a new one. Defaults
must have been filled in by then (`update`), or are filled in afterwards (`apply`); what a
subresource may not set must have been taken out of `applied` or restored in `new`. The registry
calls both.

Rules: KEP-555; sigs.k8s.io/structured-merge-diff/merge/update.go;
k8s.io/apimachinery/pkg/util/managedfields/internal. One version is served of each kind, so fields
are never converted between versions.
"""

from __future__ import annotations

import json
from collections.abc import Set
from typing import NamedTuple

from kapp.machinery.fieldpath import FieldSet, FieldTypeError, Path, path_text
from kapp.machinery.fieldset import (
    check_unique,
    clone,
    compare,
    equal,
    fields_of,
    merge,
    remove,
    with_named_parents,
)
from kapp.machinery.fieldtypes import FieldType
from kapp.machinery.managedfields import (
    APPLY,
    STRIPPED,
    UPDATE,
    Entry,
    Managed,
    Manager,
    cap_update_managers,
    decode_managed,
    manager_of,
    set_managed,
)
from kapp.machinery.objects import Object, annotations_of, display_name, metadata_of, uid_of
from kapp.machinery.status import ApiError, Cause, bad_request

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"


def apply(
    live: Object | None,
    applied: Object,
    *,
    types: FieldType,
    manager: str,
    api_version: str,
    time: str,
    force: bool = False,
    subresource: str = "",
    reset: Set[Path] = frozenset(),
    compiled_in: bool = False,
) -> Object:
    """The object after `manager` applied `applied` to it.

    Args:
        live: the stored object; None to create.
        applied: what the manager wants to be so; it owns these fields afterwards.
        types: how its fields merge.
        manager: the field manager's name.
        api_version: the version that `applied` is written in (`apps/v1`).
        time: the present, RFC 3339 in whole seconds, for the manager's entry.
        force: take fields over instead of reporting conflicts.
        subresource: `status`, `scale`, …, or "".
        reset: what this request cannot write, and so nobody comes to own by it.
        compiled_in: a map that loses its last field is gone, even if it is applied as an empty
            one: that is what Go's types make of the null it turns into.

    Returns:
        A new object that shares nothing with the arguments. If nothing but ownership changes, the
        manager's entry keeps its time (a new one has none, as on a real server).

    Raises:
        ApiError: 409 Conflict with one FieldManagerConflict cause for each field that another
            manager owns with another value; 400 if `applied` carries managedFields; 422 Invalid
            for items of an associative list that lack their key, or that are there twice.
    """
    if metadata_of(applied).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    me = manager_of(manager, APPLY, api_version, subresource)
    managed = _managed_of(live)
    base = _without_managed(live) if live is not None else {}
    try:
        if not managed and live is not None and uid_of(live):
            first = _updater(BEFORE_FIRST_APPLY, api_version, "")
            _record(types.empty(), base, managed, types, first, time, reset)
        check_unique(applied, types)
        context = _Context(types, me, api_version, time, compiled_in)
        result = _apply(base, applied, managed, context, force)
    except _Conflicts as conflicts:
        allowed = _owned_by_client_side_apply(base, types) if manager == "kubectl" else set()
        left = {
            owner: paths - allowed for owner, paths in conflicts.paths.items() if paths - allowed
        }
        if left:
            raise _conflict_error(left) from None
        result = _apply(base, applied, managed, context, force=True)
    except FieldTypeError as error:
        # What is stored may be at fault: a write that tracks nothing takes items without a key.
        raise _untypable(applied, error) from error
    if manager == "kubectl" and LAST_APPLIED in annotations_of(result):
        result["metadata"]["annotations"][LAST_APPLIED] = _last_applied(applied)
    return result


def update(
    live: Object | None,
    new: Object,
    *,
    types: FieldType,
    manager: str,
    api_version: str,
    time: str,
    subresource: str = "",
    reset: Set[Path] = frozenset(),
) -> Object:
    """`new` with managedFields that say what `manager` changed.

    Args:
        live: the stored object; None on a create.
        new: what is to be stored. Its own managedFields count, unless they are missing or
            malformed, or it is a subresource that is written; `[]` and `[{}]` reset them.
        types: how its fields merge.
        manager: the field manager's name.
        api_version: the version that `new` is written in.
        time: the present, RFC 3339 in whole seconds.
        subresource: `status`, `scale`, …, or "".
        reset: what this request cannot write, and so nobody comes to own by it.

    Returns:
        A copy of `new`; only `metadata.managedFields` differs. Nothing is tracked on an object
        that exists without managedFields until it is applied to.
    """
    result = _without_managed(new)
    entries = metadata_of(new).get("managedFields")
    managed: Managed = {}
    if subresource:
        managed = _managed_of(live)
    elif entries not in ([], [{}]):
        managed = _claimed(new, live) or _managed_of(live)
    if not managed and live is not None and uid_of(live):
        return result
    before = _unmanaged(live) if live is not None else types.empty()
    try:
        me = _updater(manager, api_version, subresource)
        _record(before, result, managed, types, me, time, reset)
    except FieldTypeError:
        # A list that cannot be told apart item by item is the schema's to reject; a write is never
        # refused for the sake of tracking (managedfields/fieldmanager.go UpdateNoErrors).
        pass
    cap_update_managers(managed)
    set_managed(result, managed)
    return result


class _Conflicts(Exception):
    def __init__(self, paths: dict[Manager, FieldSet]) -> None:
        super().__init__()
        self.paths = paths


def _updater(name: str, api_version: str, subresource: str) -> Manager:
    return manager_of(name, UPDATE, api_version, subresource)


def _managed_of(obj: Object | None) -> Managed:
    try:
        return decode_managed(metadata_of(obj or {}).get("managedFields"))
    except (ValueError, AttributeError, TypeError):
        return {}


def _claimed(new: Object, live: Object | None) -> Managed:
    """What a client says the entries are; none if they are malformed, to the last path."""
    managed = _managed_of(new)
    stored = metadata_of(live or {}).get("managedFields")
    if metadata_of(new).get("managedFields") != stored:
        try:
            for entry in managed.values():
                entry.check()
        except ValueError:
            return {}
    return managed


def _without_managed(obj: Object) -> Object:
    """A copy without managedFields."""
    return {name: clone(value) for name, value in _unmanaged(obj).items()}


def _unmanaged(obj: Object) -> Object:
    """The object without managedFields, to be read: its parts are those of `obj`."""
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        return obj
    return {**obj, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}}


class _Context(NamedTuple):
    """What does not change in one apply."""

    types: FieldType
    me: Manager
    api_version: str
    time: str
    compiled_in: bool


def _apply(
    base: Object, applied: Object, managed: Managed, context: _Context, force: bool
) -> Object:
    types, me, api_version, time, compiled_in = context
    managed = dict(managed)
    mine = fields_of(applied, types)
    last = managed.get(me)
    result: Object = merge(base, applied, types)
    managed[me] = Entry(api_version, last.time if last else None, paths=mine)
    compared = result
    if last is not None and (gone := _to_prune(result, managed, types, last.paths)):
        # What pruning empties is still there as a null when owners are told of what has gone.
        compared = remove(result, gone, types, keep_nulls=True) or {}
        result = remove(result, gone, types) or {}
        if not compiled_in:
            result = merge(result, applied, types)
    _give_up(base, compared, managed, types, keep=me, force=force)
    claimed = mine - STRIPPED
    if claimed:
        unchanged = equal(base, result)
        at = (last.time if last else None) if unchanged else time
        managed[me] = Entry(api_version, at, paths=claimed)
    else:
        del managed[me]
    set_managed(result, managed)
    return result


def _give_up(
    old: Object,
    new: Object,
    managed: Managed,
    types: FieldType,
    *,
    keep: Manager | None,
    force: bool,
) -> FieldSet:
    """Take what changed from every other manager, in place; returns what was added or modified.

    Raises _Conflicts, unless forced.
    """
    changed, removed = compare(old, new, types)
    if not (changed or removed):
        return changed
    losses: dict[Manager, FieldSet] = {}
    conflicts: dict[Manager, FieldSet] = {}
    for manager, entry in managed.items():
        if manager == keep:
            continue
        if lost := entry.owned(changed):
            conflicts[manager] = lost
        if gone := lost | entry.owned(removed):
            losses[manager] = gone
    if conflicts and not force:
        raise _Conflicts(conflicts)
    for manager, gone in losses.items():
        left = managed[manager].without(gone)
        if left.paths:
            managed[manager] = left
        else:
            del managed[manager]
    return changed


def _record(
    old: Object,
    new: Object,
    managed: Managed,
    types: FieldType,
    me: Manager,
    time: str,
    reset: Set[Path],
) -> None:
    """Give what changed to the Update manager `me`, in place."""
    changed = _give_up(old, new, managed, types, keep=None, force=True) - STRIPPED
    changed = {path for path in changed if path[:1] not in reset}
    if changed:
        previous = managed.get(me)
        paths = changed | previous.paths if previous else changed
        managed[me] = Entry(me.api_version, time, paths=paths)


def _to_prune(merged: Object, managed: Managed, types: FieldType, last: FieldSet) -> FieldSet:
    """What was applied the last time and is owned by nobody now.

    Only what the manager owned itself: what others own stays, and so does what nobody owns
    (defaults) unless the item or map that it is in goes.
    """
    owned: FieldSet = set().union(*(entry.paths for entry in managed.values()))
    if last <= owned:
        return set()
    owned = with_named_parents(owned, types)
    last = with_named_parents(last, types)
    everything = with_named_parents(fields_of(merged, types), types)
    pruned = remove(merged, last, types, keep_nulls=True) or {}
    kept = with_named_parents(fields_of(pruned, types), types)
    pruned = remove(merged, everything - (kept | owned), types, keep_nulls=True) or {}
    kept = with_named_parents(fields_of(pruned, types), types)
    return (everything - kept) & last


def _owned_by_client_side_apply(live: Object, types: FieldType) -> FieldSet:
    """The fields that `kubectl apply` set in the annotation and that still hold those values.

    `kubectl apply --server-side` may take these over without a conflict (lastappliedmanager.go).
    """
    try:
        previous = json.loads(annotations_of(live).get(LAST_APPLIED) or "null")
        if not isinstance(previous, dict):
            return set()
        changed, removed = compare(live, previous, types)
        return fields_of(previous, types) - changed - removed
    except ValueError:
        return set()


def _last_applied(applied: Object) -> str:
    shown = clone(applied)
    annotations = annotations_of(shown)
    annotations.pop(LAST_APPLIED, None)
    return json.dumps(shown, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"


def _untypable(applied: Object, error: FieldTypeError) -> ApiError:
    gvk = f"{applied.get('apiVersion')}, Kind={applied.get('kind')}"
    name = display_name(applied).partition("/")[2]
    return ApiError(422, "Invalid", f"failed to create typed patch object ({name}; {gvk}): {error}")


def _printed(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    return f"{text} using {manager.api_version}" if manager.operation == UPDATE else text


def _conflict_error(conflicts: dict[Manager, FieldSet]) -> ApiError:
    """409 in the words of managedfields/internal/conflict.go."""
    found = [
        (_printed(manager), path_text(path))
        for manager in sorted(conflicts)
        for path in sorted(conflicts[manager])
    ]
    if len(found) == 1:
        message = f"Apply failed with 1 conflict: conflict with {found[0][0]}: {found[0][1]}"
    else:
        lines: list[str] = []
        for manager in dict.fromkeys(owner for owner, _ in found):
            lines.append(f"conflicts with {manager}:")
            lines.extend(f"- {path}" for owner, path in found if owner == manager)
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return ApiError(
        409,
        "Conflict",
        message,
        causes=[
            Cause(path, f"conflict with {manager}", "FieldManagerConflict")
            for manager, path in found
        ],
        hint="apply with force to take the fields over, or leave them out",
    )
