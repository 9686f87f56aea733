"""UIResource: the whole truth about one resource in one object."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from kapp.api.define import define, field
from kapp.api.v1alpha1.meta import Condition, DisableStatus, Time, TypedObject
from kapp.machinery.objects import Object
from kapp.machinery.scheme import Column, Kind

UP_TO_DATE = "UpToDate"
"""The condition: every saved input is applied."""

READY = "Ready"
"""The condition: UpToDate, and everything applied is running and ready."""

BUILDS_KEPT = 2
"""How many finished builds a status keeps, as in Tilt."""


class UIBuildRunning(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """An update in progress.

    Attributes:
        start_time: Since when.
    """

    start_time: Time = ""


class UIBuildTerminated(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """An update that ended.

    Attributes:
        error: Why it failed.
        start_time: When it began.
        finish_time: When it ended.
    """

    error: str = ""
    start_time: Time = ""
    finish_time: Time = ""


class UIResourceLink(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """A link to what the resource serves.

    Attributes:
        url: Where it leads.
        name: What it is called.
    """

    url: str
    name: str = ""


class UIResourceKubernetes(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The newest pod, in short.

    Attributes:
        pod_name: Its name.
        pod_creation_time: When it was created.
        pod_status: What `kubectl get pods` shows as its status.
        pod_status_message: What is wrong with it.
        all_containers_ready: Whether all its containers are ready.
        pod_restarts: How often its containers were restarted.
        display_names: The applied objects, as name:kind.
    """

    pod_name: str = ""
    pod_creation_time: Time = ""
    pod_status: str = ""
    pod_status_message: str = ""
    all_containers_ready: bool = False
    pod_restarts: int = 0
    display_names: list[str] = []


class UIWaitingOnRef(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Something that is waited for.

    Attributes:
        group: Its API group.
        api_version: Its API version.
        kind: Its kind.
        name: Its name.
    """

    group: str = ""
    api_version: str = ""
    kind: str = ""
    name: str = ""


class UIResourceWaiting(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Why an update does not begin.

    Attributes:
        reason: One of waiting-for-cluster, waiting-for-uncategorized, waiting-for-dep,
            waiting-for-trigger, forbidden-context.
        on: What is waited for.
    """

    reason: str
    on: list[UIWaitingOnRef] = []


class UIResourceStatus(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """The whole truth about the resource.

    Attributes:
        update_status: Of the newest input: none, pending, in_progress, ok, error, not_applicable.
        runtime_status: Of what was applied: unknown, pending, ok, error, not_applicable, none.
        build_history: Finished updates, newest first.
        current_build: The update in progress.
        pending_build_since: Since when an input waits to be applied.
        queued: Whether it was triggered and has not begun.
        waiting: Why an update does not begin.
        conditions: UpToDate and Ready.
        endpoint_links: What it serves.
        k8s_resource_info: Its newest pod.
        disable_status: Whether it is disabled.
        trigger_mode: 0 for auto, 1 for manual.
        last_deploy_time: When it was applied last.
        order: Its place in the Kappfile.
        ever_ready: Whether it has been ready once; resources that depend on it may then begin.
    """

    update_status: str = ""
    runtime_status: str = ""
    build_history: list[UIBuildTerminated] = []
    current_build: UIBuildRunning | None = None
    pending_build_since: Time = ""
    queued: bool = False
    waiting: UIResourceWaiting | None = None
    conditions: list[Condition] = []
    endpoint_links: list[UIResourceLink] = []
    k8s_resource_info: UIResourceKubernetes | None = None
    disable_status: DisableStatus | None = None
    trigger_mode: int = 0
    last_deploy_time: Time = ""
    order: int = 0
    ever_ready: bool = False


class UIResourceSpec(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """What cannot be read from other objects.

    Attributes:
        order: Its place in the Kappfile.
        links: Links shown with it, where no KubernetesApply has them.
    """

    order: int = 0
    links: list[UIResourceLink] = []


class UIResource(TypedObject, rename="camel", omit_defaults=True, kw_only=True):
    """The whole truth about one resource.

    Attributes:
        spec: Its place.
        status: The truth.
    """

    KIND: ClassVar[str] = "UIResource"
    PLURAL: ClassVar[str] = "uiresources"

    spec: UIResourceSpec = msgspec.field(default_factory=UIResourceSpec)
    status: UIResourceStatus = msgspec.field(default_factory=UIResourceStatus)


def _reason(obj: Object, _now: Any) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c.get("message") or "" for c in conditions if c.get("status") != "True"), "")


def _links(obj: Object, _now: Any) -> str:
    links = (obj.get("status") or {}).get("endpointLinks") or ()
    return ",".join(link["url"] for link in links)


def kind() -> Kind:
    """The kind as a server serves it."""
    return define(
        UIResource,
        short_names=("ui",),
        columns=(
            Column("Update", field("status.updateStatus"), description="Of the newest input."),
            Column("Runtime", field("status.runtimeStatus"), description="Of what was applied."),
            Column("Reason", _reason, description="Why it is not ready."),
            Column("Links", _links, description="What it serves.", priority=1),
        ),
    )
