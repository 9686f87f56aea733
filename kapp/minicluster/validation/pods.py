"""Validation of pods and pod templates. Source: pkg/apis/core/validation/validation.go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from kapp.machinery.objects import Object
from kapp.machinery.status import Cause
from kapp.minicluster.quantities import parse_quantity
from kapp.minicluster.validation.fields import Errors, each

_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBE_NUMBERS = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)

POD_UPDATE_FORBIDDEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)
"""The real server appends a diff of its internal structures, which would say nothing here."""


def pod(new: Object, old: Object | None) -> list[Cause]:
    """What is wrong with a Pod."""
    errors = Errors()
    spec = new.get("spec") or {}
    if old is None:
        pod_spec(errors, "spec", spec)
    elif _frozen(spec) != _frozen(old.get("spec") or {}) or _moved(spec, old["spec"]):
        errors.forbidden("spec", POD_UPDATE_FORBIDDEN)
    else:
        each(errors, "spec.containers", spec.get("containers"), _image)
        each(errors, "spec.initContainers", spec.get("initContainers"), _image)
    return errors.causes


def _frozen(spec: dict[str, Any]) -> dict[str, Any]:
    """The part of a pod's spec that must stay as it is, but for its node."""
    rest = deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeName"):
        rest.pop(field, None)
    if rest.get("terminationGracePeriodSeconds") == 1:
        rest.pop("terminationGracePeriodSeconds")
    for field in ("containers", "initContainers"):
        for container in rest.get(field) or ():
            container.pop("image", None)
    return rest


def _moved(spec: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a pod that has a node would get another: the scheduler names it once."""
    return bool(old.get("nodeName")) and spec.get("nodeName") != old["nodeName"]


def pod_spec(errors: Errors, path: str, spec: dict[str, Any], claims: Iterable[str] = ()) -> None:
    """What is wrong with a pod spec at `path`, of a pod or of a template.

    `claims` are volumes that the pod gets from elsewhere.
    """
    if not spec.get("containers"):
        errors.required(f"{path}.containers")
    volumes = _volumes(errors, f"{path}.volumes", spec.get("volumes")) | set(claims)
    names: set[str] = set()
    check = _container_check(names, volumes)
    each(errors, f"{path}.containers", spec.get("containers"), check)
    each(errors, f"{path}.initContainers", spec.get("initContainers"), check)
    each(errors, f"{path}.initContainers", spec.get("initContainers"), _init_container)
    errors.choice(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    errors.choice(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    errors.not_negative(
        f"{path}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds")
    )
    deadline = spec.get("activeDeadlineSeconds")
    if isinstance(deadline, int) and deadline < 1:
        errors.invalid(
            f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"
        )
    errors.labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    if hostname := spec.get("hostname"):
        errors.dns_label(f"{path}.hostname", hostname)
    if name := spec.get("serviceAccountName"):
        errors.dns_subdomain(f"{path}.serviceAccountName", name)
    _host_ports(errors, f"{path}.containers", spec.get("containers"))


def _volumes(errors: Errors, path: str, volumes: Any) -> set[str]:
    names: set[str] = set()

    def check(errors: Errors, path: str, volume: dict[str, Any]) -> None:
        name = volume.get("name") or ""
        if not name:
            errors.required(f"{path}.name")
        elif name in names:
            errors.duplicate(f"{path}.name", name)
        else:
            errors.dns_label(f"{path}.name", name)
        names.add(name)
        sources = [field for field in volume if field != "name"]
        for extra in sources[1:]:
            errors.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
        if "secret" in volume and not (volume["secret"] or {}).get("secretName"):
            errors.required(f"{path}.secret.secretName")
        if "configMap" in volume and not (volume["configMap"] or {}).get("name"):
            errors.required(f"{path}.configMap.name")
        if "hostPath" in volume and not (volume["hostPath"] or {}).get("path"):
            errors.required(f"{path}.hostPath.path")

    each(errors, path, volumes, check)
    return names


def _container_check(
    names: set[str], volumes: set[str]
) -> Callable[[Errors, str, dict[str, Any]], None]:
    def check(errors: Errors, path: str, container: dict[str, Any]) -> None:
        name = container.get("name") or ""
        if not name:
            errors.required(f"{path}.name")
        else:
            errors.dns_label(f"{path}.name", name)
            if name in names:
                errors.duplicate(f"{path}.name", name)
        names.add(name)
        if not container.get("image"):
            errors.required(f"{path}.image")
        elif container["image"] != container["image"].strip():
            errors.invalid(
                f"{path}.image", container["image"], "must not have leading or trailing whitespace"
            )
        policy = container.get("imagePullPolicy")
        if policy or container.get("image"):
            errors.choice(f"{path}.imagePullPolicy", policy, _PULL_POLICIES)
        _ports(errors, f"{path}.ports", container.get("ports"))
        each(errors, f"{path}.env", container.get("env"), _env)
        _mounts(errors, f"{path}.volumeMounts", container.get("volumeMounts"), volumes)
        _resources(errors, f"{path}.resources", container.get("resources") or {})
        for field in ("livenessProbe", "readinessProbe", "startupProbe"):
            if isinstance(probe := container.get(field), dict):
                _probe(errors, f"{path}.{field}", probe, field)
        for field in ("postStart", "preStop"):
            if isinstance(hook := (container.get("lifecycle") or {}).get(field), dict):
                _handler(errors, f"{path}.lifecycle.{field}", hook, extra=("sleep",))

    return check


def _init_container(errors: Errors, path: str, container: dict[str, Any]) -> None:
    if container.get("restartPolicy") == "Always":
        return
    for field in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        if container.get(field) is not None:
            errors.forbidden(
                f"{path}.{field}",
                "may not be set for init containers without restartPolicy=Always",
            )


def _image(errors: Errors, path: str, container: dict[str, Any]) -> None:
    if not container.get("image"):
        errors.required(f"{path}.image")


def _ports(errors: Errors, path: str, ports: Any) -> None:
    names: set[str] = set()

    def check(errors: Errors, path: str, port: dict[str, Any]) -> None:
        if name := port.get("name"):
            errors.port_name(f"{path}.name", name)
            if name in names:
                errors.duplicate(f"{path}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            errors.required(f"{path}.containerPort")
        else:
            errors.port(f"{path}.containerPort", port["containerPort"])
        if port.get("hostPort"):
            errors.port(f"{path}.hostPort", port["hostPort"])
        errors.choice(f"{path}.protocol", port.get("protocol"), _PROTOCOLS)

    each(errors, path, ports, check)


def _host_ports(errors: Errors, path: str, containers: Any) -> None:
    used: set[tuple[Any, ...]] = set()

    def check(errors: Errors, path: str, container: dict[str, Any]) -> None:
        def check_port(errors: Errors, path: str, port: dict[str, Any]) -> None:
            if not port.get("hostPort"):
                return
            key = (port.get("protocol"), port.get("hostIP", ""), port["hostPort"])
            if key in used:
                shown = "/".join(str(part) for part in key)
                errors.duplicate(f"{path}.hostPort", shown)
            used.add(key)

        each(errors, f"{path}.ports", container.get("ports"), check_port)

    each(errors, path, containers, check)


def _env(errors: Errors, path: str, variable: dict[str, Any]) -> None:
    if not variable.get("name"):
        errors.required(f"{path}.name")
    else:
        errors.env_name(f"{path}.name", variable["name"])
    source = variable.get("valueFrom")
    if not isinstance(source, dict):
        return
    if variable.get("value"):
        errors.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    if not source:
        errors.invalid(
            f"{path}.valueFrom",
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
            "`secretKeyRef` or `fileKeyRef`",
        )
    elif len(source) > 1:
        errors.invalid(
            f"{path}.valueFrom", "", "may not have more than one field specified at a time"
        )


def _mounts(errors: Errors, path: str, mounts: Any, volumes: set[str]) -> None:
    points: set[str] = set()

    def check(errors: Errors, path: str, mount: dict[str, Any]) -> None:
        name, point = mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            errors.required(f"{path}.name")
        elif name not in volumes:
            errors.not_found(f"{path}.name", name)
        if not point:
            errors.required(f"{path}.mountPath")
        elif point in points:
            errors.invalid(f"{path}.mountPath", point, "must be unique")
        points.add(point)
        sub_path = mount.get("subPath") or ""
        if sub_path.startswith("/"):
            errors.invalid(f"{path}.subPath", sub_path, "must be a relative path")
        elif ".." in sub_path.split("/"):
            errors.invalid(f"{path}.subPath", sub_path, "must not contain '..'")

    each(errors, path, mounts, check)


def _resources(errors: Errors, path: str, resources: dict[str, Any]) -> None:
    limits = resources.get("limits") or {}
    for field in ("limits", "requests"):
        for name, amount in (resources.get(field) or {}).items():
            parsed = parse_quantity(amount)
            if parsed is not None and parsed < 0:
                errors.invalid(
                    f"{path}.{field}[{name}]", amount, "must be greater than or equal to 0"
                )
            limit = parse_quantity(limits[name]) if name in limits else None
            if field == "requests" and parsed is not None and limit is not None and parsed > limit:
                errors.invalid(
                    f"{path}.requests",
                    amount,
                    f"must be less than or equal to {name} limit of {limits[name]}",
                )


def _probe(errors: Errors, path: str, probe: dict[str, Any], field: str) -> None:
    _handler(errors, path, probe)
    for number in _PROBE_NUMBERS:
        errors.not_negative(f"{path}.{number}", probe.get(number))
    if field != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        errors.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(
    errors: Errors, path: str, handler: dict[str, Any], extra: tuple[str, ...] = ()
) -> None:
    found = [field for field in (*_HANDLERS, *extra) if handler.get(field) is not None]
    if not found:
        errors.required(path, "must specify a handler type")
    for field in found[1:]:
        errors.forbidden(f"{path}.{field}", "may not specify more than 1 handler type")
    if "exec" in found and not (handler["exec"] or {}).get("command"):
        errors.required(f"{path}.exec.command")
    for field in ("httpGet", "tcpSocket", "grpc"):
        if field in found and isinstance(port := handler[field].get("port", 0), int):
            errors.port(f"{path}.{field}.port", port)
