"""Strategic merge patches, the default of `kubectl patch` and of client-side `kubectl apply`.

Like a merge patch, but lists of a built-in kind may merge item by item, by the schema's
`x-kubernetes-patch-merge-key`; directives in the patch say more:

    $patch: delete | replace          in a map, or in an item of a merged list
    $retainKeys: [key, …]             drop every other key of the map (union types)
    $deleteFromPrimitiveList/field    values to remove from a list of scalars
    $setElementOrder/field            the order of a merged list's items

Pure: neither argument is changed. Source: k8s.io/apimachinery/pkg/util/strategicpatch/patch.go.
"""

from __future__ import annotations

from kapp.machinery import gojson
from kapp.machinery.fieldset import clone, equal
from kapp.machinery.fieldtypes import FieldType
from kapp.machinery.objects import Json, Object
from kapp.machinery.status import bad_request

_DIRECTIVE = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_SET_ORDER = "$setElementOrder/"


def merge(original: Object, patch: Json, types: FieldType) -> Object:
    """`original` with a strategic merge patch applied.

    Raises ApiError 400 for a patch that is no JSON object, or whose directives make no sense.
    """
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a strategic merge patch must be a JSON object")
    return _merge_map(clone(original), clone(patch), types)


def _merge_map(original: Object, patch: Object, type_: FieldType) -> Object:
    """Merges into `original`, which like `patch` belongs to this function."""
    if _DIRECTIVE in patch:
        return _replaced_map(patch)
    _retain_keys(original, patch)
    _merge_ordered_lists(original, patch, type_)
    for name, value in patch.items():
        if name.startswith(_DELETE_FROM):
            _delete_from(original, name.removeprefix(_DELETE_FROM), value)
        elif value is None:
            original.pop(name, None)
        elif name not in original:
            if not _has_directive(value):
                original[name] = _without_directives(_without_nulls(value))
        else:
            original[name] = _merge_value(original[name], value, type_.child(name)[1], name)
    return original


def _merge_value(original: Json, patch: Json, type_: FieldType, name: str) -> Json:
    replaces = "replace" in type_.patch_strategies
    if isinstance(original, dict) and isinstance(patch, dict) and not replaces:
        return _merge_map(original, patch, type_)
    if isinstance(original, list) and isinstance(patch, list) and _merges(type_):
        return _merge_list(original, patch, type_, name)
    return _without_directives(patch)


def _merges(type_: FieldType) -> bool:
    return "merge" in type_.patch_strategies


def _replaced_map(patch: Object) -> Object:
    directive = patch[_DIRECTIVE]
    if directive == "replace":
        del patch[_DIRECTIVE]
        return patch
    if directive == "delete":
        return {}
    raise bad_request(f"unknown patch type: {directive} in map: {gojson.value_text(patch)}")


def _retain_keys(original: Object, patch: Object) -> None:
    retained = patch.pop(_RETAIN_KEYS, None)
    if retained is None:
        return
    fields = {name for name, value in patch.items() if not name.startswith("$") and value}
    if not isinstance(retained, list) or not fields <= set(map(str, retained)):
        raise bad_request("invalid patch format of retainKeys")
    for name in [name for name in original if name not in retained]:
        del original[name]


def _delete_from(original: Object, name: str, values: Json) -> None:
    existing = original.get(name)
    if isinstance(existing, list) and isinstance(values, list):
        original[name] = [item for item in existing if not _contains(values, item)]


def _contains(items: list[Json], wanted: Json) -> bool:
    return any(equal(item, wanted) for item in items)


def _merge_list(original: list[Json], patch: list[Json], type_: FieldType, name: str) -> list[Json]:
    if not original and not patch:
        return original
    if not any(isinstance(item, dict) for item in (*original, *patch)):
        merged = [*original, *(item for item in patch if not _contains(original, item))]
        return _in_order(_unique(merged), patch, original, "")
    key = type_.patch_merge_key
    if not key:
        raise bad_request(f"cannot merge lists without merge key for {name}")
    kept, plain, replaces = _follow_item_directives(original, patch, key)
    if replaces:
        return plain
    for item in plain:
        found = _position(kept, item, key)
        if found is None:
            kept.append(_without_directives(_without_nulls(item)))
        else:
            kept[found] = _merge_map(kept[found], item, type_.element)
    return _in_order(kept, plain, original, key)


def _unique(items: list[Json]) -> list[Json]:
    found: list[Json] = []
    for item in items:
        if not _contains(found, item):
            found.append(item)
    return found


def _follow_item_directives(
    original: list[Json], patch: list[Json], key: str
) -> tuple[list[Json], list[Json], bool]:
    """The original without what the patch deletes, the items to merge, and whether they replace."""
    plain: list[Json] = []
    kept = list(original)
    replaces = False
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request("a list of maps cannot be merged with other values")
        directive = item.get(_DIRECTIVE)
        if directive is None:
            _key_of(item, key)
            plain.append(item)
        elif directive == "delete":
            wanted = _key_of(item, key)
            kept = [
                other
                for other in kept
                if not (isinstance(other, dict) and equal(other.get(key), wanted))
            ]
        elif directive == "replace":
            replaces = True
            rest = {name: value for name, value in item.items() if name != _DIRECTIVE}
            if rest:
                plain.append(rest)
        elif directive == "merge":
            raise bad_request("merging lists cannot yet be specified in the patch")
        else:
            raise bad_request(f"unknown patch type: {directive} in map: {gojson.value_text(item)}")
    return kept, plain, replaces


def _key_of(item: Object, key: str) -> Json:
    if key not in item:
        raise bad_request(
            f"map: {gojson.value_text(item)} does not contain declared merge key: {key}"
        )
    return item[key]


def _position(items: list[Json], wanted: Json, key: str) -> int | None:
    """Where an item with the same key (the same value, without a key) stands."""
    for position, item in enumerate(items):
        if key:
            if isinstance(item, dict) and equal(item.get(key), wanted.get(key)) and key in item:
                return position
        elif equal(item, wanted):
            return position
    return None


def _merge_ordered_lists(original: Object, patch: Object, type_: FieldType) -> None:
    """Handles the fields for which the patch has a $setElementOrder; takes them out of it."""
    for directive in [name for name in patch if name.startswith(_SET_ORDER)]:
        order = patch.pop(directive)
        name = directive.removeprefix(_SET_ORDER)
        child = type_.child(name)[1]
        existing, patched = original.get(name), patch.get(name)
        if not isinstance(order, list) or not isinstance(existing, list | None):
            raise bad_request("invalid patch format of setElementOrder list")
        if not isinstance(patched, list | None):
            raise bad_request("invalid patch format of setElementOrder list")
        if patched is None and name in patch:
            continue  # the list itself is deleted
        key = child.patch_merge_key
        _check_order(patched or [], order, key)
        patch.pop(name, None)
        if existing is None:
            if patched is None:
                continue
            merged = _without_directives(_without_nulls(patched))
        else:
            merged = _merge_value(list(existing), patched, child, name) if patched else existing
        original[name] = _in_order(merged, order, existing or [], key)


def _check_order(patched: list[Json], order: list[Json], key: str) -> None:
    """Every item that the patch sets must be in the order, and in that order."""
    last = -1
    for item in patched:
        if isinstance(item, dict) and _DIRECTIVE in item:
            continue
        position = _position(order, item, key)
        if position is None or position < last:
            raise bad_request(
                f"The order in patch list:\n{gojson.value_text(patched)}\n"
                f" doesn't match $setElementOrder list:\n{gojson.value_text(order)}\n"
            )
        last = position


def _in_order(merged: list[Json], order: list[Json], existing: list[Json], key: str) -> list[Json]:
    """The items of `order` in its order; the others among them, as `existing` had them.

    Source: normalizeElementOrder and mergeSortedSlice.
    """
    ranks = [(_position(order, item, key), item) for item in merged]
    mine = [
        item
        for rank, item in sorted(
            ((rank, item) for rank, item in ranks if rank is not None), key=lambda pair: pair[0]
        )
    ]
    others = [item for rank, item in ranks if rank is None]
    places = {id(item): _position(existing, item, key) for item in merged}
    others.sort(key=lambda item: len(existing) if (p := places[id(item)]) is None else p)
    result: list[Json] = []
    i = 0
    for item in mine:
        place = places[id(item)]
        while i < len(others):
            other = places[id(others[i])]
            if place is None or other is None or other >= place:
                break
            result.append(others[i])
            i += 1
        result.append(item)
    return result + others[i:]


def _without_nulls(value: Json) -> Json:
    """Nulls in a patch delete; where there is nothing to delete they leave nothing behind."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _without_directives(value: Json) -> Json:
    """A value that the patch adds, with the directives in it followed or dropped."""
    if isinstance(value, dict):
        return {
            name: _without_directives(item)
            for name, item in value.items()
            if not _is_directive(name) and not _has_directive(item)
        }
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _has_directive(item)]
    return value


def _is_directive(name: str) -> bool:
    return name in (_DIRECTIVE, _RETAIN_KEYS) or name.startswith((_DELETE_FROM, _SET_ORDER))


def _has_directive(value: Json) -> bool:
    # a map to delete or to replace, where there is none, is not added (removeDirectives)
    return isinstance(value, dict) and _DIRECTIVE in value
