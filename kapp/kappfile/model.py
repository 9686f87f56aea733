"""What an evaluation results in: plain immutable data that the engine turns into objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from kapp.machinery.objects import Object

TriggerMode: TypeAlias = Literal["auto", "manual"]
PodReadiness: TypeAlias = Literal["wait", "ignore", "succeeded"]
DiscoveryStrategy: TypeAlias = Literal["default", "selectors-only"]

UNCATEGORIZED = "uncategorized"
"""The resource of all objects that no other resource claims (Tilt's name for it)."""


class PortForward(msgspec.Struct, frozen=True):
    """One local port; `container_port` 0 means the pod's first declared port, else the same."""

    local_port: int
    container_port: int = 0
    host: str = "localhost"
    name: str = ""
    path: str = ""


class Link(msgspec.Struct, frozen=True):
    """A URL shown with a resource."""

    url: str
    name: str = ""


class Command(msgspec.Struct, frozen=True):
    """A program with its arguments; `env` is added to the environment it runs in."""

    args: tuple[str, ...]
    directory: Path
    env: tuple[tuple[str, str], ...] = ()

    @property
    def assignments(self) -> list[str]:
        """`env` as `NAME=value`."""
        return [f"{name}={value}" for name, value in self.env]


class Attach(msgspec.Struct, frozen=True):
    """An object that others deployed; `namespace` "" is the one that kapp deploys to."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""


class LocalResource(msgspec.Struct, frozen=True):
    """Commands on this machine: one that runs to its end on a change, one that is kept running.

    Attributes:
        deps: absolute paths whose change runs it again.
        ignores: pairs of a directory and a `.dockerignore` pattern of what does not count.
        readiness_probe: as `spec.readinessProbe` of a Cmd, or None.
        location: `path:line` of the call.
    """

    name: str
    cmd: Command | None = None
    serve_cmd: Command | None = None
    deps: tuple[Path, ...] = ()
    ignores: tuple[tuple[Path, str], ...] = ()
    trigger_mode: TriggerMode = "auto"
    auto_init: bool = True
    resource_deps: tuple[str, ...] = ()
    allow_parallel: bool = False
    links: tuple[Link, ...] = ()
    labels: tuple[str, ...] = ()
    readiness_probe: Object | None = None
    location: str = ""


class KubernetesResource(msgspec.Struct, frozen=True):
    """A named group of objects that is applied, watched and forwarded as one.

    Attributes:
        objects: shared with the document cache: read them, never write them.
        yaml: canonical print of `objects`, in source order.
        apply_cmd: what applies objects instead of `yaml`, and prints them.
        delete_cmd: what deletes those.
        deps: absolute paths whose change runs `apply_cmd` again.
        attach: what is followed instead of applying anything.
        only_containers: those whose logs are followed; None for all but the ignored.
        ignore_containers: those whose logs are not; None for service meshes' sidecars.
        location: `path:line` of the call that declared the first object.
    """

    name: str
    objects: tuple[Object, ...]
    yaml: str
    port_forwards: tuple[PortForward, ...] = ()
    links: tuple[Link, ...] = ()
    labels: tuple[str, ...] = ()
    trigger_mode: TriggerMode = "auto"
    auto_init: bool = True
    resource_deps: tuple[str, ...] = ()
    extra_pod_selectors: tuple[dict[str, str], ...] = ()
    pod_readiness: PodReadiness = "wait"
    discovery_strategy: DiscoveryStrategy = "default"
    apply_cmd: Command | None = None
    delete_cmd: Command | None = None
    deps: tuple[Path, ...] = ()
    attach: Attach | None = None
    only_containers: tuple[str, ...] | None = None
    ignore_containers: tuple[str, ...] | None = None
    location: str = ""


DEFAULT_PARALLEL = 16
"""How many resources are updated at once. Tilt's 3 is for builds; an apply only waits."""


class Settings(msgspec.Struct, frozen=True):
    """What a Kappfile sets for the whole run; the defaults are Tilt's, but for the first number.

    Attributes:
        allowed_contexts: contexts that may be written to though they are no local clusters.
        watch_ignores: pairs of a directory and a `.dockerignore` pattern that starts there.
    """

    allowed_contexts: frozenset[str] = frozenset()
    max_parallel_updates: int = DEFAULT_PARALLEL
    upsert_timeout_s: float = 30.0
    ci_grace_period_s: float = 0.0
    ci_timeout_s: float = 1800.0
    ci_readiness_timeout_s: float = 300.0
    watch_ignores: tuple[tuple[Path, str], ...] = ()
    scrub_secrets: bool = True


class KappfileWarning(msgspec.Struct, frozen=True):
    """Something to mend that did not stop the evaluation; `location` is `path:line` or ""."""

    message: str
    location: str = ""

    def __str__(self) -> str:
        return f"{self.location}: {self.message}" if self.location else self.message


class Result(msgspec.Struct, frozen=True):
    """A successful evaluation.

    Attributes:
        resources: in order of declaration; `UNCATEGORIZED`, if there, is last.
        local_resources: in order of declaration.
        enabled: the resources that were asked for and all that they depend on; None for all.
        watched_paths: absolute paths whose change calls for a new evaluation: files (also missing
            ones) and directories; of a directory only its direct entries.
        watched_trees: absolute directories watched with everything below them.
        contents: digests of the files that were read (`kapp.kappfile.contents`).
        output: printed lines, in order, bounded.
        transient: whether an executed file is blank: an editor may be about to write it, so the
            engine reads again before it deletes what is no longer declared.
    """

    resources: tuple[KubernetesResource, ...] = ()
    local_resources: tuple[LocalResource, ...] = ()
    enabled: frozenset[str] | None = None
    watched_paths: tuple[Path, ...] = ()
    watched_trees: tuple[Path, ...] = ()
    contents: Mapping[Path, bytes] = msgspec.field(default_factory=dict)
    settings: Settings = msgspec.field(default_factory=Settings)
    warnings: tuple[KappfileWarning, ...] = ()
    output: tuple[str, ...] = ()
    transient: bool = False

    @property
    def names(self) -> list[str]:
        """Of all resources, those of this machine first."""
        return [*(one.name for one in self.local_resources), *(one.name for one in self.resources)]

    @property
    def watch_ignores(self) -> tuple[tuple[Path, str], ...]:
        """Directories, and patterns of what in them does not count as changed."""
        return self.settings.watch_ignores
