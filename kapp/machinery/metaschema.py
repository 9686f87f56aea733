"""The schema of `metadata`, which is the same for every kind and therefore the server's.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/types.go. Used by the schema check, whatever a kind's
own schema says of its metadata, and published with every OpenAPI document.
"""

from __future__ import annotations

from typing import Any

PREFIX = "io.k8s.apimachinery.pkg.apis.meta.v1."
REF_PREFIX = "#/components/schemas/"


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _ref(name: str, description: str) -> dict[str, Any]:
    return {"allOf": [{"$ref": f"{REF_PREFIX}{PREFIX}{name}"}], "description": description}


_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}

OBJECT_META: dict[str, Any] = {
    "type": "object",
    "description": "ObjectMeta is metadata that all persisted resources must have.",
    "properties": {
        "annotations": {**_STRINGS, "description": "Unstructured data set by tools."},
        "creationTimestamp": _ref("Time", "When the server created the object. Read-only."),
        "deletionGracePeriodSeconds": {
            "type": "integer",
            "format": "int64",
            "description": "How long the object may take to terminate. Read-only.",
        },
        "deletionTimestamp": _ref("Time", "When the object will be deleted. Read-only."),
        "finalizers": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Must be empty before the object is deleted from the registry.",
            "x-kubernetes-list-type": "set",
            "x-kubernetes-patch-strategy": "merge",
        },
        "generateName": _text("Prefix from which the server makes a unique name."),
        "generation": {
            "type": "integer",
            "format": "int64",
            "description": "Number of the present desired state. Read-only.",
        },
        "labels": {**_STRINGS, "description": "Keys and values that organise and select objects."},
        "managedFields": {
            "type": "array",
            "items": _ref("ManagedFieldsEntry", ""),
            "description": "Which manager set which field.",
            "x-kubernetes-list-type": "atomic",
        },
        "name": _text("Unique within a namespace. Cannot be updated."),
        "namespace": _text("The space within which the name is unique. Cannot be updated."),
        "ownerReferences": {
            "type": "array",
            "items": _ref("OwnerReference", ""),
            "description": "Objects on which this one depends; it is deleted with the last one.",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
        "resourceVersion": _text("The version of the object, opaque to clients. Read-only."),
        "selfLink": _text("Deprecated: no longer set."),
        "uid": _text("Unique in time and space. Read-only."),
    },
}

DEFINITIONS: dict[str, dict[str, Any]] = {
    f"{PREFIX}ObjectMeta": OBJECT_META,
    f"{PREFIX}ManagedFieldsEntry": {
        "type": "object",
        "description": "The fields that one manager set with one kind of operation.",
        "properties": {
            "apiVersion": _text("Version of the resource the fields are in."),
            "fieldsType": _text('Always "FieldsV1".'),
            "fieldsV1": _ref("FieldsV1", "The set of fields."),
            "manager": _text("Who manages the fields."),
            "operation": _text("Apply or Update."),
            "subresource": _text("The subresource that was written."),
            "time": _ref("Time", "When the entry last changed."),
        },
    },
    f"{PREFIX}OwnerReference": {
        "type": "object",
        "description": "Enough to identify an owning object in the same namespace.",
        "properties": {
            "apiVersion": _text("API version of the owner."),
            "blockOwnerDeletion": {
                "type": "boolean",
                "description": "The owner's foreground deletion waits for this object.",
            },
            "controller": {"type": "boolean", "description": "The owner is the controller."},
            "kind": _text("Kind of the owner."),
            "name": _text("Name of the owner."),
            "uid": _text("UID of the owner."),
        },
        "required": ["apiVersion", "kind", "name", "uid"],
        "x-kubernetes-map-type": "atomic",
    },
    f"{PREFIX}ListMeta": {
        "type": "object",
        "description": "ListMeta describes a list.",
        "properties": {
            "continue": _text("Token for the next page."),
            "remainingItemCount": {"type": "integer", "format": "int64"},
            "resourceVersion": _text("The version of the list."),
            "selfLink": _text("Deprecated: no longer set."),
        },
    },
    f"{PREFIX}Time": _text("An RFC 3339 timestamp.", format="date-time"),
    f"{PREFIX}FieldsV1": {"type": "object", "description": "A set of fields, as a trie in JSON."},
}
