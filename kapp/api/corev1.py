"""The one Namespace, to be read only: what tools for any cluster look for before all else.

kapp's kinds have no namespaces. Yet a framework such as kopf does not begin before it has found the
kind, and others offer the namespaces there are to choose from.
"""

from __future__ import annotations

from kapp.machinery.duration import human_age
from kapp.machinery.objects import Object, Resource, metadata_of, name_of
from kapp.machinery.scheme import Column, Kind

DEFAULT: Object = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "default"},
    "spec": {"finalizers": ["kubernetes"]},
    "status": {"phase": "Active"},
}
"""The namespace that a kubeconfig means when it names none."""

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", False)


def namespace_kind() -> Kind:
    """The kind as a server serves it."""
    text = {"type": "string"}
    return Kind(
        group="",
        version="v1",
        kind="Namespace",
        plural="namespaces",
        short_names=("ns",),
        verbs=("get", "list", "watch"),
        columns=(
            Column("Name", lambda obj, _: name_of(obj), description="Name of the namespace."),
            Column("Status", lambda obj, _: obj["status"]["phase"], description="Active."),
            Column("Age", lambda obj, now: human_age(metadata_of(obj)["creationTimestamp"], now)),
        ),
        schema={
            "type": "object",
            "description": "The one namespace there is; kapp's kinds have none.",
            "properties": {
                "apiVersion": text,
                "kind": text,
                "metadata": {"type": "object"},
                "spec": {
                    "type": "object",
                    "properties": {"finalizers": {"type": "array", "items": text}},
                },
                "status": {"type": "object", "properties": {"phase": text}},
            },
        },
        has_status=False,
    )
