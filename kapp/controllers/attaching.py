"""Resources that kapp did not deploy: looked up, followed and forwarded, never written.

A KubernetesApply with `spec.attach` names an object of the cluster. It is read instead of applied;
its pods are found by their owner, or by a Service's selector. Used by
`kapp.controllers.kubernetesapply`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from kapp.api.v1alpha1.kubernetesapply import KubernetesAttach
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesWatchRef, Pod
from kapp.api.v1alpha1.meta import LabelSelector
from kapp.api.v1alpha1.portforward import Forward, PortForwardTemplateSpec
from kapp.controllers.applystatus import current_pods
from kapp.controllers.connections import ClusterHandle
from kapp.controllers.problems import Problem
from kapp.errors import ClusterError
from kapp.machinery.objects import GroupVersionKind, Object, display_name, gvk_of, key_of, uid_of
from kapp.machinery.status import ApiError

_FORBIDDEN = 403
_NOT_FOUND = 404


class NotThere(ClusterError):
    """There is no such object now; it may come (back)."""


async def look_up(attach: KubernetesAttach, handle: ClusterHandle) -> list[Object]:
    """The object that `attach` names, alone in a list.

    Raises NotThere, ClusterError where it may not be read, NoSuchKind, Unreachable.
    """
    group, _, version = attach.api_version.rpartition("/")
    gvk = GroupVersionKind(group, version, attach.kind)
    resource = await handle.mapping.resource_for(gvk)
    namespace = (attach.namespace or handle.connection.namespace) if resource.namespaced else ""
    try:
        return [await handle.connection.client.get(resource, attach.name, namespace)]
    except ApiError as error:
        where = f"{attach.kind}/{attach.name}"
        where += f" in namespace {namespace}" if namespace else ""
        if error.code == _NOT_FOUND:
            raise NotThere(
                f"there is no {where}", hint="kapp looks again until there is"
            ) from error
        if error.code == _FORBIDDEN:
            raise ClusterError(
                f"this account may not read {where}",
                hint=f"it needs the verbs get, list and watch on {resource.plural}",
            ) from error
        raise


def selectors_of(objects: Iterable[Object]) -> list[LabelSelector]:
    """The pods that Services among the attached objects send to."""
    return [
        LabelSelector(match_labels=dict(selector))
        for obj in objects
        if _is_service(obj) and (selector := _spec(obj).get("selector"))
    ]


def watches_of(objects: Iterable[Object]) -> list[KubernetesWatchRef]:
    """Where the pods of attached objects are looked for, and by which owner if by any."""
    found = []
    for obj in objects:
        namespace, name = key_of(obj)
        uid = "" if _is_service(obj) else uid_of(obj)
        if namespace:
            found.append(KubernetesWatchRef(uid=uid, namespace=namespace, name=name))
    return found


def forwards_to(
    template: PortForwardTemplateSpec | None, objects: Sequence[Object]
) -> PortForwardTemplateSpec | None:
    """Forwards to a Service's ports, as forwards to the ports of its pods.

    As `kubectl port-forward service/…` does: a port of the Service stands for its targetPort, one
    that is none of its ports for itself; 0 is the port equal to localPort, else the first.
    """
    ports = [port for obj in objects if _is_service(obj) for port in _spec(obj).get("ports") or ()]
    if template is None or not ports:
        return template
    return PortForwardTemplateSpec(forwards=[_through(ports, one) for one in template.forwards])


def _through(ports: Sequence[Object], forward: Forward) -> Forward:
    asked = forward.container_port
    found = next((one for one in ports if one.get("port") == (asked or forward.local_port)), None)
    if found is None and not asked:
        found = ports[0]
    target = (found.get("targetPort") or found.get("port")) if found is not None else None
    # What a name means, each pod says for itself: kapp then takes the port that pods declare.
    number = target if isinstance(target, int) else 0
    return forward if found is None else msgspec.structs.replace(forward, container_port=number)


def problem_of(objects: Iterable[Object], pods: Sequence[Pod]) -> Problem | None:
    """What keeps an attached Service from answering, but for what its pods say themselves."""
    for obj in objects:
        if not _is_service(obj):
            continue
        if not _spec(obj).get("selector"):
            message = f"{display_name(obj)} selects no pods: attach to what runs them"
            return Problem(True, "NoSelector", message)
        if not any(pod.ready for pod in current_pods(pods)):
            return Problem(False, "NoReadyPod", f"{display_name(obj)} has no ready pod")
    return None


def _is_service(obj: Object) -> bool:
    gvk = gvk_of(obj)
    return (gvk.group, gvk.kind) == ("", "Service")


def _spec(obj: Object) -> Object:
    spec = obj.get("spec")
    return spec if isinstance(spec, dict) else {}
