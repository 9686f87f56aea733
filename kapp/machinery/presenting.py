"""How objects, lists and events look to a client: JSON or YAML, whole, as tables, as metadata.

Plain JSON is joined from stored bytes; everything else is decoded and rendered. Pure; used by
`rest.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from kapp.machinery.events import Event, encode_event
from kapp.machinery.negotiation import JSON, Accepted, encode_body, negotiate
from kapp.machinery.objects import Json, Object, metadata_of
from kapp.machinery.paging import Page
from kapp.machinery.requests import Request, Response
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError, bad_request
from kapp.machinery.table import IncludeObject, partial_metadata, render_table

PLAIN = Accepted(JSON, "Object")
# As many as a client can make use of; the rest would only fill the header.
_MAX_WARNINGS = 50
# Source: truncateItemRunes and truncateAtTotalRunes in k8s.io/apiserver/pkg/endpoints/filters/
# warning.go: a field's name may be as long as the body, a header may not.
_MAX_WARNING_CHARS = 256
_MAX_WARNINGS_CHARS = 4096


class Presenter:
    """Answers one request in the form that it accepts.

    Args:
        request: says the form, and what table rows carry of their objects.
        kind: the kind of the objects.
        now: the present wall time, for ages.
    """

    def __init__(self, request: Request, kind: Kind, now: Callable[[], datetime]) -> None:
        self.accepted = accepted_by(request)
        self._kind = kind
        self._now = now
        self._include = _include(request)
        self._described = False

    @property
    def plain(self) -> bool:
        """Whether stored bytes are the answer."""
        return self.accepted == PLAIN

    def object(self, obj: Object, status: int = 200) -> Response:
        """One object."""
        return answer(self._shown(obj), self.accepted, status)

    def _shown(self, obj: Object) -> Object:
        if self.accepted.form == "Table":
            version = metadata_of(obj).get("resourceVersion", "")
            return self._table([obj], {"resourceVersion": version})
        return partial_metadata(obj) if self.accepted.form == "PartialObjectMetadata" else obj

    def page(self, page: Page) -> Response:
        """A list."""
        kind, version = self._kind.kind, self._kind.gvk.api_version
        if self.plain:
            return Response(200, page.encode(kind, version))
        objects = page.objects()
        if self.accepted.form == "Table":
            return answer(self._table(objects, page.metadata()), self.accepted)
        if self.accepted.form == "PartialObjectMetadata":
            version, kind = "meta.k8s.io/v1", "PartialObjectMetadata"
            objects = [partial_metadata(obj) for obj in objects]
        whole: dict[str, Any] = {
            "kind": f"{kind}List",
            "apiVersion": version,
            "metadata": page.metadata(),
            "items": objects,
        }
        return answer(whole, self.accepted)

    @property
    def stream_type(self) -> str:
        """The content type of a watch; events are always JSON."""
        form = self.accepted.form
        return JSON if form == "Object" else f"{JSON};as={form};g=meta.k8s.io;v=v1"

    def lines(self, events: list[Event]) -> bytes:
        """Watch events; tables describe their columns in the first one only."""
        return b"".join(
            encode_event(event.type, msgspec.json.encode(self._shown(event.object())))
            for event in events
        )

    def _table(self, objects: list[Object], metadata: Object) -> Object:
        table = render_table(
            self._kind,
            objects,
            self._now(),
            include=self._include,
            headers=not self._described,
            metadata=metadata,
        )
        self._described = True
        return table


def accepted_by(request: Request) -> Accepted:
    """What a request for objects accepts. Raises ApiError (406)."""
    return negotiate(request.headers.get("accept", ""))


def _include(request: Request) -> IncludeObject:
    match request.query.get("includeObject") or "Metadata":
        case "None" | "Metadata" | "Object" as known:
            return known
    raise bad_request("includeObject must be None, Metadata or Object")


def answer(value: Object, accepted: Accepted, status: int = 200) -> Response:
    """A value in an accepted encoding."""
    return Response(status, encode_body(value, accepted.media_type), accepted.media_type)


def success(request: Request, status: int = 200, **more: Json) -> Response:
    """The Status of a write that leaves no object to show."""
    said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", **more}
    return answer(said, Accepted(accepted_by(request).media_type, "Object"), status)


def with_warnings(response: Response, warnings: list[str]) -> Response:
    """A response with warnings, cut to what fits into a client's limit for headers."""
    if not warnings:
        return response
    room = _MAX_WARNINGS_CHARS
    told: list[str] = []
    for warning in warnings[:_MAX_WARNINGS]:
        text = warning[:_MAX_WARNING_CHARS]
        room -= len(text)
        if room < 0:
            break
        told.append(text)
    return msgspec.structs.replace(response, warnings=tuple(told))


def error_response(error: ApiError) -> Response:
    """An error as a Status, with the headers that belong to it."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(error.code, encode_body(error.status(), JSON), JSON, headers)
