"""Defaults of CustomResourceDefinitions.

Source: apiextensions-apiserver/pkg/apis/apiextensions/v1/defaults.go and
pkg/registry/customresourcedefinition/strategy.go (storedVersions).
"""

from __future__ import annotations

from kapp.machinery.objects import Object


def custom_resource_definition(obj: Object) -> None:
    """Fill in names and conversion, and note the storage version in the status."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and names.get("kind"):
        names["singular"] = names.get("singular") or str(names["kind"]).lower()
        names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [v["name"] for v in spec.get("versions") or () if v.get("storage") and v.get("name")]
    status = obj.get("status") or {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}}
    known = status.get("storedVersions") or []
    if stored and stored[0] not in known:
        obj["status"] = {**status, "storedVersions": [*known, stored[0]]}
