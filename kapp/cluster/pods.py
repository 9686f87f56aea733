"""What kapp shows of pods, and whose they are (pure).

`summarize` makes an entry of `KubernetesDiscovery.status.pods`; the field names are Tilt's. Owners
beyond the pod's own references are looked up by `kapp.cluster.owners`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kapp.cluster.prepare import TEMPLATE_HASH_LABEL
from kapp.cluster.readiness import pod_errors, pod_is_ready
from kapp.machinery.objects import (
    Object,
    is_deleting,
    key_of,
    labels_of,
    metadata_of,
    uid_of,
)


def summarize(
    pod: Object, *, ancestor_uid: str = "", owner: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One entry of `status.pods`.

    `ancestor_uid` is the applied UID that the pod belongs to, `owner` the object that controls it
    (name, apiVersion, kind, creationTimestamp).
    """
    status = pod.get("status") or {}
    namespace, name = key_of(pod)
    entry: dict[str, Any] = {
        "uid": uid_of(pod),
        "name": name,
        "namespace": namespace,
        "createdAt": metadata_of(pod).get("creationTimestamp"),
        "phase": status.get("phase") or "Unknown",
        "deleting": is_deleting(pod),
        "ready": pod_is_ready(pod),
        "conditions": list(status.get("conditions") or ()),
        "initContainers": _containers(pod, "initContainers", "initContainerStatuses"),
        "containers": _containers(pod, "containers", "containerStatuses"),
        "status": status_text(pod),
        "errors": [f"{error.reason}: {error.message}" for error in pod_errors(pod)],
    }
    if ancestor_uid:
        entry["ancestorUID"] = ancestor_uid
    if template := labels_of(pod).get(TEMPLATE_HASH_LABEL):
        entry["podTemplateSpecHash"] = template
    if owner is not None:
        keys = ("name", "apiVersion", "kind", "creationTimestamp")
        entry["owner"] = {key: owner[key] for key in keys if owner.get(key)}
    return entry


def status_text(pod: Object) -> str:
    """The STATUS column of `kubectl get pods`.

    Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go, printPod.
    """
    status = pod.get("status") or {}
    text = str(status.get("reason") or status.get("phase") or "Unknown")
    initializing = _init_text(pod)
    if initializing:
        text = initializing
    else:
        text = _container_text(status, text)
    if is_deleting(pod):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return text


def is_current(entry: Mapping[str, Any], hashes: Collection[str]) -> bool:
    """Whether a summarised pod was made from one of the templates applied last.

    Pods without the label (custom kinds that make pods in their own way) always are.
    """
    template = entry.get("podTemplateSpecHash")
    return not template or not hashes or template in hashes


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a `metav1.LabelSelector` (matchLabels, matchExpressions) selects these labels.

    An empty selector selects nothing: in `extraSelectors` it would claim every pod there is.
    """
    exact = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    if not exact and not expressions:
        return False
    return all(labels.get(key) == value for key, value in exact.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def matches_any(selectors: Iterable[Mapping[str, Any]], pod: Object) -> bool:
    """Whether one of `extraSelectors` selects the pod."""
    return any(matches(selector, labels_of(pod)) for selector in selectors)


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    operator = expression.get("operator")
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key in labels) == (operator == "Exists")


def _containers(pod: Object, spec_key: str, status_key: str) -> list[dict[str, Any]]:
    specs: Sequence[Mapping[str, Any]] = (pod.get("spec") or {}).get(spec_key) or ()
    statuses = {s.get("name"): s for s in (pod.get("status") or {}).get(status_key) or ()}
    return [_container(spec, statuses.get(spec.get("name")) or {}) for spec in specs]


def _container(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, Any]:
    # The `containerd://` in front says which runtime made it, not which container it is.
    container_id = str(status.get("containerID") or "").rpartition("://")[2]
    ports = [int(port["containerPort"]) for port in spec.get("ports") or ()]
    return {
        "name": str(spec.get("name") or ""),
        "id": container_id,
        "ready": bool(status.get("ready")),
        "image": str(status.get("image") or spec.get("image") or ""),
        "restarts": int(status.get("restartCount") or 0),
        "state": _container_state(status.get("state") or {}),
        "ports": ports,
    }


def _container_state(state: Mapping[str, Any]) -> dict[str, Any]:
    if "running" in state:
        return {"running": {"startedAt": (state["running"] or {}).get("startedAt")}}
    if "terminated" in state:
        ended = state["terminated"] or {}
        keys = ("startedAt", "finishedAt", "reason", "exitCode")
        return {"terminated": {key: ended[key] for key in keys if ended.get(key) is not None}}
    return {"waiting": {"reason": str((state.get("waiting") or {}).get("reason") or "")}}


def _init_text(pod: Object) -> str:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    specs = {s.get("name"): s for s in (pod.get("spec") or {}).get("initContainers") or ()}
    for number, container in enumerate(statuses):
        state = container.get("state") or {}
        ended, waiting = state.get("terminated"), state.get("waiting") or {}
        sidecar = (specs.get(container.get("name")) or {}).get("restartPolicy") == "Always"
        if (ended is not None and not ended.get("exitCode")) or (
            sidecar and container.get("started")
        ):
            continue
        if ended is not None:
            return f"Init:{_ended_text(ended)}"
        reason = waiting.get("reason")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{number}/{len(specs)}"
    return ""


def _container_text(status: Mapping[str, Any], text: str) -> str:
    running_ready = False
    for container in reversed(status.get("containerStatuses") or ()):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        if waiting.get("reason"):
            text = str(waiting["reason"])
        elif ended is not None:
            text = _ended_text(ended)
        elif "running" in state and container.get("ready"):
            running_ready = True
    if text == "Completed" and running_ready:
        ready = any(
            c.get("type") == "Ready" and c.get("status") == "True"
            for c in status.get("conditions") or ()
        )
        return "Running" if ready else "NotReady"
    return text


def _ended_text(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"
