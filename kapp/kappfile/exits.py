"""The one way to leave an evaluation early without an error."""

from __future__ import annotations


class Exit(Exception):
    """`exit()` was called: what was declared so far is the result."""
