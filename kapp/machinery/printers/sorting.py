"""`--sort-by`: orders objects by what a path finds in them.

Numbers by value; strings by value if both are quantities (`100m`, `2Gi`), else by character.
Objects without the field come first.
Source: k8s.io/kubectl/pkg/cmd/get/sorter.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from kapp.errors import KappError
from kapp.machinery import gojson, jsonpath
from kapp.machinery.objects import Object

# Source: k8s.io/apimachinery/pkg/api/resource/suffix.go.
_SUFFIXES = {
    **{f"{letter}i": Decimal(1024) ** (i + 1) for i, letter in enumerate("KMGTPE")},
    **{letter: Decimal(1000) ** (i + 1) for i, letter in enumerate("kMGTPE")},
    **{letter: Decimal(1000) ** -(i + 1) for i, letter in enumerate("mun")},
    "": Decimal(1),
}
_QUANTITY = re.compile(
    r"([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE][-+]?[0-9]+)|([KMGTPE]i|[numkMGTPE]|))"
)


def sort_by(path: str, objects: Sequence[Object]) -> list[Object]:
    """The objects in the order of what `path` finds in them.

    Raises KappError if no object has the field, or if it has no order; JsonPathError for a path
    that cannot be read.
    """
    text = jsonpath.relaxed(path)
    template = jsonpath.compile(text)
    found = [(template.find(obj), obj) for obj in objects]
    if found and not any(values for values, _ in found):
        raise KappError(
            f'couldn\'t find any field with path "{text}" in the list of objects',
            hint="see the fields with -o yaml",
        )
    return [obj for _, obj in sorted(found, key=cmp_to_key(_compare_found))]


def _compare_found(one: tuple[list[Any], Any], other: tuple[list[Any], Any]) -> int:
    if not one[0] or not other[0]:
        return bool(one[0]) - bool(other[0])
    return _compare(one[0][0], other[0][0])


def _compare(one: Any, other: Any) -> int:
    if one is None or other is None:
        return (one is not None) - (other is not None)
    if isinstance(one, list) and isinstance(other, list):
        orders = (_compare(*pair) for pair in zip(one, other, strict=False))
        return next((order for order in orders if order), 0)
    for value in (one, other):
        if isinstance(value, bool | dict | list):
            raise KappError(
                f"unsortable type: {gojson.type_name(value)}", hint="sort by a string or a number"
            )
    if isinstance(one, str) and isinstance(other, str):
        return _compare_text(one, other)
    if isinstance(one, str) or isinstance(other, str):
        raise KappError(
            "unsortable: the field is a string in one object and a number in another",
            hint="sort by a field of one type",
        )
    return int(one > other) - int(one < other)


def _compare_text(one: str, other: str) -> int:
    left, right = _quantity(one), _quantity(other)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    return (one > other) - (one < other)


def _quantity(text: str) -> Decimal | None:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Decimal(number + (exponent or "")) * _SUFFIXES[suffix or ""]
