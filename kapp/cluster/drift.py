"""What others changed of an applied object (pure).

Compared are the fields that the apply owns, and nothing else: what is defaulted, added beside them
or written by controllers is not kapp's to judge, nor would an apply restore it. A field that a
controller of the control plane has taken over is its business by now: that is how a
HorizontalPodAutoscaler sets `spec.replicas`.

Both objects are answers of the server, so equal values look equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kapp.cluster.prepare import FIELD_MANAGER, REDACTED
from kapp.machinery.fieldpath import Path, decode, path_text
from kapp.machinery.fieldset import equal
from kapp.machinery.managedfields import APPLY, decode_managed
from kapp.machinery.objects import Json, Object, gvk_of, metadata_of

# They change what is theirs to change.
_CONTROLLERS = frozenset(
    {
        "kube-controller-manager",
        "cloud-controller-manager",
        "kube-scheduler",
        "kube-apiserver",
        "kubelet",
        "cert-manager-cainjector",
        "vpa-updater",
    }
)
_ABSENT: Any = object()
_ABSENT_TEXT = "(absent)"
_SHOWN_CHARS = 60


class Change(NamedTuple):
    """One field that is not as it was applied.

    `path` as API servers print it (`.spec.replicas`); `wanted` and `live` are JSON, cut short, and
    redacted in Secrets; `manager` is who changed it, or "".
    """

    path: str
    wanted: str
    live: str
    manager: str


class Drift(NamedTuple):
    """An object as its apply returned it, and what others changed of it; None if it is gone."""

    returned: Object
    changes: Sequence[Change] | None


def owned_paths(returned: Object) -> list[Path]:
    """The fields that kapp owns of what an apply returned, parents first."""
    paths: set[Path] = set()
    for entry in metadata_of(returned).get("managedFields") or ():
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, APPLY):
            paths |= decode(entry.get("fieldsV1") or {})
    if gvk_of(returned)[::2] == ("", "Secret"):
        paths = {_stored(path) for path in paths}
    return sorted(paths)


def is_newer(live: Object, returned: Object) -> bool:
    """Whether `live` is of a later moment than what the apply returned.

    Versions are compared as numbers, which KEP-5504 allows; a server whose versions are none is
    believed when they differ.
    """
    versions = [str(metadata_of(o).get("resourceVersion") or "") for o in (live, returned)]
    if all(version.isdecimal() for version in versions):
        return int(versions[0]) > int(versions[1])
    return versions[0] != versions[1]


def without_own_fields(obj: Object) -> Object:
    """What of an object is worth caching: of its managedFields, those of others' settings alone."""
    meta = dict(metadata_of(obj))
    others = [
        entry
        for entry in meta.pop("managedFields", None) or ()
        if entry.get("manager") != FIELD_MANAGER and entry.get("subresource") != "status"
    ]
    if others:
        meta["managedFields"] = others
    return {**obj, "metadata": meta}


def changes(returned: Object, live: Object, paths: Iterable[Path]) -> list[Change]:
    """The fields among `paths` (from `owned_paths(returned)`) at which `live` is different."""
    secret = gvk_of(returned)[::2] == ("", "Secret")
    found = []
    for path, wanted, is_value in _differences(returned, live, paths):
        manager = _owner(live, path)
        if manager not in _CONTROLLERS:
            shown = [_text(one, secret and path[0] == "f:data") for one in (wanted, is_value)]
            found.append(Change(path_text(path), shown[0], shown[1], manager))
    return found


def _differences(
    returned: Object, live: Object, paths: Iterable[Path]
) -> Iterator[tuple[Path, Json, Json]]:
    """Path, value applied, value now; of what is gone as a whole, the outermost path alone."""
    gone: Path | None = None
    paths = list(paths)
    for path, following in zip(paths, [*paths[1:], ()], strict=True):
        if gone is not None and path[: len(gone)] == gone:
            continue
        wanted, now = _at(returned, path), _at(live, path)
        if wanted is _ABSENT:
            continue
        if now is _ABSENT:
            gone = path
            yield path, wanted, now
        elif following[: len(path)] != path and not equal(wanted, now):
            yield path, wanted, now


def _stored(path: Path) -> Path:
    """Where a server keeps what was applied at a path of a Secret."""
    return ("f:data", *path[1:]) if path[0] == "f:stringData" else path


def _at(value: Json, path: Path) -> Json:
    for element in path:
        value = _child(value, element[0], element[2:])
        if value is _ABSENT:
            return _ABSENT
    return value


def _child(value: Json, kind: str, text: str) -> Json:
    if kind == "f":
        return value.get(text, _ABSENT) if isinstance(value, dict) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    wanted = json.loads(text)
    if kind == "k":
        return next((item for item in value if _has(item, wanted)), _ABSENT)
    if kind == "v":
        return next((item for item in value if equal(item, wanted)), _ABSENT)
    return value[wanted] if 0 <= wanted < len(value) else _ABSENT


def _has(item: Json, keys: dict[str, Json]) -> bool:
    return isinstance(item, dict) and all(
        name in item and equal(item[name], value) for name, value in keys.items()
    )


def _owner(live: Object, path: Path) -> str:
    """Who else owns a field now, or ""."""
    managed = decode_managed(metadata_of(live).get("managedFields"))
    return next((one.name for one, entry in managed.items() if entry.owned([path])), "")


def _text(value: Json, hidden: bool) -> str:
    if value is _ABSENT:
        return _ABSENT_TEXT
    if hidden:
        return REDACTED
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
