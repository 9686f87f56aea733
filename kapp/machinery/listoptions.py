"""Which options of a list or a watch go together. Pure; used by `rest.py`.

Source: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from kapp.machinery.status import Cause, invalid

_MATCH = "resourceVersionMatch"
_INITIAL = "sendInitialEvents"
_EXACT, _NOT_OLDER = "Exact", "NotOlderThan"


def check_list_options(query: Mapping[str, str], *, watching: bool) -> None:
    """Refuse a query that asks for what does not go together. Raises ApiError (422)."""
    causes = _of_watch(query) if watching else _of_list(query)
    if causes:
        raise invalid("ListOptions", "meta.k8s.io", "", causes)


def _of_list(query: Mapping[str, str]) -> list[Cause]:
    causes = []
    if match := query.get(_MATCH):
        version = query.get("resourceVersion")
        if not version:
            causes.append(_forbidden(f"{_MATCH} is forbidden unless resourceVersion is provided"))
        if query.get("continue"):
            causes.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
        if match not in (_EXACT, _NOT_OLDER):
            causes.append(_unsupported(match, f'"{_EXACT}", "{_NOT_OLDER}", ""'))
        if match == _EXACT and version == "0":
            causes.append(_forbidden(f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if _INITIAL in query:
        causes.append(_forbidden(f"{_INITIAL} is forbidden for list", _INITIAL))
    return causes


def _of_watch(query: Mapping[str, str]) -> list[Cause]:
    causes = []
    match = query.get(_MATCH) or ""
    if _INITIAL in query and match != _NOT_OLDER:
        causes.append(_forbidden(f"{_INITIAL} requires setting {_MATCH} to {_NOT_OLDER}"))
    if match:
        if _INITIAL not in query:
            causes.append(
                _forbidden(f"{_MATCH} is forbidden for watch unless {_INITIAL} is provided")
            )
        if match != _NOT_OLDER:
            causes.append(_unsupported(match, f'"{_NOT_OLDER}"'))
        if query.get("continue"):
            causes.append(_forbidden(f"{_MATCH} is forbidden when continue is provided"))
    return causes


def _forbidden(why: str, field: str = _MATCH) -> Cause:
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def _unsupported(value: str, supported: str) -> Cause:
    return Cause(
        _MATCH,
        f'Unsupported value: "{value}": supported values: {supported}',
        "FieldValueNotSupported",
    )
