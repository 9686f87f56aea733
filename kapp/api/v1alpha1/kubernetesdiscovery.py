"""KubernetesDiscovery: the pods that belong to what was applied."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import msgspec

from kapp.api.define import define
from kapp.api.schema import defaulted
from kapp.api.v1alpha1.meta import LabelSelector, Time, TypedObject
from kapp.api.v1alpha1.podlogstream import PodLogStreamTemplateSpec
from kapp.api.v1alpha1.portforward import PortForwardTemplateSpec, check_forwards
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind
from kapp.machinery.status import Cause

REASON_NOT_APPLIED = "NotApplied"
REASON_NOT_CONNECTED = "ClusterNotConnected"
NO_WATCH_REASONS = (REASON_NOT_APPLIED, REASON_NOT_CONNECTED)
"""Why nothing is watched yet; another reason of `status.waiting` is the trouble of a watch."""


class KubernetesDiscoveryTemplateSpec(
    msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True
):
    """Further pods of a resource.

    Attributes:
        extra_selectors: Pods with these labels belong to it, whoever owns them.
    """

    extra_selectors: list[LabelSelector] = []


class KubernetesWatchRef(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """An applied object: it, and what it owns, is looked for.

    Attributes:
        uid: UID of the object; empty for "any in the namespace" (extraSelectors then decide).
        namespace: Namespace of the object and its pods.
        name: Name of the object.
    """

    uid: str = ""
    namespace: str
    name: str = ""


class KubernetesDiscoverySpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Which pods to look for, and what to do with them.

    Attributes:
        watches: The applied objects.
        extra_selectors: Pods with these labels belong to it, whoever owns them.
        template_hashes: Values of the label kapp.dev/template-hash that belong to the newest
            apply; pods with others are older.
        port_forward_template_spec: The forwards that the pods serve.
        pod_log_stream_template_spec: Which of their logs are followed.
        cluster: Name of the Cluster.
    """

    watches: list[KubernetesWatchRef] = []
    extra_selectors: list[LabelSelector] = []
    template_hashes: list[str] = []
    port_forward_template_spec: PortForwardTemplateSpec | None = None
    pod_log_stream_template_spec: PodLogStreamTemplateSpec | None = None
    cluster: Annotated[str, defaulted("default")] = "default"


class ContainerStateWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The container does not run yet, or not now.

    Attributes:
        reason: One word in CamelCase.
    """

    reason: str = ""


class ContainerStateRunning(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The container runs.

    Attributes:
        started_at: Since when.
    """

    started_at: Time = ""


class ContainerStateTerminated(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The container has ended.

    Attributes:
        started_at: When it started.
        finished_at: When it ended.
        reason: One word in CamelCase.
        exit_code: Exit code of its first process.
    """

    started_at: Time = ""
    finished_at: Time = ""
    reason: str = ""
    exit_code: int = 0


class ContainerState(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Exactly one of the three.

    Attributes:
        waiting: Set while it does not run yet.
        running: Set while it runs.
        terminated: Set when it has ended.
    """

    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class Container(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One container of a pod.

    Attributes:
        name: Name in the pod.
        id: ID of the container, by its runtime.
        ready: Whether it takes requests.
        image: The image it runs.
        restarts: How often it was restarted.
        state: What it does.
        ports: Declared container ports.
    """

    name: str
    id: str = ""
    ready: bool = False
    image: str = ""
    restarts: int = 0
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    ports: list[int] = []


class PodCondition(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A condition of the pod, as the cluster says it.

    Attributes:
        type: Name of the condition.
        status: One of True, False, Unknown.
        last_transition_time: When the status last changed.
        reason: One word in CamelCase.
        message: A sentence for people.
    """

    type: str
    status: str
    last_transition_time: Time = ""
    reason: str = ""
    message: str = ""


class PodOwner(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What owns the pod directly.

    Attributes:
        name: Name of the owner.
        api_version: API version of the owner.
        kind: Kind of the owner.
        creation_timestamp: When the owner was created.
    """

    name: str
    api_version: str = ""
    kind: str = ""
    creation_timestamp: Time = ""


class Pod(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """One pod, in short.

    Attributes:
        uid: UID of the pod.
        name: Name of the pod.
        namespace: Namespace of the pod.
        created_at: When it was created.
        phase: The pod's phase, as the cluster says it.
        deleting: Whether it is being deleted.
        ready: Whether it takes requests.
        current: Whether it belongs to the newest apply.
        conditions: The pod's conditions.
        init_containers: Containers that run before the others.
        containers: The containers.
        ancestor_uid: UID of the applied object that it belongs to.
        pod_template_spec_hash: Value of its label kapp.dev/template-hash.
        status: What `kubectl get pods` shows as its status.
        errors: What is wrong with it, in plain words.
        owner: What owns it directly.
    """

    uid: str
    name: str
    namespace: str
    created_at: Time = ""
    phase: str = ""
    deleting: bool = False
    ready: bool = False
    current: bool = False
    conditions: list[PodCondition] = []
    init_containers: list[Container] = []
    containers: list[Container] = []
    ancestor_uid: str = msgspec.field(default="", name="ancestorUID")
    pod_template_spec_hash: str = ""
    status: str = ""
    errors: list[str] = []
    owner: PodOwner | None = None


class DiscoveryWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Nothing is watched yet.

    Attributes:
        reason: Why: NotApplied, ClusterNotConnected, or what the cluster said.
    """

    reason: str


class DiscoveryRunning(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Pods are watched.

    Attributes:
        start_time: Since when.
    """

    start_time: Time = ""


class KubernetesDiscoveryStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The pods.

    Attributes:
        monitor_start_time: When watching began.
        pods: The pods, oldest first.
        waiting: Set while nothing is watched.
        running: Set while pods are watched.
    """

    monitor_start_time: Time = ""
    pods: list[Pod] = []
    waiting: DiscoveryWaiting | None = None
    running: DiscoveryRunning | None = None


class KubernetesDiscovery(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """The pods that belong to what was applied.

    Attributes:
        spec: Which pods to look for.
        status: The pods.
    """

    KIND: ClassVar[str] = "KubernetesDiscovery"
    PLURAL: ClassVar[str] = "kubernetesdiscoveries"

    spec: KubernetesDiscoverySpec = msgspec.field(default_factory=KubernetesDiscoverySpec)
    status: KubernetesDiscoveryStatus = msgspec.field(default_factory=KubernetesDiscoveryStatus)


def _check(obj: KubernetesDiscovery) -> Iterable[Cause]:
    for index, watch in enumerate(obj.spec.watches):
        if not watch.namespace:
            yield Cause(f"spec.watches[{index}].namespace", "Required value", "FieldValueRequired")
    if template := obj.spec.port_forward_template_spec:
        yield from check_forwards(template.forwards, "spec.portForwardTemplateSpec.forwards")


def _pods(obj: Object, _now: Any) -> str:
    pods = (obj.get("status") or {}).get("pods") or ()
    serving = [pod for pod in pods if not pod.get("deleting")]
    return f"{sum(bool(pod.get('ready')) for pod in serving)}/{len(serving)}"


def _newest(obj: Object, _now: Any) -> str:
    pods = (obj.get("status") or {}).get("pods") or ()
    serving = [pod for pod in pods if not pod.get("deleting")] or pods
    return serving[-1]["name"] if serving else ""


def _state(obj: Object, _now: Any) -> str:
    status = obj.get("status") or {}
    if "waiting" in status:
        return f"Waiting: {status['waiting'].get('reason', '')}"
    return "Running" if "running" in status else "Pending"


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        KubernetesDiscovery,
        short_names=("kd", "kdisco"),
        columns=(
            Column("Status", _state, description="Whether pods are watched."),
            Column("Pods", _pods, description="Ready pods, of those that are not being deleted."),
            Column("Newest", _newest, description="The newest pod."),
        ),
        check=_check,
    )
