"""What the builtins of a Kappfile declared, in order, before assembly makes resources of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class DeclaredObject:
    """One object that `k8s_yaml` named, and the call that did."""

    manifest: Manifest
    frames: Sequence[Frame]
    allow_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class DeferredObjects:
    """Objects that `k8s_yaml` named while they were still being rendered.

    `position` is how many objects were declared before them, `number` that of the render.
    """

    position: int
    number: int
    frames: Sequence[Frame]
    allow_duplicates: bool = False


@dataclass(frozen=True, slots=True)
class ResourceOptions:
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
    frames: Sequence[Frame] = ()


@dataclass(frozen=True, slots=True)
class CustomDeploy:
    """One `k8s_custom_deploy` call."""

    name: str
    apply_cmd: Command
    delete_cmd: Command
    deps: tuple[Path, ...]
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One `k8s_attach` call."""

    name: str
    attach: Attach
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class DeclaredLocal:
    """One `local_resource` call; `trigger_mode` None is that of the whole Kappfile."""

    resource: LocalResource
    trigger_mode: TriggerMode | None
    frames: Sequence[Frame]

    @property
    def resource_deps(self) -> tuple[str, ...]:
        """As `ResourceOptions` has it."""
        return self.resource.resource_deps


@dataclass(frozen=True, slots=True)
class PortForwardStatement:
    """One `port_forward('resource', …)` statement."""

    resource: str
    forward: PortForward
    frames: Sequence[Frame]


@dataclass(frozen=True, slots=True)
class KindRule:
    """One `k8s_kind` call: objects of this kind run pods. An empty `api_version` matches all."""

    kind: str
    api_version: str = ""
    pod_readiness: PodReadiness | None = None


@dataclass(frozen=True, slots=True)
class Naming:
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


@dataclass(slots=True)
class Declarations:
    """Everything declared so far; written by builtins, read by `assemble`."""

    objects: list[DeclaredObject] = field(default_factory=list)
    custom_deploys: list[CustomDeploy] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    local_resources: list[DeclaredLocal] = field(default_factory=list)
    deferred: list[DeferredObjects] = field(default_factory=list)
    options: list[ResourceOptions] = field(default_factory=list)
    port_forwards: list[PortForwardStatement] = field(default_factory=list)
    kinds: list[KindRule] = field(default_factory=lambda: list(BUILT_IN_KINDS))
    naming: Naming | None = None
    settings: Settings = field(default_factory=Settings)
    trigger_mode: TriggerMode | None = None
    trigger_mode_frames: Sequence[Frame] = ()
