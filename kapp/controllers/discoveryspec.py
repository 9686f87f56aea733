"""Which pods a KubernetesApply's KubernetesDiscovery is to look for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kapp.api.typed import owned_by
from kapp.api.v1alpha1.kubernetesapply import KubernetesApply
from kapp.api.v1alpha1.kubernetesdiscovery import (
    KubernetesDiscovery,
    KubernetesDiscoverySpec,
    KubernetesWatchRef,
)
from kapp.api.v1alpha1.meta import RESOURCE_ANNOTATION, ObjectMeta
from kapp.cluster.prepare import template_hashes
from kapp.controllers.applyinput import applied_object, may_own_pods
from kapp.controllers.attaching import forwards_to, selectors_of, watches_of
from kapp.machinery.objects import Object


def discovery_of(apply: KubernetesApply, objects: Sequence[Object]) -> KubernetesDiscovery:
    """The KubernetesDiscovery of `objects`: what was applied, or is attached to."""
    spec, template = apply.spec, apply.spec.kubernetes_discovery_template_spec
    selectors = list(template.extra_selectors) if template is not None else []
    forwards = spec.port_forward_template_spec
    if spec.attach is not None:
        watches = watches_of(objects)
        selectors += selectors_of(objects)
        forwards = forwards_to(forwards, objects)
    else:
        watches = _watches(apply, objects, by_selectors=bool(selectors))
    return KubernetesDiscovery(
        metadata=ObjectMeta(
            name=apply.name,
            labels=apply.metadata.labels,
            annotations={RESOURCE_ANNOTATION: apply.name},
            owner_references=owned_by(apply),
        ),
        spec=KubernetesDiscoverySpec(
            watches=watches,
            extra_selectors=selectors,
            template_hashes=sorted(template_hashes(objects)),
            port_forward_template_spec=forwards,
            pod_log_stream_template_spec=spec.pod_log_stream_template_spec,
            cluster=spec.cluster,
        ),
    )


def _watches(
    apply: KubernetesApply, objects: Sequence[Object], *, by_selectors: bool
) -> list[KubernetesWatchRef]:
    owners = [] if apply.spec.discovery_strategy == "selectors-only" else objects
    refs = [applied_object(obj) for obj in owners if may_own_pods(obj)]
    # What is in no namespace does not say where its pods would be: extraSelectors do.
    watches = [
        KubernetesWatchRef(uid=r.uid, namespace=r.namespace, name=r.name)
        for r in refs
        if r.namespace
    ]
    if by_selectors:
        spaces = {one.namespace for one in apply.status.objects if one.namespace}
        spaces -= {watch.namespace for watch in watches}
        watches += [KubernetesWatchRef(namespace=space) for space in sorted(spaces)]
    return watches
