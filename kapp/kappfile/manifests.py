"""Text of manifests to checked objects, remembered by document.

A document that did not change since the last evaluation is neither parsed (`kapp.yamlio` caches by
text) nor printed again (`ManifestCache` remembers the canonical print). Objects are shared with
these caches, so nobody may write to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from kapp import yamlio
from kapp.errors import ConfigError
from kapp.kappfile.errors import KappfileError
from kapp.machinery.objects import Object, metadata_of

KEPT_EVALUATIONS = 3
"""A document unused for this many evaluations is forgotten (an edit undone comes back cheaply)."""


class Manifest(msgspec.Struct, frozen=True, eq=False):
    """One object with the place it was written at (`source:line`)."""

    object: Object
    yaml: str
    source: str
    line: int

    @property
    def location(self) -> str:
        """`path:line` of the object's document."""
        return f"{self.source}:{self.line}"


class _Entry(msgspec.Struct):
    prints: list[tuple[Object, str]]
    last_used: int


class ManifestCache:
    """Canonical prints by document; the engine keeps one per Kappfile across evaluations."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._evaluation = 0

    def begin(self) -> None:
        """A new evaluation starts: forget what was not used for a while."""
        self._evaluation += 1
        oldest = self._evaluation - KEPT_EVALUATIONS
        self._entries = {k: e for k, e in self._entries.items() if e.last_used >= oldest}

    def parse(self, text: str, source: str) -> list[Manifest]:
        """The objects of a YAML stream, `List` objects replaced by their items.

        Raises KappfileError, which names `source` and the line, for text that is no YAML, for an
        object without apiVersion, kind or name, and (`transient`) for text without any object.
        """
        try:
            documents = yamlio.parse(text, source)
        except ConfigError as error:
            where = f"{error.location}: " if error.location else ""
            raise KappfileError(
                f"{where}{error.message}", hint=error.hint, transient=True
            ) from error
        manifests = [
            Manifest(obj, printed, source, document.line)
            for document in documents
            for obj, printed in self._objects(document, f"{source}:{document.line}")
        ]
        if not manifests:
            raise KappfileError(f"{source} holds no Kubernetes object", transient=True)
        return manifests

    def _objects(self, document: yamlio.Document, location: str) -> list[tuple[Object, str]]:
        key = (document.text, document.position)
        entry = self._entries.get(key)
        if entry is None:
            prints = [(obj, yamlio.dump(obj)) for obj in _checked(document.value, location)]
            entry = self._entries[key] = _Entry(prints, 0)
        entry.last_used = self._evaluation
        return entry.prints


def _checked(document: Any, location: str) -> Iterator[Object]:
    if not isinstance(document, dict):
        raise KappfileError(
            f"{location}: this document is no Kubernetes object but {_shape(document)}",
            hint="an object has apiVersion, kind and metadata.name",
            transient=True,
        )
    if str(document.get("kind") or "").endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _checked(item, location)
        return
    for field in ("apiVersion", "kind"):
        if not document.get(field) or not isinstance(document[field], str):
            raise _lacks(document, field, location)
    meta = metadata_of(document)
    if not isinstance(meta.get("name"), str) or not meta["name"]:
        raise _lacks(document, "metadata.name", location)
    yield document


def _lacks(obj: Object, field: str, location: str) -> KappfileError:
    subject = f"this {obj['kind']}" if isinstance(obj.get("kind"), str) else "this object"
    hint = ""
    if field == "metadata.name" and metadata_of(obj).get("generateName"):
        hint = "generateName cannot be applied twice; give it a name"
    return KappfileError(f"{location}: {subject} has no {field}", hint=hint, transient=True)


def _shape(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return "a string" if isinstance(value, str) else f"the value {value!r}"


def join(manifests: list[Manifest]) -> str:
    """The canonical print of several objects; equals `yamlio.dump_all` of them."""
    return "---\n".join(manifest.yaml for manifest in manifests)
