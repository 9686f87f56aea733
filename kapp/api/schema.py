"""OpenAPI schemas of kapp's kinds, made from their structs, and the defaults they declare. Pure.

msgspec writes JSON Schema; an API server speaks OpenAPI v3.0 as Kubernetes uses it, so `null`
alternatives and titles go. A property declared with `defaulted` is filled in by the server, as the
structural schemas of custom resources do it, and is therefore never required. Descriptions come
from the structs' docstrings. Called once, by `kapp.api.define`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from kapp.machinery.objects import Json

PREFIX = "dev.kapp.v1alpha1."
"""In front of a struct's name: its name among the definitions."""

REF_PREFIX = "#/components/schemas/"

# msgspec writes a struct's own defaults as `default`; only those declared for the server count.
_DEFAULT = "x-kapp-default"
_ATTRIBUTE = re.compile(r"^    (\w+): (.*)$")


def defaulted(value: Json) -> msgspec.Meta:
    """For `Annotated`: the server writes `value` where a request leaves the field out."""
    return msgspec.Meta(extra_json_schema={_DEFAULT: value})


def definitions_of(structs: Iterable[type[msgspec.Struct]]) -> dict[str, dict[str, Any]]:
    """OpenAPI schemas by name of the given structs and of all that they refer to."""
    _, components = msgspec.json.schema_components(
        structs, ref_template=f"{REF_PREFIX}{PREFIX}{{name}}"
    )
    return {f"{PREFIX}{name}": _struct(schema) for name, schema in components.items()}


class Defaults(NamedTuple):
    """The defaults that a schema declares: of properties, below them, and in the items of lists."""

    values: dict[str, Json]
    below: dict[str, Defaults]
    items: Defaults | None

    def fill(self, value: Json) -> None:
        """Write what is missing into `value`, in place, at every depth."""
        if isinstance(value, list):
            if self.items is not None:
                for item in value:
                    self.items.fill(item)
            return
        if not isinstance(value, dict):
            return
        for name, defaults in self.below.items():
            if value.get(name) is not None:
                defaults.fill(value[name])
        for name, default in self.values.items():
            if name not in value:
                value[name] = default


def defaults_of(
    schema: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]
) -> Defaults | None:
    """The defaults of `schema`, None if there are none. No schema may contain itself."""
    schema = _resolve(schema, definitions)
    properties = schema.get("properties") or {}
    values = {name: child["default"] for name, child in properties.items() if "default" in child}
    found = {name: defaults_of(child, definitions) for name, child in properties.items()}
    below = {name: defaults for name, defaults in found.items() if defaults is not None}
    items = defaults_of(schema["items"], definitions) if "items" in schema else None
    return Defaults(values, below, items) if values or below or items is not None else None


def _resolve(
    schema: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    reference = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf") or () if "$ref" in part), None
    )
    return definitions[reference.removeprefix(REF_PREFIX)] if reference else schema


def _struct(schema: Mapping[str, Any]) -> dict[str, Any]:
    text = inspect.cleandoc(schema.get("description") or "")
    head, _, attributes = text.partition("\n\nAttributes:\n")
    texts = dict(_attribute_texts(attributes))
    properties: dict[str, dict[str, Any]] = {}
    for name, source in (schema.get("properties") or {}).items():
        properties[name] = _schema(source, texts.get(name.lower(), ""))
    required = [n for n in schema.get("required") or () if "default" not in properties[n]]
    result: dict[str, Any] = {"type": "object", "description": " ".join(head.split())}
    if properties:
        result["properties"] = properties
    if required:
        result["required"] = required
    return result


def _schema(source: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    if "anyOf" in source:
        (only,) = (one for one in source["anyOf"] if one != {"type": "null"})
        source = {**source, **only}
    rest = {k: v for k, v in source.items() if k not in ("anyOf", "default", "title", _DEFAULT)}
    for key in ("items", "additionalProperties"):
        if isinstance(rest.get(key), dict):
            rest[key] = _schema(rest[key])
    if "enum" in rest:
        # msgspec leaves it out for a Literal; all of kapp's are strings.
        rest.setdefault("type", "string")
    if description:
        rest["description"] = description
    if _DEFAULT in source:
        rest["default"] = source[_DEFAULT]
    if "$ref" in rest and len(rest) > 1:
        # OpenAPI v3.0 ignores everything beside a $ref, so Kubernetes wraps it like this.
        rest["allOf"] = [{"$ref": rest.pop("$ref")}]
    return rest


def _attribute_texts(text: str) -> Iterator[tuple[str, str]]:
    """The property's name in lower case, and its text, for each entry of a docstring's section."""
    name, words = "", ""
    for line in text.splitlines():
        if match := _ATTRIBUTE.match(line):
            if name:
                yield name, words
            name, words = match[1].replace("_", "").lower(), match[2]
        else:
            words = f"{words} {line.strip()}".strip()
    if name:
        yield name, words
