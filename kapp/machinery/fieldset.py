"""Sets of field paths, and the walks over typed values that server-side apply is made of.

A path is a tuple of elements written as in FieldsV1: `f:name` for a field, `k:{"name":"a"}` for an
item of a map list, `v:"a"` for an item of a set. A field set is a plain set of paths. Every
function is pure; values that come out share nothing with values that went in.

Source of the rules: sigs.k8s.io/structured-merge-diff (typed/tofieldset.go, typed/compare.go,
typed/merge.go, typed/remove.go, fieldpath/serialize.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from kapp.machinery.fieldtypes import FieldType
from kapp.machinery.objects import Json

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = set[Path]
FieldsV1: TypeAlias = dict[str, Any]


class FieldTypeError(ValueError):
    """A value does not have the form its type needs: a list item without its key, a duplicate."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path_text(path)}: {message}")


def clone(value: Json) -> Json:
    """A deep copy of a JSON value."""
    if type(value) is dict:
        return {key: clone(item) for key, item in value.items()}
    if type(value) is list:
        return [clone(item) for item in value]
    return value


def equal(one: Json, other: Json) -> bool:
    """Whether two JSON values are the same; unlike `==`, `1` and `true` are not."""
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other) and (type(one) is bool) == (type(other) is bool)


def path_text(path: Path) -> str:
    """A path as API servers print it: `.spec.containers[name="a"].image`."""
    parts = []
    for element in path:
        kind, text = element[0], element[2:]
        if kind == "f":
            parts.append(f".{text}")
        elif kind == "k":
            pairs = (f"{name}={_dumps(value)}" for name, value in sorted(json.loads(text).items()))
            parts.append(f"[{','.join(pairs)}]")
        else:
            parts.append(f"[={text}]" if kind == "v" else f"[{text}]")
    return "".join(parts)


def _dumps(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def item_element(item: Json, type_: FieldType) -> str:
    """The path element of a list item. Raises FieldTypeError if it has no key."""
    if not type_.keys:
        if isinstance(item, dict | list) or item is None:
            raise FieldTypeError((), "a set may not hold maps, lists or nulls")
        return f"v:{_dumps(item)}"
    if not isinstance(item, dict):
        raise FieldTypeError((), "associative list with keys may not have non-map elements")
    if len(type_.keys) == 1 and type(value := item.get(type_.keys[0])) is str and value.isalnum():
        return f'k:{{"{type_.keys[0]}":"{value}"}}'
    found: dict[str, Json] = {}
    for name in type_.keys:
        if name in item:
            found[name] = item[name]
        elif name in type_.key_defaults:
            found[name] = type_.key_defaults[name]
        else:
            raise FieldTypeError(
                (),
                f'associative list with keys has an element that omits key field "{name}" '
                "(and doesn't have default value)",
            )
    return f"k:{_dumps(found)}"


def is_associative(type_: FieldType) -> bool:
    """Whether a list of this type merges item by item."""
    return bool(type_.keys) or type_.is_set


def index_items(
    items: Iterable[Json], type_: FieldType, path: Path = (), *, unique: bool = False
) -> dict[str, Json]:
    """A list's items by path element, the first of duplicates. `unique`: duplicates are errors."""
    found: dict[str, Json] = {}
    for position, item in enumerate(items):
        try:
            element = item_element(item, type_)
        except FieldTypeError as error:
            text = str(error).removeprefix(": ")
            raise FieldTypeError(path, f"element {position}: {text}") from error
        if unique and element in found:
            raise FieldTypeError(path, f"duplicate entries for key {path_text((element,))}")
        found.setdefault(element, item)
    return found


def fields_of(value: Json, type_: FieldType) -> FieldSet:
    """The paths that applying `value` claims.

    Raises FieldTypeError for an item without a key and for duplicate items.
    """
    found: FieldSet = set()
    _collect(value, type_, (), found)
    return found


def _collect(value: Json, type_: FieldType, path: Path, found: FieldSet) -> None:
    if type_.atomic:
        found.add(path)
    elif type(value) is dict:
        for name, item in value.items():
            element, child = type_.child(name)
            item_path = (*path, element)
            if type(item) is dict or type(item) is list:
                _collect(item, child, item_path, found)
                if not type_.named(name) or (not item and type(item) is dict):
                    found.add(item_path)
            else:
                found.add(item_path)
    elif type(value) is list and is_associative(type_):
        for element, item in index_items(value, type_, path, unique=True).items():
            item_path = (*path, element)
            _collect(item, type_.element, item_path, found)
            found.add(item_path)
    else:
        found.add(path)


class Difference(NamedTuple):
    """What changed from one value to another. `changed` is what was added or modified."""

    changed: FieldSet
    removed: FieldSet


_ABSENT: Any = object()


def compare(old: Json, new: Json, type_: FieldType) -> Difference:
    """The paths at which `new` differs from `old`."""
    result = Difference(set(), set())
    _compare(old, new, type_, (), result)
    return result


def _compare(old: Json, new: Json, type_: FieldType, path: Path, result: Difference) -> None:
    if old is not _ABSENT and new is not _ABSENT and old == new and equal(old, new):
        return
    if old is _ABSENT:
        result.changed.add(path)
    elif new is _ABSENT:
        result.removed.add(path)
    if type_.atomic or not (_has_parts(old, type_) or _has_parts(new, type_)):
        if old is not _ABSENT and new is not _ABSENT:
            result.changed.add(path)
        return
    if type(old) is not type(new) and not {type(old), type(new)} & _NEUTRAL_TYPES:
        result.changed.add(path)
    for element, child, before, after in _pairs(old, new, type_):
        _compare(before, after, child, (*path, element), result)


# A null takes the form of what it is compared with; an absent value is reported as such.
_NEUTRAL_TYPES = {type(None), object}


def _has_parts(value: Json, type_: FieldType) -> bool:
    if type(value) is dict:
        return bool(value)
    return type(value) is list and bool(value) and is_associative(type_)


def _pairs(old: Json, new: Json, type_: FieldType) -> Iterator[tuple[str, FieldType, Json, Json]]:
    """The parts of two containers of which at least one has some, side by side."""
    if is_associative(type_):
        before = index_items(old if type(old) is list else (), type_)
        after = index_items(new if type(new) is list else (), type_)
        for element in before | after:
            yield (
                element,
                type_.element,
                before.get(element, _ABSENT),
                after.get(element, _ABSENT),
            )
        return
    left = old if type(old) is dict else {}
    right = new if type(new) is dict else {}
    for name in left | right:
        element, child = type_.child(name)
        yield element, child, left.get(name, _ABSENT), right.get(name, _ABSENT)


def merge(old: Json, new: Json, type_: FieldType) -> Json:
    """`new` laid over `old`: granular maps and associative lists are joined, the rest replaced."""
    if not type_.atomic:
        # a null or an empty container removes nothing from a granular one
        if type(old) is dict and old and (type(new) is dict or new is None):
            return _merge_maps(old, new or {}, type_)
        if (
            type(old) is list
            and old
            and is_associative(type_)
            and (type(new) is list or new is None)
        ):
            return _merge_lists(old, new or [], type_)
    return clone(new)


def _merge_maps(old: dict[str, Json], new: dict[str, Json], type_: FieldType) -> Json:
    result = {
        name: merge(value, new[name], type_.child(name)[1]) if name in new else clone(value)
        for name, value in old.items()
    }
    for name, value in new.items():
        if name not in old:
            result[name] = clone(value)
    return result


def _merge_lists(old: list[Json], new: list[Json], type_: FieldType) -> list[Json]:
    """The items of both; where the two orders disagree, `new`'s wins (as in typed/merge.go)."""
    before, after = index_items(old, type_), index_items(new, type_)
    left, right = list(before), list(after)
    shared = [element for element in right if element in before]
    result: list[Json] = []
    i = j = 0
    awaited = 0  # index into `shared` of the shared item that comes next
    while i < len(left) or j < len(right):
        if i < len(left):
            mine = left[i]
            same = j < len(right) and mine == right[j]
            if not same and mine not in after:
                result.append(clone(before[mine]))
                i += 1
                continue
            out_of_turn = awaited < len(shared) and shared[awaited] != mine
            if not same and (j >= len(right) or out_of_turn):
                i += 1  # shared: it takes its place from `new`'s order
                continue
            if same:
                i += 1
        element = right[j]
        j += 1
        if awaited < len(shared) and shared[awaited] == element:
            awaited += 1
        if element in before:
            result.append(merge(before[element], after[element], type_.element))
        else:
            result.append(clone(after[element]))
    return result


def with_named_parents(paths: FieldSet, type_: FieldType) -> FieldSet:
    """The set with every parent that is a named field, so that emptied structs go with it."""
    result = set(paths)
    for path in paths:
        current = type_
        for position, element in enumerate(path[:-1]):
            if element.startswith("f:"):
                name = element[2:]
                if current.named(name):
                    result.add(path[: position + 1])
                current = current.child(name)[1]
            else:
                current = current.element
    return result


def remove(
    value: Json, paths: Iterable[Path], type_: FieldType, *, keep_nulls: bool = False
) -> Json:
    """A copy of `value` without the given paths.

    A container that this empties goes too, or with `keep_nulls` turns into a null, which is what
    a manager's field set is computed from.
    """
    return _remove(value, _nest(paths), type_, keep_nulls)


def _nest(paths: Iterable[Path]) -> FieldsV1:
    root: FieldsV1 = {}
    for path in paths:
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return root


def _remove(value: Json, gone: FieldsV1, type_: FieldType, keep_nulls: bool) -> Json:
    if type(value) is dict and not type_.atomic:
        kept: dict[str, Json] = {}
        for name, item in value.items():
            element, child = type_.child(name)
            node = gone.get(element)
            if node is None:
                kept[name] = clone(item)
            elif "." not in node:
                left = _remove(item, node, child, keep_nulls)
                if left is not None or keep_nulls:
                    kept[name] = left
        return kept or None
    if type(value) is list and is_associative(type_):
        items: list[Json] = []
        for item in value:
            node = gone.get(item_element(item, type_))
            if node is None:
                items.append(clone(item))
            elif "." not in node:
                items.append(_remove(item, node, type_.element, keep_nulls))
        return items or None
    return None if isinstance(value, dict | list) else value


def encode(paths: Iterable[Path]) -> FieldsV1:
    """A field set as FieldsV1 JSON."""
    root: FieldsV1 = {}
    for path in sorted(paths):
        node = root
        for element in path[:-1]:
            parent = node.get(element)
            if parent is None:
                parent = node[element] = {}
            elif not parent:
                parent["."] = {}  # an entry that was a plain member now has children too
            node = parent
        node[path[-1]] = {}
    return root


def decode(fields: FieldsV1) -> FieldSet:
    """The paths of FieldsV1 JSON. Raises ValueError if it is malformed."""
    found: FieldSet = set()
    _decode(fields, (), found)
    return found


def _decode(fields: FieldsV1, path: Path, found: FieldSet) -> None:
    for element, inner in fields.items():
        if element == ".":
            found.add(path)
            continue
        if element[1:2] != ":" or element[0] not in "fkvi" or not isinstance(inner, dict):
            raise ValueError(f"{element!r} is no path element of FieldsV1")
        if inner:
            _decode(inner, (*path, element), found)
        else:
            found.add((*path, element))
