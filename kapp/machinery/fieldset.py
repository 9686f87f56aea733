"""Walks over typed values that server-side apply is made of: which fields, what differs, merge.

Every function is pure; values that come out share nothing with values that went in.

Source of the rules: sigs.k8s.io/structured-merge-diff (typed/tofieldset.go, typed/compare.go,
typed/merge.go, typed/remove.go).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kapp.machinery.fieldpath import (
    FieldSet,
    FieldsV1,
    FieldTypeError,
    Path,
    index_items,
    is_associative,
    item_element,
    keyed_items,
    path_text,
)
from kapp.machinery.fieldtypes import FieldType
from kapp.machinery.objects import Json


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


def fields_of(value: Json, type_: FieldType) -> FieldSet:
    """The paths that applying `value` claims. Raises FieldTypeError for an item without a key."""
    found: FieldSet = set()
    _collect(value, type_, (), found)
    return found


def check_unique(value: Json, type_: FieldType, path: Path = ()) -> None:
    """Raises FieldTypeError if two items of an associative list have the same key.

    Stored objects may have such items, from before their lists were associative; what is applied
    may not.
    """
    if type(value) is dict and not type_.atomic:
        for name, item in value.items():
            if type(item) is dict or type(item) is list:
                element, child = type_.child(name)
                check_unique(item, child, (*path, element))
    elif type(value) is list and is_associative(type_):
        seen: set[str] = set()
        for element, item in keyed_items(value, type_, path):
            if element in seen:
                raise FieldTypeError(path, f"duplicate entries for key {path_text((element,))}")
            seen.add(element)
            check_unique(item, type_.element, (*path, element))


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
        for element, item in index_items(value, type_, path).items():
            item_path = (*path, element)
            if type(item) is not list:  # repeated items are owned as one
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
    """The items of both; where the two orders disagree, `new`'s wins (as in typed/merge.go).

    Items of `old` with the same key stay as they are, unless `new` has one with that key.
    """
    left = keyed_items(old, type_)
    before, after = dict(left), index_items(new, type_)
    repeated = {element for element, count in Counter(e for e, _ in left).items() if count > 1}
    right = list(after)
    shared = [element for element in right if element in before]
    result: list[Json] = []
    i = j = 0
    awaited = 0  # index into `shared` of the shared item that comes next
    while i < len(left) or j < len(right):
        if i < len(left):
            mine, item = left[i]
            same = j < len(right) and mine == right[j]
            if not same and mine not in after:
                result.append(clone(item))
                i += 1
                continue
            out_of_turn = awaited < len(shared) and shared[awaited] != mine
            if not same and (j >= len(right) or out_of_turn or mine in right[:j]):
                i += 1  # shared: it takes its place from `new`'s order
                continue
            if same:
                i += 1
        element = right[j]
        j += 1
        if awaited < len(shared) and shared[awaited] == element:
            awaited += 1
        if element in before and element not in repeated:
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

    A container that this empties turns into a null, and with that goes too; with `keep_nulls` the
    null stays, which is what a manager's field set is computed from. What held it stays anyway.
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
        emptied = False
        for name, item in value.items():
            element, child = type_.child(name)
            node = gone.get(element)
            if node is None:
                kept[name] = clone(item)
            elif "." not in node:
                left = _remove(item, node, child, keep_nulls)
                if left is not None or keep_nulls:
                    kept[name] = left
                else:
                    emptied = True
        return kept if kept or emptied else None
    if type(value) is list and is_associative(type_):
        items: list[Json] = []
        for item in value:
            node = gone.get(item_element(item, type_))
            if node is None:
                items.append(clone(item))
            elif "." not in node:
                left = _remove(item, node, type_.element, keep_nulls)
                items += [] if left is None else [left]
        return items or None
    return None if isinstance(value, dict | list) else value
