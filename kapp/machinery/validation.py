"""Everything that can be wrong with an object's content, and how the request is told. Pure.

One `KindRules` a kind holds its compiled schema and merge rules. Used by the registry.
"""

from __future__ import annotations

import msgspec

from kapp.machinery.fieldtypes import FieldTypes
from kapp.machinery.metadata import drop_empty_metadata, finalizer_warnings, validate_metadata
from kapp.machinery.objects import Object, ObjectKey, name_of, uid_of
from kapp.machinery.options import WriteOptions
from kapp.machinery.patching import types_of
from kapp.machinery.schema import Checker
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError, Cause, bad_request, invalid


class KindRules:
    """The compiled rules of one kind; made when it is first used."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.types: FieldTypes = types_of(kind)
        self._checker = Checker(kind.schema, kind.definitions, closed=kind.structural)

    def check(self, obj: Object, options: WriteOptions, old: Object | None = None) -> None:
        """Check fields and types, and fill in defaults, in place. `old` is what is replaced.

        Unknown fields are dropped; under Strict they are an error, under Warn a warning. Raises
        ApiError: 400 for unknown fields, and for wrong types in built-in kinds, 422 for wrong
        types elsewhere.
        """
        self._check_types(obj, options)
        for warning in finalizer_warnings(self.kind, obj, old):
            options.warn(warning)
        self.complete(obj)

    def complete(self, obj: Object) -> None:
        """Leave out what metadata does not keep, and fill in defaults, in place."""
        drop_empty_metadata(obj)
        self.kind.default(obj)

    def check_patched(self, obj: Object, live: Object, options: WriteOptions) -> None:
        """Check what a patch made of `live`, in place; it is still to be `check`ed as any other.

        Raises ApiError (422), where an object that is sent whole would get 400: it is the patch
        that is wrong. Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
        """
        uid = uid_of(obj)
        if uid and uid != uid_of(live):
            cause = Cause("metadata.uid", f'Invalid value: "{uid}": field is immutable')
            raise invalid(self.kind.kind, self.kind.group, name_of(live), [cause])
        try:
            self._check_types(obj, options)
        except ApiError as error:
            if error.code != 400:
                raise
            patched = msgspec.json.encode(msgspec.json.encode(obj).decode()).decode()  # quoted
            why = error.message.removeprefix(f"{_unhandled(self.kind)}: ")
            cause = Cause("patch", f"Invalid value: {patched}: {why}")
            raise invalid("", "", "", [cause]) from error

    def check_applied(self, obj: Object, key: ObjectKey) -> None:
        """Check fields and types of what an apply patch says, in place.

        Raises ApiError: as `check` for wrong types, 400 for unknown fields, whatever the request's
        fieldValidation. (Kubernetes words that so, and calls it its own failure, a 500; source:
        k8s.io/apimachinery/pkg/util/managedfields/internal/structuredmerge.go.)
        """
        findings = self._checker.check_types(obj)
        if findings.causes:
            raise self._wrong_types(obj, findings.causes)
        if not findings.unknown:
            return
        problems = [f".{path}: field not declared in schema" for path in findings.unknown]
        listed = problems[0] if len(problems) == 1 else "\n".join(["errors:", *problems])
        version = self.kind.gvk.api_version if self.kind.group else f"/{self.kind.version}"
        raise bad_request(
            f"failed to create typed patch object ({key.namespace}/{key.name}; {version}, "
            f"Kind={self.kind.kind}): {listed}"
        )

    def _check_types(self, obj: Object, options: WriteOptions) -> None:
        findings = self._checker.check_types(obj)
        if findings.causes:
            raise self._wrong_types(obj, findings.causes)
        if findings.unknown:
            report_fields(self.kind, [f'unknown field "{f}"' for f in findings.unknown], options)

    def validate(self, new: Object, old: Object | None) -> None:
        """Check values. Raises ApiError (422) with a cause for each."""
        causes = validate_metadata(self.kind, new, old)
        if not self.kind.strategic:
            causes += self._checker.check_values(new)
        if not causes:
            causes += self.kind.validate(new, old)
        if causes:
            raise invalid(self.kind.kind, self.kind.group, name_of(new), causes)

    def _wrong_types(self, obj: Object, causes: list[Cause]) -> ApiError:
        if not self.kind.strategic and not causes[0].field.startswith("metadata"):
            return invalid(self.kind.kind, self.kind.group, name_of(obj), causes)
        got, wanted = _types_in(causes[0].message)
        field, of_strings = self._checker.struct_field(causes[0].field)
        if of_strings and wanted == _GO_TYPES["object"]:
            wanted = "map[string]string"
        return bad_request(
            f"{_unhandled(self.kind)}: json: cannot unmarshal {got} into Go struct field "
            f"{self.kind.kind}.{field} of type {wanted}"
        )


def report_fields(kind: Kind, problems: list[str], options: WriteOptions) -> None:
    """Deal with unknown or duplicate fields as the request's fieldValidation says.

    Raises ApiError (400) under Strict.
    """
    if options.field_validation == "Strict":
        raise bad_request(f"{_unhandled(kind)}: strict decoding error: {', '.join(problems)}")
    if options.field_validation == "Warn":
        for problem in problems:
            options.warn(problem)


def _unhandled(kind: Kind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'


# The schema check says types in JSON's words, Go's decoder in its own.
_GO_KINDS = {"boolean": "bool", "integer": "number", "number": "number"}
_GO_TYPES = {
    "boolean": "bool",
    "integer": "int32",
    "number": "float64",
    "object": "map[string]interface {}",
    "array": "[]interface {}",
    "integer,string": "intstr.IntOrString",
}


def _types_in(message: str) -> tuple[str, str]:
    wanted = message.rpartition(" must be of type ")[2].partition(":")[0]
    got = message.rpartition('"')[0].rpartition('"')[2]
    return _GO_KINDS.get(got, got), _GO_TYPES.get(wanted, wanted)
