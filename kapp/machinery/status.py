"""API errors as Kubernetes reports them: a `Status` object with a reason and causes.

Raised by the registry, sent by the server, and raised again by the HTTP client, so that a caller
handles the same error whichever client it uses. Source of the reasons, codes and sentences:
k8s.io/apimachinery/pkg/api/errors/errors.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kapp.errors import KappError
from kapp.machinery.objects import Object


class Cause(NamedTuple):
    """One thing wrong with an object. `reason` is FieldValueInvalid, FieldValueRequired, …."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


class ApiError(KappError):
    """A Status with `status: Failure`.

    `code` is the HTTP status, `reason` the machine-readable one-word reason; branch on those two,
    never on the message.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        causes: Iterable[Cause] = (),
        retry_after_s: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.reason = reason
        self.details = dict(details or {})
        self.causes = tuple(causes)
        self.retry_after_s = retry_after_s

    def status(self) -> Object:
        """The error as a Status object, as it goes over the wire."""
        details: dict[str, Any] = dict(self.details)
        if self.causes:
            details["causes"] = [
                {"reason": c.reason, "message": c.message, "field": c.field} for c in self.causes
            ]
        if self.retry_after_s is not None:
            details["retryAfterSeconds"] = self.retry_after_s
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": details,
            "code": self.code,
        }

    @classmethod
    def from_status(cls, status: Mapping[str, Any], code: int = 0) -> ApiError:
        """The error that a Status object describes; `code` where the object has none."""
        details = dict(status.get("details") or {})
        causes = [
            Cause(c.get("field") or "", c.get("message") or "", c.get("reason") or "")
            for c in details.pop("causes", None) or ()
        ]
        return cls(
            int(status.get("code") or code),
            str(status.get("reason") or ""),
            str(status.get("message") or f"the server answered with status {code}"),
            details=details,
            causes=causes,
            retry_after_s=details.pop("retryAfterSeconds", None),
        )


def _named(resource: str, name: str) -> dict[str, str]:
    plural, _, group = resource.partition(".")
    return {"name": name, "group": group, "kind": plural}


def not_found(resource: str, name: str) -> ApiError:
    """404 for an object; `resource` is `plural.group`."""
    return ApiError(
        404, "NotFound", f'{resource} "{name}" not found', details=_named(resource, name)
    )


def unknown_path() -> ApiError:
    """404 for a path that no resource serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str) -> ApiError:
    """409 for a create of what is there."""
    return ApiError(
        409, "AlreadyExists", f'{resource} "{name}" already exists', details=_named(resource, name)
    )


def conflict(resource: str, name: str, why: str = "") -> ApiError:
    """409 for a write that is based on an old version, or on a wrong precondition."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version "
        "and try again"
    )
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource} "{name}": {why}',
        details=_named(resource, name),
    )


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """422 with one cause for each field that is wrong."""
    causes = tuple(causes)
    texts = [f"{c.field}: {c.message}" if c.field else c.message for c in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(
        422,
        "Invalid",
        f'{qualified} "{name}" is invalid: {text}',
        details={"name": name, "group": group, "kind": kind},
        causes=causes,
    )


def bad_request(message: str) -> ApiError:
    """400 for a request that cannot be read."""
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    """410 for a watch or a page that starts at a version the server no longer has."""
    return ApiError(410, "Expired", message)


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    """415 for a patch or body type that the resource does not take."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def method_not_allowed(method: str) -> ApiError:
    """405 for a verb that the resource does not have."""
    return ApiError(
        405,
        "MethodNotAllowed",
        f"the server does not allow this method on the requested resource: {method}",
    )
