"""What `apply` sends to a server that cannot know what was applied before: a three-way patch.

Pure.

    original    what was applied last time, as the object's annotation says
    modified    what is applied now
    current     what the server has

Fields that were applied and no longer are, go; all that is in `modified` is set; the rest stays.
Source: k8s.io/apimachinery/pkg/util/jsonmergepatch, for kinds without strategic merge patches.
"""

from __future__ import annotations

import msgspec

from kapp.machinery.objects import Json, Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation that holds `original`; kubectl's own, so that both can apply the same object."""


def last_applied(obj: Object) -> Object | None:
    """What was applied last; None if nothing was, or nothing that can be read."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = msgspec.json.decode(text or "null")
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, dict) else None


def with_last_applied(obj: Object) -> Object:
    """The object with an annotation that says all of it."""
    metadata = obj.get("metadata") or {}
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    plain = {**obj, "metadata": {**metadata, "annotations": annotations}}
    text = msgspec.json.encode(plain, order="sorted").decode() + "\n"
    return {**obj, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def three_way_patch(original: Object | None, modified: Object, current: Object) -> Object:
    """The merge patch that makes `current` what is wanted; {} if it is."""
    changes = _changes(current, modified)
    deletions = _deletions(original or {}, modified, current)
    return _merged(changes, deletions)


def _changes(current: Json, wanted: Object) -> Object:
    """What of `wanted` is not so in `current`."""
    base = current if isinstance(current, dict) else {}
    result: Object = {}
    for name, value in wanted.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            if below := _changes(base[name], value):
                result[name] = below
        elif name not in base or base[name] != value:
            result[name] = value
    return result


def _deletions(original: Object, modified: Object, current: Json) -> Object:
    """What of `original` is not in `modified` any more, as nulls; what has gone already is not."""
    base = current if isinstance(current, dict) else {}
    result: Object = {}
    for name, value in original.items():
        if name not in modified:
            if name in base:
                result[name] = None
        elif isinstance(value, dict) and isinstance(modified[name], dict):
            if below := _deletions(value, modified[name], base.get(name)):
                result[name] = below
    return result


def _merged(one: Object, other: Object) -> Object:
    result = dict(one)
    for name, value in other.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = _merged(result[name], value) if both else value
    return result
