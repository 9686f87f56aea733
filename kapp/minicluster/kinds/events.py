"""The kind of the group events.k8s.io, version v1: the core group's Events in newer words.

Source: pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

import msgspec

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.minicluster import openapi
from kapp.minicluster.columns import core as core_columns
from kapp.minicluster.kinds.core import EVENT as CORE_EVENT

_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_OLD_NAMES = {old: new for new, old in _NAMES.items()}


def to_core(event: Object) -> Object:
    """The Event as it is stored: one of the core group."""
    return {**{_NAMES.get(k, k): v for k, v in event.items()}, "apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """A stored Event as one of this group; one of this group stays as it is."""
    shown = {_OLD_NAMES.get(k, k): v for k, v in event.items()}
    return {**shown, "apiVersion": "events.k8s.io/v1"}


def _in_old_words(column: Column) -> Column:
    return msgspec.structs.replace(
        column, value=lambda event, now: column.value(to_core(event), now)
    )


EVENT = Kind(
    group="events.k8s.io",
    version="v1",
    kind="Event",
    plural="events",
    short_names=("ev",),
    namespaced=True,
    columns=tuple(map(_in_old_words, core_columns.EVENTS)),
    schema=openapi.schema("events.v1.Event"),
    definitions=openapi.definitions(),
    view_of=CORE_EVENT.resource.group_resource,
    store=to_core,
    present=from_core,
    has_status=False,
    counts_generations=False,
    strategic=True,
)

KINDS = (EVENT,)
