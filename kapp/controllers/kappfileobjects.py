"""What an evaluated Kappfile wants to exist in kapp's API. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from kapp.api.typed import owned_by
from kapp.api.v1alpha1.cmd import Cmd, CmdSpec
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import FileWatch, FileWatchSpec, IgnoreDef
from kapp.api.v1alpha1.kappfile import Kappfile
from kapp.api.v1alpha1.kubernetesapply import (
    KubernetesApply,
    KubernetesApplyCmd,
    KubernetesApplySpec,
    KubernetesAttach,
    Link,
)
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscoveryTemplateSpec
from kapp.api.v1alpha1.meta import (
    RESOURCE_ANNOTATION,
    ConfigMapDisableSource,
    DisableSource,
    LabelSelector,
    ObjectMeta,
    RestartOn,
)
from kapp.api.v1alpha1.podlogstream import PodLogStreamTemplateSpec
from kapp.api.v1alpha1.portforward import Forward, PortForwardTemplateSpec
from kapp.api.v1alpha1.probe import Probe
from kapp.api.v1alpha1.session import SessionCISpec
from kapp.api.v1alpha1.uiresource import UIResource, UIResourceLink, UIResourceSpec
from kapp.kappfile.model import Attach, Command, KubernetesResource, LocalResource, Settings

DISABLED_KEY = "isDisabled"
"""The key of a resource's disable ConfigMap that says "true" or "false"."""


def disable_name(resource: str) -> str:
    """The ConfigMap that says whether a resource is disabled (Tilt's name for it)."""
    return f"{resource}-disable"


def apply_of(
    owner: Kappfile, resource: KubernetesResource, settings: Settings, *, forwards: bool
) -> KubernetesApply:
    """The KubernetesApply of a resource; `forwards` False leaves its port forwards out."""
    return KubernetesApply(
        metadata=_meta(owner, resource.name, resource.name, resource.labels),
        spec=KubernetesApplySpec(
            yaml=resource.yaml,
            apply_cmd=_apply_cmd(resource.apply_cmd),
            delete_cmd=_apply_cmd(resource.delete_cmd),
            attach=_attach(resource.attach),
            restart_on=_restart_on(resource),
            timeout=f"{settings.upsert_timeout_s:g}s",
            kubernetes_discovery_template_spec=_discovery_template(resource),
            port_forward_template_spec=_forward_template(resource) if forwards else None,
            pod_log_stream_template_spec=_log_template(resource),
            discovery_strategy="selectors-only"
            if resource.discovery_strategy == "selectors-only"
            else "",
            disable_source=_disable_source(resource.name),
            trigger_mode="manual" if resource.trigger_mode == "manual" else "",
            auto_init=resource.auto_init,
            resource_deps=list(resource.resource_deps),
            pod_readiness="" if resource.pod_readiness == "wait" else resource.pod_readiness,
            links=[Link(url=link.url, name=link.name) for link in resource.links],
        ),
    )


def _log_template(resource: KubernetesResource) -> PodLogStreamTemplateSpec | None:
    only, ignore = resource.only_containers, resource.ignore_containers
    if only is None and ignore is None:
        return None
    return PodLogStreamTemplateSpec(
        only_containers=list(only or ()), ignore_containers=list(ignore or ())
    )


def _apply_cmd(command: Command | None) -> KubernetesApplyCmd | None:
    if command is None:
        return None
    return KubernetesApplyCmd(
        args=list(command.args), dir=str(command.directory), env=command.assignments
    )


def _attach(attach: Attach | None) -> KubernetesAttach | None:
    if attach is None:
        return None
    return KubernetesAttach(
        api_version=attach.api_version,
        kind=attach.kind,
        name=attach.name,
        namespace=attach.namespace,
    )


def _restart_on(resource: LocalResource | KubernetesResource) -> RestartOn | None:
    return RestartOn(file_watches=[resource.name]) if resource.deps else None


def cmds_of(owner: Kappfile, resource: LocalResource) -> list[Cmd]:
    """The Cmds of a resource: the job has its name; so has the server, if there is no job."""
    cmds = []
    if resource.cmd is not None:
        cmds.append(_cmd(owner, resource, resource.name, _spec(resource, resource.cmd)))
    if resource.serve_cmd is not None:
        spec = _spec(resource, resource.serve_cmd)
        spec.keep_running, spec.allow_parallel = True, True
        if resource.readiness_probe is not None:
            spec.readiness_probe = msgspec.convert(resource.readiness_probe, Probe)
        name = resource.name
        if resource.cmd is not None:
            name, spec.run_after = serve_name(name), name
            # All that its job decides.
            spec.restart_on, spec.resource_deps = None, []
            spec.trigger_mode, spec.auto_init = "", True
        cmds.append(_cmd(owner, resource, name, spec))
    return cmds


def serve_name(resource: str) -> str:
    """The Cmd that serves, of a resource that has a job as well."""
    return f"{resource}:serve"


def _cmd(owner: Kappfile, resource: LocalResource, name: str, spec: CmdSpec) -> Cmd:
    return Cmd(metadata=_meta(owner, name, resource.name, resource.labels), spec=spec)


def _spec(resource: LocalResource, command: Command) -> CmdSpec:
    return CmdSpec(
        args=list(command.args),
        dir=str(command.directory),
        env=command.assignments,
        restart_on=_restart_on(resource),
        disable_source=_disable_source(resource.name),
        trigger_mode="manual" if resource.trigger_mode == "manual" else "",
        auto_init=resource.auto_init,
        resource_deps=list(resource.resource_deps),
        allow_parallel=resource.allow_parallel,
    )


def deps_of(
    owner: Kappfile, resource: LocalResource | KubernetesResource, settings: Settings
) -> FileWatch | None:
    """The FileWatch of what a resource runs again for; None if that is nothing."""
    if not resource.deps:
        return None
    ignores = resource.ignores if isinstance(resource, LocalResource) else ()
    return FileWatch(
        metadata=_meta(owner, resource.name, resource.name, resource.labels),
        spec=FileWatchSpec(
            watched_paths=sorted(map(str, resource.deps)),
            ignores=ignores_of([*ignores, *settings.watch_ignores]),
            disable_source=_disable_source(resource.name),
        ),
    )


def _disable_source(resource: str) -> DisableSource:
    return DisableSource(
        config_map=ConfigMapDisableSource(name=disable_name(resource), key=DISABLED_KEY)
    )


def ci_of(settings: Settings) -> SessionCISpec:
    """What `ci_settings` says, given or not."""
    return SessionCISpec(
        k8s_grace_period=f"{settings.ci_grace_period_s:g}s",
        timeout=f"{settings.ci_timeout_s:g}s",
        readiness_timeout=f"{settings.ci_readiness_timeout_s:g}s",
    )


def ui_of(owner: Kappfile, resource: KubernetesResource | LocalResource, order: int) -> UIResource:
    """The UIResource of a resource; `order` is its place in the Kappfile, from 1."""
    links = resource.links if isinstance(resource, LocalResource) else ()
    return UIResource(
        metadata=_meta(owner, resource.name, resource.name, resource.labels),
        spec=UIResourceSpec(
            order=order, links=[UIResourceLink(url=link.url, name=link.name) for link in links]
        ),
    )


def own_ui(owner: Kappfile) -> UIResource:
    """The UIResource of the Kappfile itself: its errors are shown like any resource's."""
    name = owner.metadata.name
    return UIResource(metadata=_meta(owner, name, name, ()), spec=UIResourceSpec(order=0))


def disabling_of(owner: Kappfile, resource: str, *, disabled: bool) -> ConfigMap:
    """Made once; from then on it is the user's."""
    return ConfigMap(
        metadata=_meta(owner, disable_name(resource), resource, ()),
        data={DISABLED_KEY: "true" if disabled else "false"},
    )


def ignores_of(rules: Iterable[tuple[Path, str]]) -> list[IgnoreDef]:
    """What `watch_settings` says, the patterns of one directory together and in order."""
    patterns: dict[Path, list[str]] = {}
    for directory, pattern in rules:
        patterns.setdefault(directory, []).append(pattern)
    return [IgnoreDef(base_path=str(base), patterns=found) for base, found in patterns.items()]


def watch_of(
    owner: Kappfile, paths: Iterable[Path], trees: Iterable[Path], ignores: list[IgnoreDef]
) -> FileWatch:
    """The FileWatch of what an evaluation depended on."""
    files: set[str] = set()
    directories: set[str] = set()
    for path in paths:
        (directories if os.path.isdir(path) else files).add(str(path))
    return FileWatch(
        metadata=_meta(owner, owner.metadata.name, owner.metadata.name, ()),
        spec=FileWatchSpec(
            watched_paths=sorted({owner.spec.path, *files, *map(str, trees)}),
            listed_directories=sorted(directories),
            ignores=ignores,
        ),
    )


def _meta(owner: Kappfile, name: str, resource: str, labels: Iterable[str]) -> ObjectMeta:
    return ObjectMeta(
        name=name,
        labels={label: label for label in labels},
        annotations={RESOURCE_ANNOTATION: resource},
        owner_references=owned_by(owner),
    )


def _forward_template(resource: KubernetesResource) -> PortForwardTemplateSpec | None:
    if not resource.port_forwards:
        return None
    return PortForwardTemplateSpec(
        forwards=[
            Forward(
                local_port=forward.local_port,
                container_port=forward.container_port,
                host=forward.host,
                name=forward.name,
                path=forward.path,
            )
            for forward in resource.port_forwards
        ]
    )


def _discovery_template(resource: KubernetesResource) -> KubernetesDiscoveryTemplateSpec | None:
    if not resource.extra_pod_selectors:
        return None
    return KubernetesDiscoveryTemplateSpec(
        extra_selectors=[
            LabelSelector(match_labels=dict(labels)) for labels in resource.extra_pod_selectors
        ]
    )
