"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), with an API server's errors.

Both are pure: the original is left alone. Strategic merge patches are in `strategic`, apply patches
in `apply`.
"""

from __future__ import annotations

import msgspec

from kapp.machinery.fieldset import clone
from kapp.machinery.objects import Json, Object
from kapp.machinery.status import ApiError, bad_request

# The limit of k8s.io/apiserver/pkg/endpoints/handlers/patch.go, against patches made to burn CPU.
MAX_JSON_PATCH_OPERATIONS = 10_000

# As much as a request's body may have (there: AccumulatedCopySizeLimit in pkg/server/config.go);
# without it thirty `copy` operations make gigabytes of nothing.
MAX_JSON_PATCH_COPIED_BYTES = 3 << 20

_OPERATIONS = frozenset({"add", "remove", "replace", "move", "copy", "test"})


def merge_patch(original: Json, patch: Json) -> Json:
    """`original` with a merge patch applied: nulls delete, maps are merged, the rest replaces.

    At the top, an API server takes only objects. Raises ApiError 400 for anything else.
    """
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch must be a JSON object")
    return _merge(original, patch)


def _merge(original: Json, patch: Json) -> Json:
    if not isinstance(patch, dict):
        return clone(patch)
    result = (
        {name: clone(value) for name, value in original.items() if name not in patch}
        if isinstance(original, dict)
        else {}
    )
    base = original if isinstance(original, dict) else {}
    merged = {
        name: _merge(base.get(name), value) for name, value in patch.items() if value is not None
    }
    # keys keep the place they had in the original
    ordered = {name: merged[name] for name in base if name in merged}
    return {**result, **ordered, **merged}


def json_patch(original: Object, patch: Json) -> Object:
    """`original` with a list of JSON Patch operations applied, all of them or none.

    Raises:
        ApiError: 400 for what is no JSON Patch; 413 beyond MAX_JSON_PATCH_OPERATIONS and
            MAX_JSON_PATCH_COPIED_BYTES; 422 Invalid where a `test` fails or a path does not exist.
    """
    _check_operations(patch)
    import jsonpatch  # 15 ms that only this patch type needs
    import jsonpointer

    result: Json = clone(original)
    copied_bytes = 0
    try:
        for one in patch:
            if one["op"] == "copy" and isinstance(source_path := one.get("from"), str):
                source = jsonpointer.resolve_pointer(result, source_path, None)
                copied_bytes += len(msgspec.json.encode(source))
                if copied_bytes > MAX_JSON_PATCH_COPIED_BYTES:
                    raise _copies_too_much()
            result = jsonpatch.apply_patch(result, [_leniently(one, result)], in_place=True)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"invalid JSON patch: {error}") from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise _does_not_fit(str(error)) from error
    if not isinstance(result, dict):
        raise bad_request("a JSON patch must leave an object")
    return result


def _does_not_fit(why: str) -> ApiError:
    return ApiError(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
        hint=f"a JSON patch operation does not fit the object: {why}",
    )


def _leniently(operation: Object, obj: Json) -> Object:
    """The operation in RFC 6902's sense, where an API server takes more than that.

    To it, a map has every key: `replace` may add one, `test` and `copy` find null there. Source:
    partialDoc.get in gopkg.in/evanphx/json-patch.v4.
    """
    verb = operation["op"]
    if verb == "replace" and _is_missing_key(operation["path"], obj):
        return {**operation, "op": "add"}
    if verb == "copy" and _is_missing_key(operation.get("from"), obj):
        return {"op": "add", "path": operation["path"], "value": None}
    if verb == "test" and "value" in operation and _is_missing_key(operation["path"], obj):
        return {"op": "test", "path": "", "value": obj if operation["value"] is None else None}
    return operation


def _is_missing_key(path: Json, obj: Json) -> bool:
    import jsonpointer

    if not isinstance(path, str) or not path.startswith("/"):
        return False
    *parents, last = jsonpointer.JsonPointer(path).parts
    parent = jsonpointer.JsonPointer.from_parts(parents).resolve(obj, None)
    return isinstance(parent, dict) and last not in parent


def _copies_too_much() -> ApiError:
    return ApiError(
        413,
        "RequestEntityTooLarge",
        "Unable to complete the copy, the accumulated size increase of copy is over the limit "
        f"of {MAX_JSON_PATCH_COPIED_BYTES} bytes",
    )


def _check_operations(patch: Json) -> None:
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: a JSON patch must be a list of operations")
    if len(patch) > MAX_JSON_PATCH_OPERATIONS:
        raise ApiError(
            413,
            "RequestEntityTooLarge",
            "The allowed maximum operations in a JSON patch is "
            f"{MAX_JSON_PATCH_OPERATIONS}, got {len(patch)}",
        )
    for operation in patch:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch: an operation must be a JSON object")
        kind = operation.get("op")
        if not isinstance(kind, str):
            raise bad_request(f"error decoding patch: an operation is a string, not {kind}")
        if kind not in _OPERATIONS:
            raise _does_not_fit(f"there is no operation {kind}")
        if not isinstance(operation.get("path"), str):
            raise bad_request("error decoding patch: an operation needs a path")
