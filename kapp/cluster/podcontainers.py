"""Which of a pod's containers are followed, and when one has printed its last (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from kapp.machinery.objects import Object

SIDECARS: Final = ("istio-init", "istio-proxy", "linkerd-init", "linkerd-proxy")
"""What service meshes put into pods; not followed unless somebody says what is to be."""


def followed(pod: Object, *, only: Collection[str], ignore: Collection[str]) -> list[str]:
    """Names of the containers to follow, those that initialize first.

    `only`, if there is any, wins over `ignore`.
    """
    names = [str(one.get("name")) for _, one in _containers(pod)]
    if only:
        return [name for name in names if name in only]
    return [name for name in names if name not in ignore]


def has_ended_for_good(pod: Object, name: str) -> bool:
    """Whether a container has terminated and will not be started again.

    By its own restartPolicy, if it has one, else by the pod's; rules (`restartPolicyRules`) may
    start it again whatever its code was, so only the pod's end counts for it.
    """
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return True
    ended = (_status(pod, name).get("state") or {}).get("terminated")
    kind, spec = next((found for found in _containers(pod) if found[1].get("name") == name), _NONE)
    if ended is None or spec.get("restartPolicyRules"):
        return False
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    if spec.get("restartPolicy"):
        policy = spec["restartPolicy"]
    elif kind == "initContainers" and policy == "Always":
        policy = "OnFailure"
    return policy == "Never" or (policy == "OnFailure" and not ended.get("exitCode"))


def restarts_of(pod: Object, name: str) -> int:
    """How often a container was started again."""
    return int(_status(pod, name).get("restartCount") or 0)


_NONE: tuple[str, Mapping[str, Any]] = ("", {})


def _containers(pod: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    spec = pod.get("spec") or {}
    for kind in ("initContainers", "containers"):
        for one in spec.get(kind) or ():
            yield kind, one


def _status(pod: Object, name: str) -> Mapping[str, Any]:
    """A container's entry in the pod's status, {} if there is none yet."""
    status = pod.get("status") or {}
    parts = ("initContainerStatuses", "containerStatuses")
    entries = (one for part in parts for one in status.get(part) or ())
    return next((one for one in entries if one.get("name") == name), {})
