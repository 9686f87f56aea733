"""Defaults of pods and pod templates.

Source: pkg/apis/core/v1/defaults.go and zz_generated.defaults.go of Kubernetes 1.36, and the
admission plugins ServiceAccount, DefaultTolerationSeconds, Priority and (for the quality-of-service
class) pkg/apis/core/helper/qos. Pod templates get `pod_spec`; pods get `pod` on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kapp.machinery.objects import Object
from kapp.minicluster.quantities import equal_quantities

GRACE_PERIOD_S = 30
"""`DefaultTerminationGracePeriodSeconds`."""

_FILE_MODE = 0o644
"""`ConfigMapVolumeSourceDefaultMode` and its like, written in decimal in JSON."""

_TOKEN_EXPIRATION_S = 3600

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

_TOLERATION_SECONDS = 300
"""How long a pod stays on a node that is not ready, by DefaultTolerationSeconds."""


def pod(obj: Object) -> None:
    """Fill in a Pod: its spec, and what only whole pods get."""
    spec = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return
    pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    _tolerations(spec)
    for container in _containers(spec):
        _requests_from_limits(container)
    status = obj.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", quality_of_service(spec))


def pod_spec(spec: dict[str, Any]) -> None:
    """Fill in a pod spec, of a pod or of a template."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", GRACE_PERIOD_S)
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    if spec.get(
        "serviceAccountName"
    ):  # the deprecated name follows (pkg/apis/core/v1/conversion.go)
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for container in _containers(spec):
        _container(container, host_network=bool(spec.get("hostNetwork")))
    for volume in spec.get("volumes") or ():
        _volume(volume)


def _containers(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            if isinstance(container, dict):
                yield container


def _container(container: dict[str, Any], *, host_network: bool) -> None:
    image = container.get("image")
    if isinstance(image, str) and not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(image)
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if container.get("resources") is None:
        container["resources"] = {}
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if host_network and "containerPort" in port:
            port.setdefault("hostPort", port["containerPort"])
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if source.get("fieldRef"):
            source["fieldRef"].setdefault("apiVersion", "v1")
        if source.get("resourceFieldRef"):
            source["resourceFieldRef"].setdefault("divisor", "0")
    for field in _PROBES:
        if probe := container.get(field):
            _probe(probe)
    lifecycle = container.get("lifecycle") or {}
    for field in ("postStart", "preStop"):
        _http_get((lifecycle.get(field) or {}).get("httpGet"))


def pull_policy(image: str) -> str:
    """Always for `latest` or no tag, else IfNotPresent. `image` may have a digest."""
    name, _, digest = image.partition("@")
    if digest:
        return "IfNotPresent"
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _probe(probe: dict[str, Any]) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _http_get(probe.get("httpGet"))
    if probe.get("grpc"):
        probe["grpc"].setdefault("service", "")


def _http_get(action: dict[str, Any] | None) -> None:
    if action:
        action.setdefault("path", "/")
        action.setdefault("scheme", "HTTP")


def _volume(volume: dict[str, Any]) -> None:
    if not any(field != "name" for field in volume):
        volume["emptyDir"] = {}
    for field in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(source := volume.get(field), dict):
            source.setdefault("defaultMode", _FILE_MODE)
    if isinstance(path := volume.get("hostPath"), dict):
        path.setdefault("type", "")
    _downward_items(volume.get("downwardAPI"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        _downward_items(source.get("downwardAPI"))
        if token := source.get("serviceAccountToken"):
            token.setdefault("expirationSeconds", _TOKEN_EXPIRATION_S)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}
    if claim.get("spec"):
        claim["spec"].setdefault("volumeMode", "Filesystem")


def _downward_items(source: dict[str, Any] | None) -> None:
    for item in (source or {}).get("items") or ():
        if item.get("fieldRef"):
            item["fieldRef"].setdefault("apiVersion", "v1")


def _tolerations(spec: dict[str, Any]) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(
            t.get("key", "") in ("", key) and t.get("effect", "") in ("", "NoExecute")
            for t in tolerations
        ):
            tolerations.append(
                {
                    "effect": "NoExecute",
                    "key": key,
                    "operator": "Exists",
                    "tolerationSeconds": _TOLERATION_SECONDS,
                }
            )


def _requests_from_limits(container: dict[str, Any]) -> None:
    resources = container.get("resources") or {}
    for name, amount in (resources.get("limits") or {}).items():
        resources.setdefault("requests", {}).setdefault(name, amount)


def quality_of_service(spec: dict[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort. Source: pkg/apis/core/v1/helper/qos/qos.go."""
    guaranteed, any_set = True, False
    for container in _containers(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            any_set |= name in requests or name in limits
            if name not in limits or not equal_quantities(
                requests.get(name, limits[name]), limits[name]
            ):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
