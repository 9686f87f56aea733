"""What an API server's refusal of an apply means (pure): try again, make anew, or tell the user.

Decided by code, reason and causes. Message text is looked at only where Kubernetes gives nothing
else: its server-side apply reports an unknown field as a bare 500, and immutability as a cause
whose wording is all that tells it from another invalid value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from kapp.cluster.prepare import REDACTED, secret_values
from kapp.errors import ClusterError, KappError, Unreachable
from kapp.machinery.objects import Object, display_name, gvk_of
from kapp.machinery.status import ApiError, Cause


class Retry(NamedTuple):
    """Try again, not sooner than `after_s`; `why` is for the user."""

    why: str
    after_s: float = 0.0


class Recreate(NamedTuple):
    """The change needs the object to be deleted first, and nothing is lost by that."""

    why: str


class Rejected(ClusterError):
    """An object as it is will never be accepted; its location names object and field."""


Verdict = Retry | Recreate | KappError

# Kinds that hold no data of their own, with the fields whose change the API refuses.
# Source: k8s.io/kubernetes/pkg/apis/{core,apps,batch,rbac}/validation/validation.go.
_RECREATABLE: dict[tuple[str, str], tuple[str, ...]] = {
    ("batch", "Job"): ("spec",),
    ("", "Pod"): ("spec",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "DaemonSet"): ("spec.selector",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("", "ConfigMap"): ("data", "binaryData", "immutable"),
    ("", "Secret"): ("data", "stringData", "immutable", "type"),
}
# What others keep in them goes with them: kapp does not make them anew, even when told to.
_CONTAINERS = {
    "Namespace": "kubectl delete it yourself if all that is in it may go",
    "CustomResourceDefinition": "kubectl delete it yourself if all its objects may go",
}
_IMMUTABLE = re.compile(
    r"immutable|may not change|updates to .+ are forbidden|Forbidden: updates|cannot change roleRef"
)
_UNKNOWN_SSA = re.compile(r"(\.[\w./\[\]\"=,{}-]+): field not declared in schema")
_UNKNOWN_STRICT = re.compile(r"unknown field \"([^\"]+)\"")
_TYPED = re.compile(r"failed to create typed [^:]*(?:\([^)]*\))?: ?(?:errors:\s*)?(.*)", re.DOTALL)
_SSA_VALUE = re.compile(r"&?\{?value\w*\{[^}]*\}+")
_TRANSIENT_CODES = (408, 429, 500, 502, 503, 504)


def judge(error: KappError, obj: Object, *, exists: bool, resource: str = "NAME") -> Verdict:
    """What to do about `error`, the answer to applying `obj`.

    `exists`: an older version of the object is in the cluster. `resource`: for the hint.
    """
    if isinstance(error, Unreachable):
        return Retry(error.message)
    if not isinstance(error, ApiError):
        return error
    reasons = {cause.reason for cause in error.causes}
    if error.code == 500 and _TYPED.search(error.message):
        return explain(error, obj)
    if error.code in _TRANSIENT_CODES:
        return Retry(redact(error.message, obj), float(error.retry_after_s or 0))
    if error.code == 409:
        return Retry(redact(error.message, obj))
    if error.code == 403 and "NamespaceTerminating" in reasons:
        return Retry("its namespace is being deleted")
    if error.code == 404 and error.details.get("kind") == "namespaces":
        return Rejected(
            f"namespace {error.details.get('name')} does not exist",
            location=display_name(obj),
            hint="add the Namespace to the Kappfile, or create it",
        )
    if error.code == 422 and exists and _is_immutable(error.causes):
        if _is_recreatable(obj, error.causes):
            return Recreate(redact(_first(error.causes), obj))
        return Rejected(
            f"{redact(_first(error.causes), obj)}; it cannot be changed in place",
            location=display_name(obj),
            hint=_CONTAINERS[gvk_of(obj).kind]
            if gvk_of(obj).kind in _CONTAINERS
            else f"kapp trigger {resource} --force deletes it and creates it again",
        )
    return explain(error, obj)


def explain(error: ApiError, obj: Object) -> Rejected:
    """One clear sentence: object, field, cause."""
    name = display_name(obj)
    unknown = [m.lstrip(".") for m in _UNKNOWN_SSA.findall(error.message)]
    unknown += _UNKNOWN_STRICT.findall(error.message)
    if unknown:
        others = f" (and {len(unknown) - 1} more: {', '.join(unknown[1:])})" if unknown[1:] else ""
        return Rejected(
            f"unknown field{others}",
            location=f"{name} {unknown[0]}",
            hint=f"kubectl explain {gvk_of(obj).kind.lower()} lists the fields there are",
        )
    if error.causes:
        field, message, _ = error.causes[0]
        more = f" (and {len(error.causes) - 1} more)" if len(error.causes) > 1 else ""
        return Rejected(redact(message, obj) + more, location=f"{name} {field}" if field else name)
    if error.code == 403:
        return Rejected(
            f"not allowed: {redact(error.message, obj)}",
            location=name,
            hint="ask for the permission, or choose another context or namespace",
        )
    typed = _TYPED.search(error.message)
    text = typed.group(1).strip() if typed else error.message
    return Rejected(redact(" ".join(text.split()), obj), location=name)


def redact(text: str, obj: Object) -> str:
    """`text` without any value of a Secret."""
    values = secret_values(obj)
    if not values:
        return text
    text = _SSA_VALUE.sub(REDACTED, text)
    for value in values:
        text = text.replace(value, REDACTED) if len(value) > 2 else _word(value).sub(REDACTED, text)
    return text


def _word(value: str) -> re.Pattern[str]:
    """A very short value is replaced only where it stands alone, or the text would be lost."""
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)")


def _is_immutable(causes: Iterable[Cause]) -> bool:
    causes = tuple(causes)
    return bool(causes) and all(
        cause.reason in ("FieldValueForbidden", "FieldValueInvalid")
        and _IMMUTABLE.search(cause.message)
        for cause in causes
    )


def _is_recreatable(obj: Object, causes: Iterable[Cause]) -> bool:
    gvk = gvk_of(obj)
    fields = _RECREATABLE.get((gvk.group, gvk.kind), ())
    return all(
        any(cause.field == field or cause.field.startswith(f"{field}.") for field in fields)
        for cause in causes
    )


def _first(causes: tuple[Cause, ...]) -> str:
    """The first cause, without the value that an Invalid cause quotes before its sentence."""
    message = causes[0].message
    if causes[0].reason == "FieldValueInvalid" and ": " in message:
        message = message.rpartition(": ")[2]
    return f"{causes[0].field}: {message}"
