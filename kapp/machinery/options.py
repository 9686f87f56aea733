"""What a request may ask for besides its object. Made by `rest.py` and by the local client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

FieldValidation = Literal["Strict", "Warn", "Ignore"]
Propagation = Literal["Background", "Foreground", "Orphan"]


def _ignore(_warning: str) -> None:
    return None


class WriteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of create, update and patch (CreateOptions, UpdateOptions, PatchOptions).

    Attributes:
        manager: who writes, for managedFields.
        dry_run: do everything but store.
        field_validation: what unknown and duplicate fields do: Strict refuses, Warn warns.
        force: for apply patches: take fields from their managers.
        subresource: "" or "status".
        warn: told of each warning for the user.
    """

    manager: str = "unknown"
    dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    force: bool = False
    subresource: str = ""
    warn: Callable[[str], None] = _ignore


class DeleteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of delete and deletecollection.

    Attributes:
        propagation: what becomes of objects that this one owns.
        grace_period_s: how long its agent may take; None is the kind's default, 0 is at once.
        uid: a precondition, unless "".
        resource_version: a precondition, unless "".
        dry_run: do everything but delete.
    """

    propagation: Propagation = "Background"
    grace_period_s: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
