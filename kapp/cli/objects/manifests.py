"""The objects that `-f` names: files, directories of them, or `-` for stdin.

Source of the rules: k8s.io/cli-runtime/pkg/resource (visitor.go).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kapp.errors import ConfigError, UsageError
from kapp.machinery.objects import Object

STDIN = "-"
_SUFFIXES = (".json", ".yaml", ".yml")

_FORM = "an object has apiVersion, kind and metadata.name"


def read_manifests(names: Sequence[str], *, recursive: bool = False) -> list[Object]:
    """The objects in the order they are written; those in a List one by one.

    Raises UsageError for a name that leads nowhere, ConfigError for a file that cannot be read.
    """
    if not names:
        raise UsageError("must specify -f", hint="name a manifest: -f PATH, or -f - for stdin")
    objects: list[Object] = []
    for name in names:
        for source, text in _texts(name, recursive):
            objects += _objects(text, source)
    if not objects:
        raise ConfigError("no objects passed to apply", hint="the manifests are empty")
    return objects


def _texts(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    if name == STDIN:
        yield "STDIN", sys.stdin.read()
        return
    path = Path(name)
    if not path.exists():
        raise UsageError(f'the path "{name}" does not exist', hint="name a file or a directory")
    if not path.is_dir():
        yield name, _read(path)
        return
    found = path.rglob("*") if recursive else path.iterdir()
    for one in sorted(found):
        if one.suffix in _SUFFIXES and one.is_file():
            yield str(one), _read(one)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="name a text file that you may read",
        ) from error


def _objects(text: str, source: str) -> Iterator[Object]:
    from kapp.yamlio import parse

    for document in parse(text, source):
        value = document.value
        where = f"{source}:{document.line}"
        if not isinstance(value, dict):
            raise ConfigError("a manifest is a map of fields", hint=_FORM, location=where)
        items = value.get("items") if str(value.get("kind", "")).endswith("List") else None
        for obj in items if isinstance(items, list) else [value]:
            _check(obj, where)
            yield obj


def _check(obj: object, where: str) -> None:
    if not isinstance(obj, dict):
        raise ConfigError("an item of a list is a map of fields", hint=_FORM, location=where)
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            raise ConfigError(f"{field} not set", hint=_FORM, location=where)
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise ConfigError("metadata.name not set", hint=_FORM, location=where)
