"""From parsed objects to what is sent, and from what came back to what is shown (pure).

Injected: label `app.kubernetes.io/managed-by: kapp` where there is none, label
`applyset.kubernetes.io/part-of`, annotation `kapp.dev/resource`; on pod templates (and bare Pods)
managed-by and `kapp.dev/template-hash`. Never anything in a selector, nor in a
volumeClaimTemplate (both are immutable). The given objects are not changed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from kapp import yamlio
from kapp.errors import ConfigError
from kapp.machinery.objects import Object, annotations_of, display_name, gvk_of, key_of, labels_of

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "kapp"
FIELD_MANAGER = "kapp"
"""Under which the fields of applied objects are owned."""

PART_OF_LABEL = "applyset.kubernetes.io/part-of"
DOWN_POLICY_ANNOTATION = "kapp.dev/down-policy"
"""With the value `keep`, kapp deletes the object in no case."""

RESOURCE_ANNOTATION = "kapp.dev/resource"
TEMPLATE_HASH_LABEL = "kapp.dev/template-hash"

REDACTED = "(redacted)"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BUILT_IN_GROUPS = ("", "apps", "batch")
# 64 bits: a label stays readable, and templates of one resource do not collide.
_HASH_DIGITS = 16


def prepare(objects: Sequence[Object], *, resource: str, part_of: str) -> list[Object]:
    """Copies of `objects`, Lists taken apart, checked and injected.

    `part_of` is the ApplySet's id, `resource` kapp's name for them all. Raises ConfigError naming
    the object when one lacks apiVersion, kind or name, or stands there twice.
    """
    return [_inject(obj, resource, part_of) for obj in check(objects)]


def check(objects: Iterable[Object]) -> list[Object]:
    """The objects, Lists taken apart; the same ones, not copies. Raises ConfigError."""
    checked = list(flatten(objects))
    seen: set[tuple[str, str, str, str]] = set()
    for number, obj in enumerate(checked, start=1):
        _check_shape(obj, number)
        identity = (gvk_of(obj).group, gvk_of(obj).kind, *key_of(obj))
        if identity in seen:
            raise ConfigError(
                f"{display_name(obj)} is there twice", hint="remove or rename one of the two"
            )
        seen.add(identity)
    return checked


def is_same_set(one: Object, other: Object) -> bool:
    """Whether two objects are members of one ApplySet."""
    return labels_of(one).get(PART_OF_LABEL, "") == labels_of(other).get(PART_OF_LABEL)


def without_injected(obj: Object) -> Object:
    """A prepared object as its manifest has it: for one that is not to become kapp's."""
    meta = dict(obj["metadata"])
    labels, annotations = dict(labels_of(obj)), dict(annotations_of(obj))
    labels.pop(PART_OF_LABEL, None)
    if labels.get(MANAGED_BY_LABEL) == MANAGED_BY:
        del labels[MANAGED_BY_LABEL]
    annotations.pop(RESOURCE_ANNOTATION, None)
    for name, values in (("labels", labels), ("annotations", annotations)):
        meta.pop(name, None)
        if values:
            meta[name] = values
    return {**obj, "metadata": meta}


def input_hash(objects: Sequence[Object]) -> str:
    """Names an input: equal for objects that are equal, whatever the order of their keys."""
    return hashlib.sha256(_canonical(list(objects))).hexdigest()[: 2 * _HASH_DIGITS]


def template_hash(template: Any) -> str:
    """Names a pod template as the user wrote it."""
    return hashlib.sha256(_canonical(template)).hexdigest()[:_HASH_DIGITS]


def template_hashes(objects: Iterable[Object]) -> set[str]:
    """The `kapp.dev/template-hash` labels of prepared (or applied) objects."""
    return {
        labels[TEMPLATE_HASH_LABEL]
        for obj in objects
        for template in pod_templates(obj)
        if TEMPLATE_HASH_LABEL in (labels := labels_of(template))
    }


def pod_templates(obj: Object) -> list[dict[str, Any]]:
    """The pod templates in an object; a bare Pod is its own.

    Custom kinds count only where `spec.template` looks like one and has metadata, because a
    schema may forbid what is injected.
    """
    gvk = gvk_of(obj)
    if gvk.kind == "Pod" and not gvk.group:
        return [obj]
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return []
    if gvk.kind == "CronJob" and gvk.group == "batch":
        spec = _mapping(_mapping(spec, "jobTemplate"), "spec")
    template = spec.get("template")
    if not isinstance(template, dict) or "containers" not in _mapping(template, "spec"):
        return []
    if gvk.group not in _BUILT_IN_GROUPS and not isinstance(template.get("metadata"), dict):
        return []
    return [template]


def result_yaml(objects: Iterable[Object]) -> str:
    """What the server returned, for a person to read.

    Without managedFields, status and kapp's own annotation; the values of Secrets redacted.
    """
    return yamlio.dump_all([shown(obj) for obj in objects])


def shown(obj: Object) -> Object:
    """One object as `result_yaml` prints it; a copy."""
    view = {key: value for key, value in obj.items() if key != "status"}
    meta = dict(view.get("metadata") or {})
    meta.pop("managedFields", None)
    secret = gvk_of(obj)[::2] == ("", "Secret")
    hidden = (RESOURCE_ANNOTATION, _LAST_APPLIED) if secret else (RESOURCE_ANNOTATION,)
    annotations = {k: v for k, v in annotations_of(obj).items() if k not in hidden}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    view["metadata"] = meta
    if secret:
        for part in ("data", "stringData"):
            if view.get(part):
                view[part] = dict.fromkeys(view[part], REDACTED)
    return view


def secret_values(obj: Object) -> list[str]:
    """Every text of a Secret that no message may hold, longest first."""
    if gvk_of(obj)[::2] != ("", "Secret"):
        return []
    texts: set[str] = set()
    for part in ("data", "stringData"):
        for value in _mapping(obj, part).values():
            texts.add(str(value))
            texts |= _decoded(value) if part == "data" else set()
    return sorted((text for text in texts if text), key=len, reverse=True)


def _decoded(value: Any) -> set[str]:
    try:
        return {base64.b64decode(str(value), validate=True).decode()}
    except ValueError:
        return set()


def flatten(objects: Iterable[Object]) -> Iterator[Object]:
    """The objects, Lists taken apart; nothing for empty documents."""
    for obj in objects:
        items = obj.get("items") if isinstance(obj, dict) else None
        if isinstance(items, list) and str(obj.get("kind") or "").endswith("List"):
            yield from flatten(items)
        elif obj is not None:
            yield obj


def _check_shape(obj: Any, number: int) -> None:
    if not isinstance(obj, dict):
        raise ConfigError(
            f"document {number} is not a Kubernetes object but {type(obj).__name__}",
            hint="every document needs apiVersion, kind and metadata.name",
        )
    meta = obj.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    what = f"{obj.get('kind') or 'object'}/{name or f'(document {number})'}"
    for key in ("apiVersion", "kind"):
        if not isinstance(obj.get(key), str) or not obj[key]:
            raise ConfigError(f"{key} is missing", location=what)
    if isinstance(name, str) and name:
        return
    if isinstance(meta, dict) and meta.get("generateName"):
        raise ConfigError(
            "generateName makes a new object on every apply",
            location=what,
            hint="give it a metadata.name",
        )
    raise ConfigError("metadata.name is missing or not a text", location=what)


def _inject(obj: Object, resource: str, part_of: str) -> Object:
    # By way of JSON, not deepcopy: a YAML alias makes a selector and the template's labels one
    # dict, and what is injected into the one must not appear in the other.
    made: Object = msgspec.json.decode(msgspec.json.encode(obj))
    for template in pod_templates(made):
        digest = template_hash(template)
        labels = _labels(template)
        labels.setdefault(MANAGED_BY_LABEL, MANAGED_BY)
        labels[TEMPLATE_HASH_LABEL] = digest
    labels = _labels(made)
    labels.setdefault(MANAGED_BY_LABEL, MANAGED_BY)
    labels[PART_OF_LABEL] = part_of
    meta = made["metadata"]
    meta["annotations"] = {**(meta.get("annotations") or {}), RESOURCE_ANNOTATION: resource}
    # A server sets these; sent along (a copied `kubectl get -o yaml`), they only cause conflicts.
    for key in ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"):
        meta.pop(key, None)
    made.pop("status", None)
    return made


def _labels(holder: dict[str, Any]) -> dict[str, Any]:
    """`metadata.labels` of an object or template, made where it is missing."""
    meta = holder.get("metadata")
    if not isinstance(meta, dict):
        meta = holder["metadata"] = {}
    labels = meta.get("labels")
    if not isinstance(labels, dict):
        labels = meta["labels"] = {}
    return labels


def _mapping(holder: Any, key: str) -> dict[str, Any]:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
