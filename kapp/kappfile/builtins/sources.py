"""Where manifests come from: paths, patterns, blobs, and lists of these."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from kapp.kappfile.errors import KappfileError
from kapp.kappfile.manifests import Manifest
from kapp.kappfile.session import Session
from kapp.kappfile.values import Value, blob_text, items, wrong

BLOB_SOURCE = "blob"
"""Stands for the path in locations of objects that came as text."""

_PATTERN = re.compile(r"[*?[]")


def manifests_of(session: Session, yaml: Value) -> list[Manifest]:
    """The objects of what `k8s_yaml` accepts, in order; every file is watched.

    Raises KappfileError for a missing file, for a pattern that matches nothing, and as
    `ManifestCache.parse` does.
    """
    manifests: list[Manifest] = []
    for item in sources_of(yaml):
        contents = blob_text(item)
        if contents is not None:
            manifests += session.manifests.parse(contents, item.get("source") or BLOB_SOURCE)
            continue
        if not isinstance(item, str):
            raise wrong("yaml", "a path, a blob, or a list of these", item)
        for path in _paths(session, item):
            manifests += session.manifests.parse(session.read(path), session.display(path))
    return manifests


def sources_of(yaml: Value) -> list[Value]:
    """What `k8s_yaml` accepts, as a list. Raises KappfileError if it is empty."""
    if yaml is None or yaml in ("", []):
        raise KappfileError("`yaml` is empty", hint="give a path, a blob, or a list of these")
    return items(yaml)


def _paths(session: Session, text: str) -> list[Path]:
    if "\n" in text:
        raise KappfileError(
            "`yaml` is a path, but this one has several lines",
            hint="YAML that is not in a file is passed as blob(…)",
        )
    path = session.resolve(text)
    if not _PATTERN.search(text) or path.exists():
        return [path]
    fixed = Path(*_fixed_parts(path))
    if "**" in path.parts:
        session.watch_tree(fixed)
    for directory in glob.glob(str(path.parent), recursive=True):
        session.watch(Path(directory))
    session.watch(fixed)
    found = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
    files = [match for match in found if match.is_file()]
    if not files:
        raise KappfileError(f"no file matches {session.display(path)} (looked below {fixed})")
    return files


def _fixed_parts(path: Path) -> list[str]:
    """The leading directories without a pattern."""
    parts: list[str] = []
    for part in path.parts:
        if _PATTERN.search(part):
            break
        parts.append(part)
    return parts
