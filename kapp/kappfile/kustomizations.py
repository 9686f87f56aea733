"""Which files a kustomization is made of, found by reading it as kustomize does.

Source of the fields: sigs.k8s.io/kustomize/api/types/kustomization.go. What is remote (a URL, a
chart of a repository) cannot be seen from here, and is told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kapp import yamlio
from kapp.errors import ConfigError
from kapp.kappfile.trees import walk

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_PATHS = ("bases", "components", "configurations", "crds", "generators", "patchesStrategicMerge",
          "resources", "transformers", "validators")  # fmt: skip
"""Fields that are lists of paths, or of texts in their place."""

_ENTRIES = ("openapi", "patches", "patchesJson6902", "replacements")
"""Fields whose entries may have a `path`."""

_GENERATORS = ("configMapGenerator", "secretGenerator")

_REMOTE = re.compile(
    r"://|^git@|^git::|^(www\.)?(github|gitlab|bitbucket)\.(com|org)/|\?(.*&)?ref="
)


class Inputs(msgspec.Struct):
    """The local files, also those that are not there, and whether there are remote ones."""

    files: dict[Path, None] = msgspec.field(default_factory=dict)
    remote: bool = False


def find(directory: Path) -> Path | None:
    """The kustomization file of a directory, if it has one."""
    return next((directory / name for name in FILE_NAMES if (directory / name).is_file()), None)


def inputs_of(directory: Path) -> Inputs:
    """Everything that a kustomization reads, with the kustomizations it is based on."""
    found = Inputs()
    seen: set[str] = set()
    waiting = [directory]
    while waiting:
        base = waiting.pop()
        real = os.path.realpath(base)
        if real in seen:
            continue
        seen.add(real)
        file = find(base)
        # one that appears with a name of more weight would be read instead
        found.files |= dict.fromkeys(base / name for name in FILE_NAMES)
        if file is not None:
            waiting += _read(file, base, found)
    return found


def _read(file: Path, base: Path, found: Inputs) -> list[Path]:
    """Add what one kustomization names; returns the directories among it."""
    try:
        document = yamlio.load(file.read_text(encoding="utf-8-sig"), str(file))
    except (ConfigError, OSError, UnicodeDecodeError):
        return []  # kustomize will say it better
    directories: list[Path] = []
    for name in _named(document if isinstance(document, dict) else {}):
        path = Path(os.path.normpath(base / name))
        if not path.exists() and _REMOTE.search(name):
            found.remote = True
        elif path.is_dir():
            directories.append(path)
        else:
            found.files[path] = None
    if isinstance(document, dict) and document.get("helmCharts"):
        home = (document.get("helmGlobals") or {}).get("chartHome") or "charts"
        if (base / home).is_dir():
            found.files |= dict.fromkeys(walk(base / home))
        found.remote = found.remote or any("repo" in one for one in document["helmCharts"])
    return directories


def _named(document: dict[str, Any]) -> Iterator[str]:
    """Every path in a kustomization, as it is written."""
    for name in _PATHS:
        yield from (one for one in _list(document.get(name)) if _is_path(one))
    for name in _ENTRIES:
        for entry in _list(document.get(name)):
            if isinstance(entry, dict) and _is_path(entry.get("path")):
                yield entry["path"]
    for name in _GENERATORS:
        for entry in _list(document.get(name)):
            yield from _generated(entry)
    for chart in _list(document.get("helmCharts")):
        if isinstance(chart, dict):
            values = [chart.get("valuesFile"), *_list(chart.get("additionalValuesFiles"))]
            yield from (one for one in values if _is_path(one))


def _generated(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        return
    for one in _list(entry.get("files")):
        if _is_path(one):
            yield one.partition("=")[2] or one  # `key=path`, or a path alone
    for one in [entry.get("env"), *_list(entry.get("envs"))]:
        if _is_path(one):
            yield one


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\n" not in value
