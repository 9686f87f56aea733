"""One change of one object, and its form on the wire. Used by the store, watches and the server.

An event is shared by all who watch it: what is computed from it (its line, its labels) is
computed once and kept with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from kapp.machinery.objects import Object, ObjectKey

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

_decode = msgspec.json.Decoder(Object).decode


class _Labels(msgspec.Struct):
    labels: dict[str, str] | None = None


class _Head(msgspec.Struct):
    metadata: _Labels


_decode_head = msgspec.json.Decoder(_Head).decode


class View(NamedTuple):
    """What selectors look at: the labels, and the selectable fields by path."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


class Event:
    """A change at `resource_version`; `previous` is the object before it (b"" for ADDED).

    A DELETED event's body is the object's last state, at the version of the deletion.
    """

    __slots__ = (
        "_line",
        "_previous_view",
        "_view",
        "body",
        "key",
        "previous",
        "previous_version",
        "resource_version",
        "type",
    )

    def __init__(
        self,
        change: ChangeType,
        resource_version: int,
        key: ObjectKey,
        body: bytes,
        previous: bytes = b"",
        previous_version: int = 0,
    ) -> None:
        self.type = change
        self.resource_version = resource_version
        self.key = key
        self.body = body
        self.previous = previous
        self.previous_version = previous_version
        self._line: bytes | None = None
        self._view: View | None = None
        self._previous_view: View | None = None

    def __repr__(self) -> str:
        return f"Event({self.type} {self.key} @{self.resource_version})"

    def object(self) -> Object:
        """A fresh copy of the object."""
        return _decode(self.body)

    @property
    def line(self) -> bytes:
        """The event as a line of a watch response."""
        if self._line is None:
            self._line = encode_event(self.type, self.body)
        return self._line

    def view(self, make: Callable[[ObjectKey, bytes], View]) -> View:
        """What selectors see of the object; `make` must be the same for a given resource."""
        if self._view is None:
            self._view = make(self.key, self.body)
        return self._view

    def previous_view(self, make: Callable[[ObjectKey, bytes], View]) -> View:
        """What selectors saw of the object before the change."""
        if self._previous_view is None:
            self._previous_view = make(self.key, self.previous)
        return self._previous_view


def encode_event(name: str, body: bytes) -> bytes:
    """A line of a watch response."""
    return b'{"type":"%b","object":%b}\n' % (name.encode(), body)


def labels_of_body(body: bytes) -> dict[str, str]:
    """The labels of an encoded object, without decoding the rest."""
    return _decode_head(body).metadata.labels or {}


def object_of_body(body: bytes) -> dict[str, Any]:
    """A fresh copy of an encoded object."""
    return _decode(body)
