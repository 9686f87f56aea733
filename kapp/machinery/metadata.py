"""Rules for metadata that hold for every kind: names, labels, annotations, owners, finalizers.

Pure. Source of rules and sentences: k8s.io/apimachinery/pkg/util/validation/validation.go and
pkg/api/validation/objectmeta.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Kind
from kapp.machinery.status import Cause

MAX_NAME_CHARS = 253
MAX_LABEL_CHARS = 63
MAX_ANNOTATIONS_BYTES = 256 << 10

_OMITTED_EMPTY = frozenset(
    {"annotations", "finalizers", "generateName", "labels", "namespace", "ownerReferences"}
)

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

_subdomain = re.compile(_SUBDOMAIN).fullmatch
_value = re.compile(_VALUE).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value', "
    f" or '12345', regex used for validation is '{_VALUE}')"
)
QUALIFIED_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)


# Source: ValidateFinalizerName in kubernetes/pkg/apis/core/validation, for built-in kinds alone.
_STANDARD_FINALIZERS = frozenset(["kubernetes", "orphan", "foregroundDeletion"])
_FINALIZER_RULE = "name is neither a standard finalizer name nor is it fully qualified"


def name_problem(name: str, rule: str = "subdomain") -> str:
    """What is wrong with an object's name, or ""."""
    if rule == "path_segment":
        if name in (".", ".."):
            return f"may not be '{name}'"
        bad = next((c for c in "/%" if c in name), "")
        return f"may not contain '{bad}'" if bad else ""
    if len(name) > MAX_NAME_CHARS:
        return f"must be no more than {MAX_NAME_CHARS} characters"
    return "" if _subdomain(name) else _SUBDOMAIN_RULE


def label_value_problem(value: str) -> str:
    """What is wrong with a label's value, or ""."""
    if len(value) > MAX_LABEL_CHARS:
        return f"must be no more than {MAX_LABEL_CHARS} characters"
    return "" if _value(value) else _LABEL_RULE


def qualified_name_problem(key: str) -> str:
    """What is wrong with the key of a label or an annotation, or a finalizer's name, or ""."""
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (len(prefix) > MAX_NAME_CHARS or not _subdomain(prefix)):
        return f"prefix part {_SUBDOMAIN_RULE}"
    if not name:
        return "name part must be non-empty"
    if len(name) > MAX_LABEL_CHARS:
        return f"name part must be no more than {MAX_LABEL_CHARS} characters"
    return "" if _qualified(name) else QUALIFIED_NAME_RULE


def drop_empty_metadata(obj: Object) -> None:
    """Leave out what ObjectMeta does not write when it is empty, in place; nulls too.

    Every kind's metadata goes through that type (apis/meta/v1/types.go, `omitempty`).
    """
    meta = obj["metadata"]
    for name in list(meta):
        if meta[name] is None or (name in _OMITTED_EMPTY and not meta[name]):
            del meta[name]


def validate_metadata(kind: Kind, new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with `metadata`, whose types are right already. Unchanged parts are trusted."""
    meta = new["metadata"]
    before: dict[str, Any] = old["metadata"] if old is not None else {}
    causes: list[Cause] = []
    if old is None:
        name = meta["name"]
        if problem := name_problem(name, kind.name_rule):
            causes.append(_wrong("metadata.name", name, problem))
    if meta.get("labels") != before.get("labels"):
        causes += _labels(meta.get("labels") or {})
    if meta.get("annotations") != before.get("annotations"):
        causes += _annotations(meta.get("annotations") or {})
    if meta.get("ownerReferences") != before.get("ownerReferences"):
        causes += _owners(meta.get("ownerReferences") or [])
    if meta.get("finalizers") != before.get("finalizers"):
        causes += _finalizers(kind, meta, before)
    return causes


def finalizer_warnings(kind: Kind, new: Object, old: Object | None) -> list[str]:
    """What to say about finalizers that a custom kind may have, and should not.

    Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource/strategy.go.
    """
    before = ((old or {}).get("metadata") or {}).get("finalizers") or ()
    added = [f for f in new["metadata"].get("finalizers") or () if f not in before]
    return [
        f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name to avoid '
        "accidental conflicts with other finalizer writers"
        for finalizer in added
        if not kind.strategic and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS
    ]


def _wrong(field: str, value: str, problem: str) -> Cause:
    return Cause(field, f'Invalid value: "{value}": {problem}')


def _labels(labels: dict[str, str]) -> Iterator[Cause]:
    for key, value in labels.items():
        if problem := qualified_name_problem(key):
            yield _wrong("metadata.labels", key, problem)
        if problem := label_value_problem(value):
            yield _wrong("metadata.labels", value, problem)


def _annotations(annotations: dict[str, str]) -> Iterator[Cause]:
    for key in annotations:
        if problem := qualified_name_problem(key.lower()):
            yield _wrong("metadata.annotations", key, problem)
    size = sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items())
    if size > MAX_ANNOTATIONS_BYTES:
        yield Cause(
            "metadata.annotations",
            f"Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes",
            "FieldValueTooLong",
        )


def _owners(owners: list[dict[str, Any]]) -> Iterator[Cause]:
    controllers = [o.get("name") or "" for o in owners if o.get("controller")]
    for owner in owners:
        for field, what in (("apiVersion", "version "), ("kind", ""), ("name", ""), ("uid", "")):
            if not owner.get(field):
                yield Cause(
                    f"metadata.ownerReferences.{field}",
                    f'Invalid value: "": {what}must not be empty',
                )
    if len(controllers) > 1:
        yield Cause(
            "metadata.ownerReferences",
            "Invalid value: only one reference can have Controller set to true. Found "
            f'"true" in references for {controllers[0]} and {controllers[1]}',
        )


def _finalizers(kind: Kind, meta: dict[str, Any], before: dict[str, Any]) -> Iterator[Cause]:
    finalizers: list[str] = meta.get("finalizers") or []
    for index, finalizer in enumerate(finalizers):
        if problem := qualified_name_problem(finalizer):
            yield _wrong("metadata.finalizers", finalizer, problem)
        elif kind.strategic and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            yield _wrong(f"metadata.finalizers[{index}]", finalizer, _FINALIZER_RULE)
    added = [f for f in finalizers if f not in (before.get("finalizers") or ())]
    if added and before.get("deletionTimestamp"):
        listed = ", ".join(f'"{f}"' for f in added)
        yield Cause(
            "metadata.finalizers",
            "Forbidden: no new finalizers can be added if the object is being deleted, found new "
            f"finalizers []string{{{listed}}}",
            "FieldValueForbidden",
        )
