"""What an evaluated Kappfile wants to exist in kapp's API. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kapp.api.typed import owned_by
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import FileWatch, FileWatchSpec, IgnoreDef
from kapp.api.v1alpha1.kappfile import Kappfile
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply, KubernetesApplySpec, Link
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscoveryTemplateSpec
from kapp.api.v1alpha1.meta import (
    RESOURCE_ANNOTATION,
    ConfigMapDisableSource,
    DisableSource,
    LabelSelector,
    ObjectMeta,
)
from kapp.api.v1alpha1.portforward import Forward, PortForwardTemplateSpec
from kapp.api.v1alpha1.uiresource import UIResource, UIResourceSpec
from kapp.kappfile.model import KubernetesResource, Settings

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
            timeout=f"{settings.upsert_timeout_s:g}s",
            kubernetes_discovery_template_spec=_discovery_template(resource),
            port_forward_template_spec=_forward_template(resource) if forwards else None,
            discovery_strategy="selectors-only"
            if resource.discovery_strategy == "selectors-only"
            else "",
            disable_source=DisableSource(
                config_map=ConfigMapDisableSource(
                    name=disable_name(resource.name), key=DISABLED_KEY
                )
            ),
            trigger_mode="manual" if resource.trigger_mode == "manual" else "",
            auto_init=resource.auto_init,
            resource_deps=list(resource.resource_deps),
            pod_readiness="" if resource.pod_readiness == "wait" else resource.pod_readiness,
            links=[Link(url=link.url, name=link.name) for link in resource.links],
        ),
    )


def ui_of(owner: Kappfile, resource: KubernetesResource, order: int) -> UIResource:
    """The UIResource of a resource; `order` is its place in the Kappfile, from 1."""
    return UIResource(
        metadata=_meta(owner, resource.name, resource.name, resource.labels),
        spec=UIResourceSpec(order=order),
    )


def own_ui(owner: Kappfile) -> UIResource:
    """The UIResource of the Kappfile itself: its errors are shown like any resource's."""
    name = owner.metadata.name
    return UIResource(metadata=_meta(owner, name, name, ()), spec=UIResourceSpec(order=0))


def disabling_of(owner: Kappfile, resource: KubernetesResource, *, disabled: bool) -> ConfigMap:
    """Made once; from then on it is the user's."""
    return ConfigMap(
        metadata=_meta(owner, disable_name(resource.name), resource.name, ()),
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
