"""`kapp explain`: what the fields of a kind mean, as kubectl explains them.

Source: k8s.io/kubectl/pkg/explain/v2 (templates/plaintext.tmpl).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from kapp.errors import KappError, UsageError
from kapp.machinery.objects import gvk_of
from kapp.machinery.openapi import OpenApi
from kapp.machinery.printers.get import GetResult, failed
from kapp.machinery.printers.targets import find_kind
from kapp.machinery.registry import Registry
from kapp.machinery.scheme import Kind

_WIDTH = 80
_RECURSIVE = "--recursive"


def run_explain(registry: Registry, args: Sequence[str]) -> GetResult:
    """Run `kapp explain KIND[.FIELD…] [--recursive]`; never raises."""
    try:
        words = [word for word in args if word != _RECURSIVE]
        if unknown := next((word for word in words if word.startswith("-")), None):
            raise UsageError(f"unknown flag: {unknown}", hint="see kapp explain --help")
        if len(words) != 1:
            raise UsageError(
                "You must specify the type of resource to explain",
                hint="kapp explain kubernetesapply.spec",
            )
        word, *path = words[0].split(".")
        kind = find_kind(registry.scheme, word)
        page = _Page(registry, kind)
        try:
            return GetResult(page.render(path, recursive=_RECURSIVE in args), "", 0)
        except KappError as error:
            return failed(error)._replace(stdout=page.head())
    except KappError as error:
        return failed(error)


class _Page:
    """One kind's schema, as the server publishes it."""

    def __init__(self, registry: Registry, kind: Kind) -> None:
        self._kind = kind
        root = f"apis/{kind.group}" if kind.group else "api"
        document = OpenApi(registry.scheme, "kapp").document(f"{root}/{kind.version}")
        whole = msgspec.json.decode(document.body) if document is not None else {}
        self._schemas: dict[str, Any] = whole["components"]["schemas"]

    def head(self) -> str:
        """The lines that every page begins with."""
        kind = self._kind
        group = f"GROUP:      {kind.group}\n" if kind.group else ""
        return f"{group}KIND:       {kind.kind}\nVERSION:    {kind.version}\n\n"

    def render(self, path: Sequence[str], *, recursive: bool) -> str:
        """The page of a field, or of the kind. Raises KappError if there is no such field."""
        field = self._root()
        for name in path:
            fields = self._fields(field)
            if name not in fields:
                raise KappError(
                    f'field "{name}" does not exist', hint=f"there are: {', '.join(sorted(fields))}"
                )
            field = fields[name]
        text = self.head()
        if path:
            text += f"FIELD: {path[-1]} <{self._type(field)}>\n"
            enum = "".join(f"    {value}\n" for value in self._enum(field))
            text += f"ENUM:\n{enum}\n" if enum else "\n\n"
        description = "".join(map(_wrapped, self._descriptions(field))) or "    <empty>\n"
        text += f"DESCRIPTION:\n{description}    \n"
        fields = self._fields(field)
        if not fields:
            return f"{text}\n"
        listed = self._tree(field, "  ") if recursive else self._list(field)
        return f"{text}FIELDS:\n{''.join(listed)}\n"

    def _root(self) -> dict[str, Any]:
        for schema in self._schemas.values():
            for one in schema.get("x-kubernetes-group-version-kind") or ():
                version = f"{one['group']}/{one['version']}" if one["group"] else one["version"]
                if gvk_of({"apiVersion": version, "kind": one["kind"]}) == self._kind.gvk:
                    found: dict[str, Any] = schema
                    return found
        raise KappError(f"couldn't find the schema of {self._kind.kind}", hint="this is a bug")

    def _list(self, field: dict[str, Any]) -> Iterator[str]:
        required = self._resolved(field).get("required") or ()
        for name, child in sorted(self._fields(field).items()):
            yield self._line(name, child, "  ", required)
            description = next(self._descriptions(child), "")
            yield (_wrapped(description) if description else "    <no description>\n") + "\n"

    def _tree(
        self, field: dict[str, Any], indent: str, above: tuple[int, ...] = ()
    ) -> Iterator[str]:
        required = self._resolved(field).get("required") or ()
        for name, child in sorted(self._fields(field).items()):
            yield self._line(name, child, indent, required)
            schema = self._resolved(child)
            if id(schema) not in above:
                yield from self._tree(child, f"{indent}  ", (*above, id(schema)))

    def _line(self, name: str, field: dict[str, Any], indent: str, required: Sequence[str]) -> str:
        mark = " -required-" if name in required else ""
        line = f"{indent}{name}\t<{self._type(field)}>{mark}\n"
        if values := self._enum(field):
            line += indent + "enum: " + ", ".join(value or '""' for value in values) + "\n"
        return line

    def _enum(self, field: dict[str, Any]) -> list[str]:
        return [str(value) for value in self._aliased(field).get("enum") or ()]

    def _aliased(self, field: dict[str, Any]) -> dict[str, Any]:
        """The schema that a reference names, or the field's own."""
        reference = _reference(field)
        return self._schemas.get(reference, {}) if reference else field

    def _resolved(self, field: dict[str, Any]) -> dict[str, Any]:
        """The schema with the properties: of the items of a list, of the values of a map."""
        schema = self._aliased(field)
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                return self._resolved(schema[inner])
        return schema

    def _fields(self, field: dict[str, Any]) -> dict[str, Any]:
        return dict(self._resolved(field).get("properties") or {})

    def _descriptions(self, field: dict[str, Any]) -> Iterator[str]:
        """The field's own, then that of what it is or holds."""
        if text := field.get("description"):
            yield str(text)
        if reference := _reference(field):
            yield from self._descriptions(self._schemas.get(reference, {}))
        for inner in ("items", "additionalProperties"):
            if isinstance(field.get(inner), dict):
                yield from self._descriptions(field[inner])

    def _type(self, field: dict[str, Any]) -> str:
        if isinstance(field.get("items"), dict):
            return f"[]{self._type(field['items'])}"
        if isinstance(field.get("additionalProperties"), dict):
            return f"map[string]{self._type(field['additionalProperties'])}"
        if reference := _reference(field):
            found = str(self._schemas.get(reference, {}).get("type") or "object")
            return reference.rpartition(".")[2] if found == "object" else found
        found = str(field.get("type") or "object")
        return "Object" if found == "object" else found


def _reference(field: dict[str, Any]) -> str:
    """The name of the schema that a field refers to, or ""."""
    parts: list[dict[str, Any]] = field.get("allOf") or []
    if len(parts) == 1 and not field.get("properties"):
        field = parts[0]
    return str(field.get("$ref") or "").rpartition("/")[2]


def _wrapped(text: str) -> str:
    lines = [
        wrapped
        for line in text.splitlines()
        for wrapped in textwrap.wrap(line, _WIDTH - 4, break_on_hyphens=False) or [""]
    ]
    return "".join(f"    {line}\n" for line in lines)
