"""What a server does to an object before it stores it: identity, system fields, generation. Pure.

Used by the registry for every create and update. Source: k8s.io/apiserver/pkg/registry/rest/
create.go and update.go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from kapp.machinery.objects import Object, ObjectKey, annotations_of, format_time
from kapp.machinery.scheme import Kind
from kapp.machinery.status import ApiError, Cause, bad_request, conflict, invalid

# Kubernetes leaves room so that generated names can be used as labels of their children.
_MAX_BASE_CHARS = 63 - 5

_SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def identify(
    kind: Kind, obj: Object, namespace: str, name: str = "", *, named: bool = False
) -> None:
    """Make kind, namespace and name agree with the URL, in place; `named` demands the name.

    Raises ApiError (400).
    """
    expected = kind.gvk.api_version
    found_version, found_kind = obj.get("apiVersion") or expected, obj.get("kind") or kind.kind
    if found_version != expected:
        raise bad_request(
            f"the API version in the data ({found_version}) does not match the expected API "
            f"version ({expected})"
        )
    if found_kind != kind.kind:
        raise bad_request(
            f"the kind in the data ({found_kind}) does not match the expected kind ({kind.kind})"
        )
    obj["apiVersion"], obj["kind"] = expected, kind.kind
    meta = obj.get("metadata")
    if meta is None:
        meta = obj["metadata"] = {}
    if not isinstance(meta, dict):
        raise bad_request("metadata must be an object")
    if named and not meta.get("name"):
        # checkName in k8s.io/apiserver/pkg/endpoints/handlers/rest.go
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be "
            "provided"
        )
    _identify_metadata(kind, meta, namespace, name)


def _identify_metadata(kind: Kind, meta: dict[str, object], namespace: str, name: str) -> None:
    if not kind.namespaced:
        meta.pop("namespace", None)
    else:
        claimed = meta.get("namespace") or namespace
        if not namespace:
            raise bad_request("an empty namespace may not be set during creation")
        if claimed != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        meta["namespace"] = namespace
    if name:
        claimed = meta.get("name") or name
        if claimed != name:
            raise bad_request(
                f"the name of the object ({claimed}) does not match the name on the URL ({name})"
            )
        meta["name"] = name


def generate_name(kind: Kind, obj: Object, suffix: Callable[[], str]) -> bool:
    """Fill in `metadata.name` from generateName, in place; whether it did. Raises ApiError."""
    meta = obj["metadata"]
    if meta.get("name"):
        return False
    if not meta.get("generateName"):
        raise invalid(
            kind.kind,
            kind.group,
            "",
            [
                Cause(
                    "metadata.name",
                    "Required value: name or generateName is required",
                    "FieldValueRequired",
                )
            ],
        )
    meta["name"] = f"{meta['generateName'][:_MAX_BASE_CHARS]}{suffix()}"
    return True


def for_create(kind: Kind, obj: Object, uid: str, now: datetime) -> None:
    """Set what only the server sets on a new object, in place. Raises ApiError (400)."""
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for name in (*_SYSTEM_FIELDS, "resourceVersion", "selfLink"):
        meta.pop(name, None)
    meta.update(uid=uid, creationTimestamp=format_time(now))
    meta.pop("generation", None)
    if kind.counts_generations:
        meta["generation"] = 1
    if kind.has_status:
        obj.pop("status", None)
    if missing := [f for f in kind.finalizers if f not in (meta.get("finalizers") or ())]:
        meta["finalizers"] = [*(meta.get("finalizers") or ()), *missing]


def for_update(kind: Kind, new: Object, live: Object, subresource: str) -> Object:
    """The object to store: `new`, but for what this request may not write.

    Raises ApiError (409) when `new` says it is of another version or another life.
    """
    meta, before = new["metadata"], live["metadata"]
    key = ObjectKey(before.get("namespace") or "", before["name"])
    _check_identity(kind, key, meta, before)
    if subresource == "status":
        # A status write leaves everything else as it is (customresource/status_strategy.go).
        kept = {**before, "managedFields": meta.get("managedFields")}
        if kept["managedFields"] is None:
            kept.pop("managedFields")
        if kind.annotations_count:
            # A controller notes there what is no wish (registry/apps/deployment/strategy.go).
            kept["annotations"] = meta.get("annotations")
            if not kept["annotations"]:
                kept.pop("annotations")
        result = {**live, "metadata": kept}
        result.pop("status", None)
        return {**result, "status": new["status"]} if "status" in new else result
    for name in (*_SYSTEM_FIELDS, "resourceVersion", "generation", "selfLink"):
        meta.pop(name, None)
        if name in before:
            meta[name] = before[name]
    if kind.has_status:
        new.pop("status", None)
        if "status" in live:
            new["status"] = live["status"]
    return new


def identify_applied(kind: Kind, body: Object, key: ObjectKey) -> None:
    """Check that an apply patch is of that kind, name and namespace. Raises ApiError (400).

    It must say its kind itself. What it leaves out of its metadata stays out: what was applied is
    told later as it was said.
    """
    found = (body.get("apiVersion") or "", body.get("kind") or "")
    if found != (kind.gvk.api_version, kind.kind):
        version = found[0] if "/" in str(found[0]) else f"/{found[0]}"
        raise bad_request(f"invalid object type: {version}, Kind={found[1]}")
    meta = body.get("metadata")
    unsaid = {"name", "namespace"} - (meta.keys() if isinstance(meta, dict) else set())
    identify(kind, body, key.namespace, key.name)
    for name in unsaid:
        body["metadata"].pop(name, None)


def for_apply(kind: Kind, body: Object, subresource: str) -> Object:
    """The part of an apply patch that its URL may set."""
    if subresource == "status":
        return {k: v for k, v in body.items() if k in ("apiVersion", "kind", "metadata", "status")}
    return {k: v for k, v in body.items() if k != "status" or not kind.has_status}


def _check_identity(
    kind: Kind, key: ObjectKey, meta: dict[str, object], before: dict[str, object]
) -> None:
    resource = kind.resource.group_resource
    wanted = meta.get("resourceVersion")
    if wanted and wanted != before["resourceVersion"]:
        raise conflict(resource, key.name)
    uid = meta.get("uid")
    if uid and uid != before["uid"]:
        raise precondition(resource, key.name, "UID", str(uid), str(before["uid"]))


def precondition(resource: str, name: str, what: str, wanted: str, found: str) -> ApiError:
    """409: the object is not the one that was meant."""
    return conflict(
        resource,
        name,
        f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}",
    )


def bump_generation(kind: Kind, new: Object, live: Object) -> None:
    """Count up `metadata.generation` when the desired state changed, in place."""
    if not kind.counts_generations:
        return
    ignored = {"metadata", "status"} if kind.has_status else {"metadata"}
    changed = any(new.get(f) != live.get(f) for f in (new.keys() | live.keys()) - ignored)
    if kind.annotations_count and not changed:
        changed = annotations_of(new) != annotations_of(live)
    if changed:
        new["metadata"]["generation"] = int(live["metadata"].get("generation") or 0) + 1


def unchanged(new: Object, live: Object) -> bool:
    """Whether a write would change nothing but the times at which managers last wrote."""
    return _timeless(new) == _timeless(live)


def _timeless(obj: Object) -> Object:
    meta = dict(obj["metadata"])
    entries = [{k: v for k, v in e.items() if k != "time"} for e in meta.get("managedFields") or ()]
    meta["managedFields"] = entries
    return {**obj, "metadata": meta}
