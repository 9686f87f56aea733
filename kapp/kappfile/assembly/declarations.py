"""What the builtins of a Kappfile declared, in order, before assembly makes resources of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kapp.kappfile.errors import Frame
from kapp.kappfile.manifests import Manifest
from kapp.kappfile.model import (
    Attach,
    Command,
    DiscoveryStrategy,
    Link,
    LocalResource,
    PodReadiness,
    PortForward,
    Settings,
    TriggerMode,
)


class DeclaredObject(msgspec.Struct, frozen=True):
    """One object that `k8s_yaml` named, and the call that did."""

    manifest: Manifest
    frames: Sequence[Frame]
    allow_duplicates: bool = False


class DeferredObjects(msgspec.Struct, frozen=True):
    """Objects that `k8s_yaml` named while they were still being rendered.

    `position` is how many objects were declared before them, `number` that of the render.
    """

    position: int
    number: int
    frames: Sequence[Frame]
    allow_duplicates: bool = False


class ResourceOptions(msgspec.Struct, frozen=True):
    """One `k8s_resource` call; None and empty mean that it does not say."""

    workload: str = ""
    new_name: str = ""
    objects: tuple[str, ...] = ()
    port_forwards: tuple[PortForward, ...] = ()
    extra_pod_selectors: tuple[dict[str, str], ...] = ()
    trigger_mode: TriggerMode | None = None
    auto_init: bool | None = None
    resource_deps: tuple[str, ...] = ()
    pod_readiness: PodReadiness | None = None
    links: tuple[Link, ...] = ()
    labels: tuple[str, ...] = ()
    discovery_strategy: DiscoveryStrategy | None = None
    only_containers: tuple[str, ...] | None = None
    ignore_containers: tuple[str, ...] | None = None
    frames: Sequence[Frame] = ()


class CustomDeploy(msgspec.Struct, frozen=True):
    """One `k8s_custom_deploy` call."""

    name: str
    apply_cmd: Command
    delete_cmd: Command
    deps: tuple[Path, ...]
    frames: Sequence[Frame]


class Attachment(msgspec.Struct, frozen=True):
    """One `k8s_attach` call."""

    name: str
    attach: Attach
    frames: Sequence[Frame]


class DeclaredLocal(msgspec.Struct, frozen=True):
    """One `local_resource` call; `trigger_mode` None is that of the whole Kappfile."""

    resource: LocalResource
    trigger_mode: TriggerMode | None
    frames: Sequence[Frame]

    @property
    def resource_deps(self) -> tuple[str, ...]:
        """As `ResourceOptions` has it."""
        return self.resource.resource_deps


class PortForwardStatement(msgspec.Struct, frozen=True):
    """One `port_forward('resource', …)` statement."""

    resource: str
    forward: PortForward
    frames: Sequence[Frame]


class KindRule(msgspec.Struct, frozen=True):
    """One `k8s_kind` call: objects of this kind run pods. An empty `api_version` matches all."""

    kind: str
    api_version: str = ""
    pod_readiness: PodReadiness | None = None


class Naming(msgspec.Struct, frozen=True):
    """The last `workload_to_resource_function` call.

    `name_of` takes the parts of a workload's id by their names; it may return anything, and raises
    KappfileError for whatever goes wrong in the Kappfile's function.
    """

    name_of: Callable[[dict[str, str]], Any]
    frames: Sequence[Frame]


BUILT_IN_KINDS = (
    KindRule("Job", "batch/v1", "succeeded"),
    KindRule("CronJob", "batch/v1", "ignore"),
)
"""As Tilt registers them: a Job is ready when it succeeded, a CronJob need not run at all."""


class Declarations(msgspec.Struct):
    """Everything declared so far; written by builtins, read by `assemble`."""

    objects: list[DeclaredObject] = msgspec.field(default_factory=list)
    custom_deploys: list[CustomDeploy] = msgspec.field(default_factory=list)
    attachments: list[Attachment] = msgspec.field(default_factory=list)
    local_resources: list[DeclaredLocal] = msgspec.field(default_factory=list)
    deferred: list[DeferredObjects] = msgspec.field(default_factory=list)
    options: list[ResourceOptions] = msgspec.field(default_factory=list)
    port_forwards: list[PortForwardStatement] = msgspec.field(default_factory=list)
    kinds: list[KindRule] = msgspec.field(default_factory=lambda: list(BUILT_IN_KINDS))
    naming: Naming | None = None
    settings: Settings = msgspec.field(default_factory=Settings)
    trigger_mode: TriggerMode | None = None
    trigger_mode_frames: Sequence[Frame] = ()
