"""Cluster: a connection to a Kubernetes cluster."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.v1alpha1.meta import Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind


class KubernetesClusterConnection(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which cluster a kubeconfig means.

    Attributes:
        context: Name of the kubeconfig's context.
        namespace: Namespace of objects that name none.
    """

    context: str = ""
    namespace: str = ""


class ClusterConnection(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How a cluster is reached.

    Attributes:
        kubernetes: Through a kubeconfig.
    """

    kubernetes: KubernetesClusterConnection | None = None


class ClusterSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which cluster.

    Attributes:
        connection: How it is reached.
    """

    connection: ClusterConnection = msgspec.field(default_factory=ClusterConnection)


class KubernetesClusterConnectionStatus(
    msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True
):
    """What the kubeconfig says.

    Attributes:
        context: Name of the context in use.
        namespace: Namespace of objects that name none.
        cluster: The kubeconfig's name of the cluster.
    """

    context: str
    namespace: str
    cluster: str = ""


class ClusterConnectionStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How the cluster is reached.

    Attributes:
        kubernetes: Through a kubeconfig.
    """

    kubernetes: KubernetesClusterConnectionStatus | None = None


class ClusterStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Whether it answers, and what it is.

    Attributes:
        connected_at: When it first answered; empty while it does not.
        version: Its version.
        arch: Processor architecture of its API server.
        product: What kind of cluster it is, where known: kind, minikube, k3d, kapp-embedded, ….
        error: Why it does not answer.
        connection: How it is reached.
    """

    connected_at: Time = ""
    version: str = ""
    arch: str = ""
    product: str = ""
    error: str = ""
    connection: ClusterConnectionStatus | None = None


class Cluster(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """A connection to a Kubernetes cluster.

    Attributes:
        spec: Which cluster.
        status: Whether it answers, and what it is.
    """

    KIND: ClassVar[str] = "Cluster"
    PLURAL: ClassVar[str] = "clusters"

    spec: ClusterSpec = msgspec.field(default_factory=ClusterSpec)
    status: ClusterStatus = msgspec.field(default_factory=ClusterStatus)


def _state(obj: Object, _now: Any) -> str:
    status = obj.get("status") or {}
    if status.get("error"):
        return f"Error: {status['error']}"
    return "Connected" if status.get("connectedAt") else "Connecting"


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        Cluster,
        columns=(
            Column("Status", _state, description="Whether it answers."),
            Column("Context", field("status.connection.kubernetes.context")),
            Column("Namespace", field("status.connection.kubernetes.namespace")),
            Column("Version", field("status.version"), description="Version of the cluster."),
            Column("Product", field("status.product"), description="Kind of cluster.", priority=1),
        ),
    )
