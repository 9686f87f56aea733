"""Questions about a pod's spec that have one answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from kapp.machinery.objects import Object, metadata_of

_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20),
    "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_DEFAULT_GRACE_PERIOD_S = 30


def containers(pod: Object) -> list[dict[str, Any]]:
    """The app containers."""
    return list(pod["spec"].get("containers") or ())


def init_containers(pod: Object) -> list[dict[str, Any]]:
    """The init containers, sidecars included."""
    return list(pod["spec"].get("initContainers") or ())


def all_containers(pod: Object) -> Iterator[dict[str, Any]]:
    """Init containers, then app containers."""
    yield from init_containers(pod)
    yield from containers(pod)


def is_sidecar(container: dict[str, Any]) -> bool:
    """An init container that keeps running (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def restart_policy(pod: Object) -> str:
    """Always, OnFailure or Never."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def grace_period_s(pod: Object) -> int:
    """Seconds between SIGTERM and SIGKILL: the deletion's, else the spec's."""
    for value in (
        metadata_of(pod).get("deletionGracePeriodSeconds"),
        pod["spec"].get("terminationGracePeriodSeconds"),
    ):
        if value is not None:
            return int(value)
    return _DEFAULT_GRACE_PERIOD_S


def quantity(text: object) -> Decimal:
    """The number that a resource quantity means. Raises ValueError."""
    written = str(text)
    number = written.rstrip("numkKMGTPEi")
    if written[len(number) :] not in _SUFFIXES:
        number = written  # 1e3, 1E3
    try:
        return Decimal(number) * _SUFFIXES[written[len(number) :]]
    except ArithmeticError as error:
        raise ValueError(f"{written!r} is not a quantity") from error


def qos_class(pod: Object) -> str:
    """Source: k8s.io/kubernetes/pkg/apis/core/v1/helper/qos/qos.go."""
    guaranteed, any_set = True, False
    for container in all_containers(pod):
        resources = container.get("resources") or {}
        limits = resources.get("limits") or {}
        requests = resources.get("requests") or limits
        any_set = any_set or any(kind in requests or kind in limits for kind in ("cpu", "memory"))
        for kind in ("cpu", "memory"):
            if kind not in limits or quantity(requests.get(kind, limits[kind])) != quantity(
                limits[kind]
            ):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def host_name(pod: Object) -> str:
    """What the pod's processes see as their host's name; at most 63 characters."""
    return str(pod["spec"].get("hostname") or metadata_of(pod).get("name") or "pod")[:63].rstrip(
        "-."
    )


def container_port(container: dict[str, Any], port: object) -> int:
    """A port given by number or by the name of one of the container's ports. Raises ValueError."""
    if isinstance(port, int):
        return port
    for entry in container.get("ports") or ():
        if entry.get("name") == port:
            return int(entry["containerPort"])
    text = str(port)
    if text.isdigit():
        return int(text)
    raise ValueError(f'the container has no port named "{text}"')
