"""Turns a patch into the object it asks for, and keeps managedFields. Used by the registry.

Pure; the algorithms are in `patch`, `strategic` and `apply`.
"""

from __future__ import annotations

from typing import Literal

from kapp.machinery import apply, patch, strategic
from kapp.machinery.fieldpath import FieldSet
from kapp.machinery.fieldtypes import FieldTypes
from kapp.machinery.metaschema import DEFINITIONS, OBJECT_META
from kapp.machinery.objects import Json, Object
from kapp.machinery.options import WriteOptions
from kapp.machinery.scheme import Kind
from kapp.machinery.status import bad_request, unsupported_media_type

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

PatchKind = Literal["json", "merge", "strategic", "apply"]

_BY_MEDIA_TYPE: dict[str, PatchKind] = {
    JSON_PATCH: "json",
    MERGE_PATCH: "merge",
    STRATEGIC_PATCH: "strategic",
    APPLY_PATCH: "apply",
}


def patch_kind(kind: Kind, media_type: str) -> PatchKind:
    """What sort of patch a media type says. Raises ApiError (415) for what `kind` does not take."""
    found = _BY_MEDIA_TYPE.get(media_type)
    if found is None or (found == "strategic" and not kind.strategic):
        raise unsupported_media_type(
            t for t, p in _BY_MEDIA_TYPE.items() if p != "strategic" or kind.strategic
        )
    return found


def types_of(kind: Kind) -> FieldTypes:
    """How the fields of a kind merge; `metadata` as the server defines it."""
    properties = {**(kind.schema.get("properties") or {}), "metadata": OBJECT_META}
    return FieldTypes(
        {**kind.schema, "properties": properties}, {**DEFINITIONS, **kind.definitions}
    )


def patched(live: Object, body: Json, how: PatchKind, types: FieldTypes) -> Object:
    """The object that a JSON, merge or strategic patch makes of `live`, which is not changed.

    Raises ApiError (400, 422) for a patch that cannot be read or does not fit.
    """
    if how == "json":
        if not isinstance(body, list):
            raise bad_request(_undecodable(body, "[]handlers.jsonPatchOp"))
        result = patch.json_patch(live, body)
    elif not isinstance(body, dict):
        raise bad_request(_undecodable(body, "map[string]interface {}"))
    elif how == "merge":
        result = patch.merge_patch(live, body)
    else:
        result = strategic.merge(live, body, types)
    if not isinstance(result, dict):
        raise bad_request("the patch leaves no object")
    return result


_GO_KINDS = {dict: "object", list: "array", str: "string", bool: "bool", int: "number"}


def _undecodable(body: Json, wanted: str) -> str:
    got = _GO_KINDS.get(type(body), "number")
    return f"error decoding patch: json: cannot unmarshal {got} into Go value of type {wanted}"


def applied(
    live: Object | None,
    body: Object,
    types: FieldTypes,
    kind: Kind,
    options: WriteOptions,
    time: str,
) -> Object:
    """The object after a server-side apply. Raises ApiError (400, 409 with a cause a field)."""
    return apply.apply(
        live,
        body,
        types=types,
        manager=options.manager,
        api_version=kind.gvk.api_version,
        time=time,
        force=options.force,
        subresource=options.subresource,
        reset=_reset(kind, options),
        compiled_in=kind.strategic,
    )


def managed(
    live: Object | None,
    new: Object,
    types: FieldTypes,
    kind: Kind,
    options: WriteOptions,
    time: str,
) -> Object:
    """`new` with managedFields that say who changed what."""
    return apply.update(
        live,
        new,
        types=types,
        manager=options.manager,
        api_version=kind.gvk.api_version,
        time=time,
        subresource=options.subresource,
        reset=_reset(kind, options),
    )


def _reset(kind: Kind, options: WriteOptions) -> FieldSet:
    """GetResetFields of a kind's strategy in pkg/registry: `status` has a URL of its own."""
    return {("f:status",)} if kind.has_status and not options.subresource else set()
