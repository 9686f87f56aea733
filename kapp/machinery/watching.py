"""A watch through a selector: what a client is told of changes it asked for.

An object that starts to match is ADDED and one that ceases to is DELETED, whatever happened to it
in the store. Source: k8s.io/apiserver/pkg/storage/cacher/cache_watcher.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from kapp.machinery.events import (
    ChangeType,
    Event,
    View,
    encode_event,
    labels_of_body,
    object_of_body,
)
from kapp.machinery.objects import ObjectKey
from kapp.machinery.scheme import Kind
from kapp.machinery.selectors import Selector, field_reader
from kapp.machinery.status import ApiError
from kapp.machinery.watchlog import Watch

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark that ends the initial events (KEP-3157)."""


class Matcher:
    """Label and field selectors of one request, for encoded objects of one kind."""

    def __init__(self, kind: Kind, labels: Selector, fields: Selector) -> None:
        self._labels = labels
        self._fields = fields
        self.view = view_maker(kind)

    @property
    def everything(self) -> bool:
        """Whether every object matches, so that nothing need be decoded."""
        return not self._labels.requirements and not self._fields.requirements

    @property
    def name(self) -> str | None:
        """The one name that can match, if the field selector says so."""
        return self._fields.exact("metadata.name")

    def matches_view(self, view: View) -> bool:
        """Whether an object with that view is asked for."""
        return self._labels.matches(view.labels) and self._fields.matches(view.fields)

    def matches(self, key: ObjectKey, body: bytes) -> bool:
        """Whether an encoded object is asked for."""
        return self.everything or self.matches_view(self.view(key, body))


def view_maker(kind: Kind) -> Callable[[ObjectKey, bytes], View]:
    """Makes what selectors look at; only kinds with selectable fields are decoded in full."""
    read = field_reader(kind.selectable)

    def view(key: ObjectKey, body: bytes) -> View:
        fields = {"metadata.name": key.name, "metadata.namespace": key.namespace}
        if not kind.selectable:
            return View(labels_of_body(body), fields)
        obj = object_of_body(body)
        return View(obj["metadata"].get("labels") or {}, fields | read(obj))

    return view


class Selection:
    """A watch that shows matching objects only; first the `initial` ones, as ADDED.

    `take` until it returns nothing, then wait for `on_wake`. `position` is then the version up to
    which everything has been taken, good for a bookmark. `shown` makes what a client sees of a
    stored object, where that differs.
    """

    def __init__(
        self,
        watch: Watch,
        matcher: Matcher,
        initial: Iterable[Event] = (),
        *,
        shown: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._watch = watch
        self._presented = shown
        self._matcher = matcher
        self._initial = list(initial)

    @property
    def error(self) -> ApiError | None:
        """Why it ended, if with an error."""
        return self._watch.error

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._watch.closed

    def on_wake(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when there is more to take; see `Watch.on_wake`."""
        self._watch.on_wake = callback

    def close(self) -> None:
        """End it."""
        self._watch.close()

    def take(self) -> list[Event]:
        """The next events; nothing when there are none yet."""
        events = self._take()
        if self._presented is None:
            return events
        return [_retyped(event, event.type, self._presented(event.body)) for event in events]

    def _take(self) -> list[Event]:
        if self._initial:
            initial, self._initial = self._initial, []
            return initial
        while events := self._watch.take():
            if self._matcher.everything:
                return events
            if shown := [e for event in events if (e := self._shown(event)) is not None]:
                return shown
        return []

    def take_lines(self) -> bytes:
        """What `take` would return, as lines of a watch response."""
        if self._initial or not self._matcher.everything or self._presented is not None:
            return b"".join([event.line for event in self.take()])
        return self._watch.take_lines()

    def _shown(self, event: Event) -> Event | None:
        matcher = self._matcher
        before = bool(event.previous) and matcher.matches_view(event.previous_view(matcher.view))
        if event.type == "DELETED":
            return event if before else None
        after = matcher.matches_view(event.view(matcher.view))
        if after == before:
            return event if after else None
        if after:
            return event if event.type == "ADDED" else _retyped(event, "ADDED", event.body)
        last = object_of_body(event.previous)
        last["metadata"]["resourceVersion"] = str(event.resource_version)
        return _retyped(event, "DELETED", msgspec.json.encode(last))


def _retyped(event: Event, change: ChangeType, body: bytes) -> Event:
    return Event(
        change, event.resource_version, event.key, body, event.previous, event.previous_version
    )


def bookmark_line(kind: Kind, resource_version: int, *, initial_end: bool = False) -> bytes:
    """A BOOKMARK: everything up to the version has been sent."""
    metadata: dict[str, object] = {"resourceVersion": str(resource_version)}
    if initial_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    body = {"kind": kind.kind, "apiVersion": kind.gvk.api_version, "metadata": metadata}
    return encode_event("BOOKMARK", msgspec.json.encode(body))


def error_line(error: ApiError) -> bytes:
    """An ERROR event: the last line of a watch that could not go on."""
    return encode_event("ERROR", msgspec.json.encode(error.status()))
