"""PodLogStream: the logs of one pod's containers, followed into the engine's log store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.schema import defaulted
from kapp.api.v1alpha1.meta import Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause


class PodLogStreamTemplateSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which logs of a resource's pods to follow.

    Attributes:
        since_time: Leaves out what was written before.
        only_containers: Follow these containers only.
        ignore_containers: Follow all containers but these.
    """

    since_time: Time = ""
    only_containers: list[str] = []
    ignore_containers: list[str] = []


class PodLogStreamSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Whose logs to follow.

    Attributes:
        pod: Name of the pod.
        namespace: Namespace of the pod.
        since_time: Leaves out what was written before.
        only_containers: Follow these containers only.
        ignore_containers: Follow all containers but these.
        cluster: Name of the Cluster.
    """

    pod: str
    namespace: str
    since_time: Time = ""
    only_containers: list[str] = []
    ignore_containers: list[str] = []
    cluster: Annotated[str, defaulted("default")] = "default"


class ContainerLogStreamStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How following one container goes.

    Attributes:
        name: Name of the container.
        active: Its log is being followed.
        terminated: It has ended, and all it wrote was read.
        error: Why it cannot be followed now.
    """

    name: str
    active: bool = False
    terminated: bool = False
    error: str = ""


class PodLogStreamStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """How following the pod goes.

    Attributes:
        container_statuses: One entry for each container that is followed.
        error: Why the pod cannot be followed.
    """

    container_statuses: list[ContainerLogStreamStatus] = []
    error: str = ""


class PodLogStream(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """The logs of one pod's containers, followed into the engine's log store.

    Attributes:
        spec: Whose logs to follow.
        status: How it goes.
    """

    KIND: ClassVar[str] = "PodLogStream"
    PLURAL: ClassVar[str] = "podlogstreams"

    spec: PodLogStreamSpec
    status: PodLogStreamStatus = msgspec.field(default_factory=PodLogStreamStatus)


def _check(obj: PodLogStream) -> Iterable[Cause]:
    spec = obj.spec
    for name in ("pod", "namespace"):
        if not getattr(spec, name):
            yield Cause(f"spec.{name}", "Required value", "FieldValueRequired")
    if spec.only_containers and spec.ignore_containers:
        yield Cause(
            "spec.ignoreContainers",
            "Forbidden: may not be given with onlyContainers",
            "FieldValueForbidden",
        )


def _containers(obj: Object, _now: Any) -> str:
    statuses = (obj.get("status") or {}).get("containerStatuses") or ()
    return f"{sum(bool(s.get('active')) for s in statuses)}/{len(statuses)}"


def _error(obj: Object, _now: Any) -> str:
    status = obj.get("status") or {}
    statuses = status.get("containerStatuses") or ()
    return status.get("error") or next((s["error"] for s in statuses if s.get("error")), "")


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        PodLogStream,
        short_names=("pls",),
        columns=(
            Column("Namespace", field("spec.namespace"), description="Namespace of the pod."),
            Column("Pod", field("spec.pod"), description="Name of the pod."),
            Column("Active", _containers, description="Containers being followed, of all."),
            Column("Error", _error, description="What is wrong."),
        ),
        check=_check,
    )
