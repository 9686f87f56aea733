"""Validation of kinds that are stored and not acted on: what their schemas require.

Source of the immutable fields: validation.go of each group in pkg/apis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.schema import Checker
from kapp.machinery.status import Cause
from kapp.minicluster import openapi
from kapp.minicluster.validation.fields import Errors

Validate = Callable[[Object, Object | None], list[Cause]]


def by_schema(schema: Mapping[str, Any], frozen: Mapping[str, str]) -> Validate:
    """Checks required fields and enumerations, and that the `frozen` fields stay as they are.

    `frozen` maps a top-level field to what is said of a change.
    """
    checkers: list[Checker] = []

    def validate(new: Object, old: Object | None) -> list[Cause]:
        if not checkers:
            checkers.append(Checker(schema, openapi.definitions()))
        errors = Errors()
        errors.causes += checkers[0].check_values(new)
        for name, text in frozen.items():
            if old is not None and new.get(name) != old.get(name):
                errors.invalid(name, new.get(name), text)
        return errors.causes

    return validate
