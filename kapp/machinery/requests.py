"""Requests and responses as data, and the options that a query string holds. Pure.

Source of defaults and sentences: k8s.io/apimachinery/pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from kapp.machinery.events import Event
from kapp.machinery.negotiation import JSON, media_type_of
from kapp.machinery.objects import Json, Object, ObjectKey
from kapp.machinery.options import DeleteOptions, FieldValidation, Propagation, WriteOptions
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError, Cause, bad_request, invalid
from kapp.machinery.watching import Selection

_MAX_MANAGER_BYTES = 128
_OPTIONS_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}

# Numbers are Go's int64, and no more lenient than its parser: int() takes `1_0` and other scripts.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII).fullmatch
_TOO_LARGE = 1 << 63
_MAX_DIGITS = 100


class Request(msgspec.Struct, frozen=True):
    """One HTTP request; `path` is as sent (percent-encoded), header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """What the body is, without parameters; "" where nothing says so."""
        return media_type_of(self.headers.get("content-type", ""))

    def flag(self, name: str) -> bool:
        """A boolean parameter, as Go's ParseBool reads it; present without a value is true."""
        value = self.query.get(name)
        return value is not None and value.lower() in ("", "1", "t", "true")

    def number(self, name: str) -> int:
        """A whole number, 0 where there is none. Raises ApiError (400)."""
        value = self.query.get(name) or ""
        if not value:
            return 0
        if _WHOLE_NUMBER(value) is None:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax ({name})')
        # Too long for int() means too large as well.
        number = int(value) if len(value) <= _MAX_DIGITS else _TOO_LARGE
        if not -_TOO_LARGE <= number < _TOO_LARGE:
            raise bad_request(f'strconv.ParseInt: parsing "{value}": value out of range ({name})')
        return number


class Response(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class WatchResponse(msgspec.Struct, frozen=True):
    """An answer that goes on: the server writes `lines` whenever `selection` wakes it.

    Attributes:
        lines: encodes events; None where `selection.take_lines` is what is wanted.
        bookmark: makes a BOOKMARK line of a version; its second argument marks the end of the
            initial events.
        initial_end: whether the end of the initial events is to be announced.
        bookmarks: whether the client wants to be told of versions from time to time.
        timeout_s: when to end; 0 leaves it to the server.
    """

    selection: Selection
    content_type: str
    lines: Callable[[list[Event]], bytes] | None
    bookmark: Callable[[int, bool], bytes]
    version: Callable[[], int]
    initial_end: bool
    bookmarks: bool
    timeout_s: int


class StreamRequest(msgspec.Struct, frozen=True):
    """A request for a subresource that a stream handler answers (log, exec, …)."""

    kind: Kind
    key: ObjectKey
    subresource: str
    object: Object


def write_options(request: Request, warn: Callable[[str], None], subresource: str) -> WriteOptions:
    """Options of create, update and patch. Raises ApiError (422)."""
    return WriteOptions(
        manager=_manager(request),
        dry_run=dry_run(request.query.get("dryRun")),
        field_validation=_field_validation(request.query.get("fieldValidation") or "Warn"),
        force=request.flag("force"),
        subresource=subresource,
        warn=warn,
    )


def _manager(request: Request) -> str:
    manager = request.query.get("fieldManager") or ""
    if len(manager) > _MAX_MANAGER_BYTES:
        problem = f"Too long: may not be more than {_MAX_MANAGER_BYTES} bytes"
        cause = Cause("fieldManager", problem, "FieldValueTooLong")
        kind = _OPTIONS_KINDS.get(request.method, "Options")
        raise invalid(kind, "meta.k8s.io", "", [cause])
    # Source: managerOrUserAgent in k8s.io/apiserver/pkg/endpoints/handlers/create.go.
    agent = request.headers.get("user-agent", "").partition("/")[0]
    return manager or agent[:_MAX_MANAGER_BYTES] or "unknown"


def _field_validation(text: str) -> FieldValidation:
    match text:
        case "Strict" | "Warn" | "Ignore" as known:
            return known
    raise _wrong_option(
        "fieldValidation",
        f'Unsupported value: "{text}": supported values: "Ignore", "Strict", "Warn"',
    )


def dry_run(value: Json) -> bool:
    """Whether `dryRun` asks for one; "All" is the only value there is. Raises ApiError (422)."""
    values = value if isinstance(value, list) else [value] if value else []
    if any(v != "All" for v in values):
        raise _wrong_option("dryRun", f'Unsupported value: "{values[0]}": supported values: "All"')
    return bool(values)


def delete_options(
    request: Request, body: Json, default: Propagation = "Background"
) -> DeleteOptions:
    """Options of a delete, from its body or else its query. Raises ApiError (400, 422)."""
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise bad_request("the request's body must be DeleteOptions")
    conditions = body.get("preconditions") or {}
    grace_s = body.get("gracePeriodSeconds")
    if grace_s is None and request.query.get("gracePeriodSeconds"):
        grace_s = request.number("gracePeriodSeconds")
    if grace_s is not None and (not isinstance(grace_s, int) or isinstance(grace_s, bool)):
        raise bad_request("gracePeriodSeconds must be a whole number")
    policy = body.get("propagationPolicy") or request.query.get("propagationPolicy")
    orphan = body.get("orphanDependents", request.flag("orphanDependents"))
    if not isinstance(conditions, dict):
        raise bad_request("preconditions must be an object")
    return DeleteOptions(
        propagation=_propagation(policy or ("Orphan" if orphan else default)),
        grace_period_s=grace_s,
        uid=str(conditions.get("uid") or ""),
        resource_version=str(conditions.get("resourceVersion") or ""),
        dry_run=dry_run(body.get("dryRun") or request.query.get("dryRun")),
    )


def _propagation(text: object) -> Propagation:
    match text:
        case "Background" | "Foreground" | "Orphan" as known:
            return known
    raise invalid(
        "DeleteOptions",
        "meta.k8s.io",
        "",
        [
            Cause(
                "propagationPolicy",
                f'Unsupported value: "{text}": supported values: "Foreground", "Background", '
                '"Orphan", "nil"',
                "FieldValueNotSupported",
            )
        ],
    )


def _wrong_option(name: str, problem: str) -> ApiError:
    return invalid("Options", "meta.k8s.io", "", [Cause(name, problem)])


def require_apply_options(request: Request, *, is_apply: bool) -> None:
    """An apply patch needs a manager, and only it may be forced. Raises ApiError (422)."""
    problem = None
    if is_apply and not request.query.get("fieldManager"):
        problem = Cause(
            "fieldManager", "Required value: is required for apply patch", "FieldValueRequired"
        )
    elif not is_apply and request.query.get("force"):
        problem = Cause(
            "force", "Forbidden: may not be specified for non-apply patch", "FieldValueForbidden"
        )
    if problem is not None:
        raise invalid("PatchOptions", "meta.k8s.io", "", [problem])
