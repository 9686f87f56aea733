"""Validation of CustomResourceDefinitions.

Source: apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go and
pkg/apiserver/schema/validation.go (structural schemas).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kapp.machinery.jsonpath import JsonPathError, Template
from kapp.machinery.objects import Object, annotations_of, find_condition, name_of
from kapp.machinery.status import Cause
from kapp.minicluster.validation.fields import IMMUTABLE, Errors, each

_SCOPES = ("Cluster", "Namespaced")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_APPROVAL = "api-approved.kubernetes.io"
_PROTECTED = re.compile(r"(.*\.)?(k8s\.io|kubernetes\.io)")
_FIELD_TYPES = ("array", "boolean", "integer", "number", "object", "string")


def custom_resource_definition(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a CustomResourceDefinition."""
    errors = Errors()
    spec = new.get("spec") or {}
    names = spec.get("names") or {}
    if name_of(new) != f"{names.get('plural')}.{spec.get('group')}":
        errors.invalid("metadata.name", name_of(new), 'must be spec.names.plural+"."+spec.group')
    _group(errors, new, spec.get("group") or "")
    errors.choice("spec.scope", spec.get("scope"), _SCOPES)
    _names(errors, names)
    _versions(errors, spec)
    _conversion(errors, spec.get("conversion") or {})
    if spec.get("preserveUnknownFields"):
        errors.invalid(
            "spec.preserveUnknownFields",
            True,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead",
        )
    if old is not None:
        _update(errors, new, old)
    return errors.causes


def _group(errors: Errors, new: Object, group: str) -> None:
    if not group:
        errors.required("spec.group")
        return
    errors.dns_subdomain("spec.group", group)
    if "." not in group:
        errors.invalid("spec.group", group, "should be a domain with at least one dot")
    elif _PROTECTED.fullmatch(group) and not annotations_of(new).get(_APPROVAL):
        errors.required(
            f"metadata.annotations[{_APPROVAL}]",
            'protected groups must have approval annotation "api-approved.kubernetes.io", see '
            "https://github.com/kubernetes/enhancements/pull/1111",
        )


def _names(errors: Errors, names: Mapping[str, Any]) -> None:
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            errors.required(f"spec.names.{field}")
            continue
        text = str(names[field])
        if field in ("kind", "listKind"):
            found = Errors()
            found.dns_1035_label("", text.lower())
            if found.causes:
                errors.invalid(
                    f"spec.names.{field}", text, "may have mixed case, but should otherwise match: "
                    + found.causes[0].message.partition(": ")[2].partition(": ")[2],
                )  # fmt: skip
        else:
            errors.dns_1035_label(f"spec.names.{field}", text)
    for number, name in enumerate(names.get("shortNames") or ()):
        errors.dns_1035_label(f"spec.names.shortNames[{number}]", name)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        errors.invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")  # noqa: E501  # fmt: skip


def _versions(errors: Errors, spec: Mapping[str, Any]) -> None:
    versions = spec.get("versions") or []
    for number, version in enumerate(versions):
        path = f"spec.versions[{number}]"
        errors.dns_1035_label(f"{path}.name", version.get("name") or "")
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            errors.required(f"{path}.schema.openAPIV3Schema", "schemas are required")
        else:
            _structural(errors, f"{path}.schema.openAPIV3Schema", schema, "root")
        columns = version.get("additionalPrinterColumns")
        each(errors, f"{path}.additionalPrinterColumns", columns, _column)
        _subresources(errors, f"{path}.subresources", version.get("subresources") or {})
    names = [version.get("name") for version in versions]
    if len(set(names)) != len(names):
        errors.invalid("spec.versions", versions, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        errors.invalid(
            "spec.versions",
            versions,
            "must have exactly one version marked as storage version",
        )


def _structural(errors: Errors, path: str, schema: Any, level: str) -> None:
    if not isinstance(schema, dict):
        return
    kind = schema.get("type") or ""
    open_ended = schema.get("x-kubernetes-int-or-string") or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    where = {"root": "at the root", "item": "for specified array items"}
    if not kind and (level == "root" or not open_ended):
        text = where.get(level, "for specified object fields")
        errors.required(f"{path}.type", f"must not be empty {text}")
    elif level == "root" and kind != "object":
        errors.invalid(f"{path}.type", kind, "must be object at the root")
    elif kind and kind not in _FIELD_TYPES:
        errors.unsupported(f"{path}.type", kind, _FIELD_TYPES)
    if kind == "array" and schema.get("items") is None:
        errors.required(f"{path}.items", "must be specified")
    if level == "root" and schema.get("additionalProperties") is not None:
        errors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    for forbidden in ("uniqueItems",):
        if schema.get(forbidden):
            errors.forbidden(
                f"{path}.{forbidden}",
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            )
    for name, child in (schema.get("properties") or {}).items():
        if level == "root" and name == "metadata":
            _metadata(errors, f"{path}.properties[metadata]", child)
        else:
            _structural(errors, f"{path}.properties[{name}]", child, "field")
    _structural(errors, f"{path}.items", schema.get("items"), "item")
    _structural(errors, f"{path}.additionalProperties", schema.get("additionalProperties"), "field")


def _metadata(errors: Errors, path: str, schema: Any) -> None:
    named = set((schema or {}).get("properties") or ())
    others = set(schema or ()) - {"type", "properties", "description"}
    if named - {"name", "generateName"} or others:
        errors.forbidden(
            path,
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified",
        )


def _column(errors: Errors, path: str, column: dict[str, Any]) -> None:
    if not column.get("name"):
        errors.required(f"{path}.name")
    if not column.get("type"):
        errors.required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
    elif column["type"] not in _COLUMN_TYPES:
        errors.invalid(f"{path}.type", column["type"], f"must be one of {','.join(_COLUMN_TYPES)}")
    _path(errors, f"{path}.jsonPath", column.get("jsonPath") or "")


def _path(errors: Errors, path: str, text: str) -> None:
    if not text:
        errors.required(path)
        return
    try:
        Template(f"{{{text}}}")
    except JsonPathError as e:
        errors.invalid(path, text, f"is an invalid path: {e.message}")
    if not text.startswith("."):
        errors.invalid(path, text, "must be a simple json path starting with .")


def _subresources(errors: Errors, path: str, subresources: Mapping[str, Any]) -> None:
    scale = subresources.get("scale")
    if not isinstance(scale, dict):
        return
    wanted = {"specReplicasPath": ".spec.", "statusReplicasPath": ".status."}
    for field, start in wanted.items():
        text = scale.get(field) or ""
        if not text:
            errors.required(f"{path}.scale.{field}")
        elif not text.startswith(start):
            errors.invalid(
                f"{path}.scale.{field}", text, f"should be a json path under {start[:-1]}"
            )


def _conversion(errors: Errors, conversion: Mapping[str, Any]) -> None:
    strategy = conversion.get("strategy")
    errors.choice("spec.conversion.strategy", strategy, ("None", "Webhook"))
    if strategy == "None" and conversion.get("webhook"):
        errors.forbidden(
            "spec.conversion.webhookClientConfig",
            "should not be set when strategy is not set to Webhook",
        )


def _update(errors: Errors, new: Object, old: Object) -> None:
    spec, before = new["spec"], old["spec"]
    established = find_condition((old.get("status") or {}).get("conditions"), "Established")
    if established is not None and established.get("status") == "True":
        for path, field in (("spec.group", "group"), ("spec.scope", "scope")):
            errors.immutable(path, spec.get(field), before.get(field))
        for field in ("plural", "kind"):
            wanted, had = spec["names"].get(field), before["names"].get(field)
            if wanted != had:
                errors.invalid(f"spec.names.{field}", wanted, IMMUTABLE)
    present = {version.get("name") for version in spec.get("versions") or ()}
    for number, stored in enumerate((new.get("status") or {}).get("storedVersions") or ()):
        if stored not in present:
            errors.invalid(
                f"status.storedVersions[{number}]",
                stored,
                f"missing from spec.versions; {stored} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {stored} and removes {stored} from status.storedVersions",
            )
