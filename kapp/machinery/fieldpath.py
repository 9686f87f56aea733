"""Paths to fields, as FieldsV1 writes them, and sets of them.

A path is a tuple of elements: `f:name` for a field, `k:{"name":"a"}` for an item of a map list,
`v:"a"` for an item of a set. A field set is a plain set of paths.

Source: sigs.k8s.io/structured-merge-diff (fieldpath/serialize.go, fieldpath/path.go,
typed/helpers.go).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from kapp.machinery.fieldtypes import FieldType
from kapp.machinery.objects import Json

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = set[Path]
FieldsV1: TypeAlias = dict[str, Any]


class FieldTypeError(ValueError):
    """A value does not have the form its type needs: a list item without its key, a duplicate."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path_text(path)}: {message}")


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


def keyed_items(items: Iterable[Json], type_: FieldType, path: Path = ()) -> list[tuple[str, Json]]:
    """A list's items with their path elements. Raises FieldTypeError for one without its key."""
    found = []
    for position, item in enumerate(items):
        try:
            found.append((item_element(item, type_), item))
        except FieldTypeError as error:
            text = str(error).removeprefix(": ")
            raise FieldTypeError(path, f"element {position}: {text}") from error
    return found


def index_items(items: Iterable[Json], type_: FieldType, path: Path = ()) -> dict[str, Json]:
    """A list's items by path element; of items with the same key (old objects have such) a list.

    The list makes a change of any of them a change of that element.
    """
    found: dict[str, Json] = {}
    several: dict[str, list[Json]] = {}
    for element, item in keyed_items(items, type_, path):
        if element in found:
            found[element] = several.setdefault(element, [found[element]])
            several[element].append(item)
        else:
            found[element] = item
    return found


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
