"""The page of kapp's kinds, made from the schemas that the API serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kapp.api.schema import REF_PREFIX
from kapp.api.v1alpha1.scheme import scheme
from kapp.machinery.scheme import Kind

_HEAD = """\
# Kinds

The objects of kapp's own API, group `kapp.dev`, version `v1alpha1`, all without a namespace.
Written by `make reference` from the schemas that the API serves.
"""
# Every kind has them, and Kubernetes' own documentation says what they are.
_COMMON = ("apiVersion", "kind", "metadata")


def markdown() -> str:
    """The page's text."""
    kinds = sorted(scheme(), key=lambda kind: kind.kind)
    return "\n".join([_HEAD, *map(_kind, kinds)])


def _kind(kind: Kind) -> str:
    names = [kind.plural, *kind.short_names]
    schema = kind.schema
    lines = [
        f"## {kind.kind}",
        "",
        f"`{'`, `'.join(names)}`. {schema.get('description', '')}",
        "",
        "| field | type | what |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{path}` | {kind_of} | {text} |"
        for path, kind_of, text in _fields(schema, kind.definitions, "")
        if path not in _COMMON
    ]
    return "\n".join([*lines, ""])


def _fields(
    schema: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]], prefix: str
) -> Iterator[tuple[str, str, str]]:
    for name, child in sorted((schema.get("properties") or {}).items()):
        path = f"{prefix}{name}"
        if path == "metadata":
            continue
        text = str(child.get("description") or "").replace("|", "\\|")
        resolved, suffix = _resolve(child, definitions)
        yield path, _type(resolved, suffix), text or str(resolved.get("description") or "")
        if resolved.get("properties"):
            yield from _fields(resolved, definitions, f"{path}{suffix}.")


def _resolve(
    schema: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]
) -> tuple[Mapping[str, Any], str]:
    """What a field holds in the end, and `[]` where it is a list of it."""
    suffix = ""
    while True:
        reference = schema.get("$ref") or next(
            (part["$ref"] for part in schema.get("allOf") or () if "$ref" in part), None
        )
        if reference:
            schema = definitions[reference.removeprefix(REF_PREFIX)]
        elif schema.get("type") == "array":
            schema, suffix = schema["items"], f"{suffix}[]"
        else:
            return schema, suffix


def _type(schema: Mapping[str, Any], suffix: str) -> str:
    return f"{schema.get('type', 'any')}{suffix}"
