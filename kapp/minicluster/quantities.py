"""Resource quantities (`100m`, `64Mi`) and int-or-percent values, as exact numbers.

Source of the grammar: k8s.io/apimachinery/pkg/api/resource/quantity.go; of the rounding:
k8s.io/apimachinery/pkg/util/intstr/intstr.go. Pure; called by defaults, validation and the
deployment controller.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]?|[KMGTPE]i)")
_KIBI = 1024
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_EXPONENTS = ("e-9", "e-6", "e-3", "", "e3", "e6", "e9", "e12", "e15", "e18")
_PERCENT = re.compile(r"(\d+)%")


def parse_quantity(value: Any) -> Decimal | None:
    """The amount in base units (cores, bytes); None if `value` is not a quantity."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    try:
        return Decimal(match[1]) * _SUFFIXES[match[2]]
    except InvalidOperation:
        return None


def canonical_quantity(value: Any) -> Any:
    """The quantity as an API server writes it (`1000m` is `1`); `value` itself if it is none.

    Source: Quantity.CanonicalizeBytes. A power of ten is written in the manner of the original:
    with a suffix (`1k`) or an exponent (`1e3`).
    """
    match, amount = _QUANTITY.fullmatch(str(value)), parse_quantity(value)
    if match is None or amount is None:
        return value
    if amount == 0:
        return "0"
    binary = match[2].endswith("i")
    if binary and abs(amount) >= _KIBI and amount == int(amount):
        return _scaled_down(int(amount), _KIBI, _BINARY)
    # Nothing is finer than a billionth; what is rounds away from zero.
    nanos = int((amount.copy_abs() * 10**9).to_integral_value(rounding=ROUND_CEILING))
    text = _scaled_down(nanos, 1000, _EXPONENTS if "e" in match[1].lower() else _DECIMAL)
    return f"-{text}" if amount < 0 else text


def _scaled_down(number: int, base: int, suffixes: tuple[str, ...]) -> str:
    level = 0
    while number % base == 0 and level + 1 < len(suffixes):
        number //= base
        level += 1
    return f"{number}{suffixes[level]}"


def equal_quantities(one: Any, other: Any) -> bool:
    """Whether both are the same amount, however written."""
    return parse_quantity(one) == parse_quantity(other)


def parse_percent(value: Any) -> int | None:
    """`25` for `"25%"`; None for what is not a percentage."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def scaled(value: Any, total: int, *, round_up: bool) -> int:
    """An int-or-percent `value` of `total`; what is neither counts as 0."""
    percent = parse_percent(value)
    if percent is None:
        return value if isinstance(value, int) else 0
    product = percent * total
    return -(-product // 100) if round_up else product // 100
