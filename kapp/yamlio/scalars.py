"""What a plain scalar means, and how numbers are written: the rules of Go's yaml.v2.

Source: go-yaml v2 resolve.go and sorter.go; strconv.ParseInt with base 0; fmt and encoding/json
for numbers. Verified against kubectl 1.37 (`kubectl label --local -f FILE a=b -o json`).
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cmp_to_key, lru_cache
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    # kubectl reads y and n as booleans too, unlike newer YAML libraries
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}

_NUMBER_START = frozenset("+-.0123456789")
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]([0-7]+)|0([0-7]+)|(0|[1-9][0-9]*))"
)
# "0b" may be followed by its sign, which ParseInt(…, 2, 64) of the rest allows
_SIGNED_BINARY = re.compile(r"0b([-+][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2}))"
    r"|(?: ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.[0-9]+)?))?"
)

_DIGITS = "0123456789"
# More of them never fit in 64 bits, and Python refuses some thousands.
_MAX_DIGITS = 100
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def resolve(text: str) -> Scalar:
    """The value of a plain scalar without a tag."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_START:
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    if text[0] != "." and (number := _integer(plain)) is not None:
        return number if _INT64_MIN <= number <= _INT64_MAX else normal_float(float(number))
    if _FLOAT.fullmatch(plain) and (value := float(plain)) not in (float("inf"), float("-inf")):
        return normal_float(value)
    return text


def _integer(plain: str) -> int | None:
    if (match := _INTEGER.fullmatch(plain)) is not None:
        sign, hexadecimal, binary, octal, old_octal, decimal = match.groups()
        digits, base = next(
            (digits, base)
            for digits, base in (
                (hexadecimal, 16),
                (binary, 2),
                (octal, 8),
                (old_octal, 8),
                (decimal, 10),
            )
            if digits is not None
        )
        if base == 10 and len(digits) > _MAX_DIGITS:
            return None
        value = int(digits, base)
        # what does not fit in 64 bits is read as a decimal float instead, even with a 0 in front
        if base != 10 and value > 2 * _INT64_MAX + 1:
            return None
        return -value if sign == "-" else value
    if (match := _SIGNED_BINARY.fullmatch(plain)) is not None:
        return int(match[1], 2)
    return None


def normal_float(value: float) -> int | float:
    """A float as it comes out of JSON in Kubernetes: `1.0` is the integer 1, `1e400` stays."""
    if value.is_integer() and abs(value) <= _INT64_MAX:
        number = int(float_in_json(value))
        return number if _INT64_MIN <= number <= _INT64_MAX else value
    return value


def reads_as_string(text: str) -> bool:
    """Whether a string may be written without quotes, as far as its meaning goes."""
    if not text or text in _WORDS:
        return False
    if text[0] not in _NUMBER_START:
        return True
    return (
        isinstance(_number(text), str) and not _BASE_60.fullmatch(text) and not _is_timestamp(text)
    )


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    try:
        datetime(*(int(part) for part in match.groups() if part is not None))  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits, and the decimal exponent of the first digit."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)
    digits = digits.rstrip("0") or "0"
    return ("-" if str(value)[0] == "-" else ""), digits, (point - 1 if value else 0)


def _exponent_form(sign: str, digits: str, exponent: int, width: int) -> str:
    mark = "-" if exponent < 0 else "+"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{mark}{abs(exponent):0{width}d}"


def _decimal_form(sign: str, digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    if len(digits) <= exponent + 1:
        return f"{sign}{digits}{'0' * (exponent + 1 - len(digits))}"
    return f"{sign}{digits[: exponent + 1]}.{digits[exponent + 1 :]}"


def float_in_yaml(value: float) -> str:
    """`%v`, but without an exponent where JSON has none and the number is read as an integer."""
    sign, digits, exponent = _shortest(value)
    if exponent < 21 and len(digits) <= exponent + 1:
        return _decimal_form(sign, digits, exponent)
    return float_in_text(value)


def float_in_json(value: float) -> str:
    """encoding/json: exponents below -6 and from 21 up, written `1e-7`, `1e+21`."""
    sign, digits, exponent = _shortest(value)
    if value and (exponent < -6 or exponent >= 21):
        return _exponent_form(sign, digits, exponent, 2 if exponent >= 0 else 1)
    return _decimal_form(sign, digits, exponent)


def float_in_text(value: float) -> str:
    """strconv.FormatFloat(value, 'g', -1, 64), fmt's `%v`: `1e-07`, `1.234567895e+08`."""
    sign, digits, exponent = _shortest(value)
    if exponent < -4 or exponent >= 6:
        return _exponent_form(sign, digits, exponent, 2)
    return _decimal_form(sign, digits, exponent)


@lru_cache(maxsize=4096)
def sorted_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Map keys in the order in which yaml.v2 writes them: numbers by value, letters last."""
    if all(key.isascii() and key.isalpha() for key in keys):
        return tuple(sorted(keys))
    return tuple(sorted(keys, key=cmp_to_key(_compare_keys)))


def _compare_keys(one: str, other: str) -> int:
    """Natural order, digit runs by value. Source: keyList.Less in sorter.go."""
    for position, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine == theirs:
            continue
        if mine.isalpha() and theirs.isalpha():
            return -1 if mine < theirs else 1
        if mine.isalpha() or theirs.isalpha():
            return 1 if mine.isalpha() else -1
        left, right = _digit_run(one, position), _digit_run(other, position)
        # after a digit other than 0 in the same run, zeros count: 10 is more than 1
        before = one[len(one[:position].rstrip(_DIGITS)) : position]
        prefix = "1" if "0" in (mine, theirs) and before.strip("0") else ""
        values = int(prefix + left or "0"), int(prefix + right or "0")
        if values[0] != values[1]:
            return -1 if values[0] < values[1] else 1
        if len(left) != len(right):
            return -1 if len(left) < len(right) else 1
        return -1 if mine < theirs else 1
    return len(one) - len(other)


def _digit_run(text: str, start: int) -> str:
    end = start
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return text[start:end]
