"""The names that belong to the language itself, for hints and the reference."""

from __future__ import annotations

LANGUAGE_NAMES = (
    "abs", "all", "any", "bool", "dict", "dir", "enumerate", "float", "getattr", "hasattr", "hash",
    "int", "json", "len", "list", "load", "max", "min", "range", "repr", "reversed", "sorted",
    "str", "struct", "tuple", "type", "zip",
)  # fmt: skip
"""What starlark-rust defines, as far as a Kappfile sees it."""
