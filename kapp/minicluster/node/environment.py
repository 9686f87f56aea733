"""A container's environment, from its spec and from what it refers to.

Pure but for the lookups it is given. Source: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go
(`makeEnvironmentVariables`), third_party/forked/golang/expansion, pkg/fieldpath.
"""

from __future__ import annotations

import base64
import os
import pwd
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from kapp.errors import KappError
from kapp.machinery.objects import Object, annotations_of, labels_of, metadata_of
from kapp.minicluster.node import podspec

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.+)'\]")


class ConfigMissing(KappError):
    """Something that a container refers to is not there; it is waited for."""


@dataclass(frozen=True)
class Facts:
    """What a pod's references are resolved against.

    `config_map` and `secret` are given a name and return the object, or None.
    """

    pod: Object
    pod_address: str
    host_address: str
    node_name: str
    config_map: Callable[[str], Object | None]
    secret: Callable[[str], Object | None]
    capacity: Mapping[str, str]


def data_of(obj: Object) -> dict[str, bytes]:
    """The entries of a ConfigMap or Secret as bytes."""
    result = {}
    if obj.get("kind") == "Secret":
        encoded = obj.get("data") or {}
    else:
        encoded = obj.get("binaryData") or {}
        result = {k: str(v).encode() for k, v in (obj.get("data") or {}).items()}
    result |= {k: base64.b64decode(v or "") for k, v in encoded.items()}
    return result


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar sign; unknown names stay as written."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group(0))

    return _REFERENCE.sub(replace, text)


def field_value(path: str, facts: Facts) -> str:
    """What a fieldRef's fieldPath means. Raises ConfigMissing for a path that has no meaning."""
    meta, spec = metadata_of(facts.pod), facts.pod["spec"]
    if match := _SUBSCRIPT.fullmatch(path):
        source = labels_of if match[1] == "metadata.labels" else annotations_of
        return str(source(facts.pod).get(match[2], ""))
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(meta.get(path.split(".")[1]) or "")
        case "metadata.labels" | "metadata.annotations":
            values = labels_of(facts.pod)
            if path == "metadata.annotations":
                values = annotations_of(facts.pod)
            return "\n".join(f'{k}="{_quoted(v)}"' for k, v in sorted(values.items()))
        case "spec.nodeName":
            return facts.node_name
        case "spec.serviceAccountName":
            return str(spec.get("serviceAccountName") or "default")
        case "status.hostIP" | "status.hostIPs":
            return facts.host_address
        case "status.podIP" | "status.podIPs":
            return facts.pod_address
    raise ConfigMissing(f"unsupported fieldPath: {path}")


def _quoted(text: str) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(reference: Mapping[str, Any], container: dict[str, Any], facts: Facts) -> str:
    """What a resourceFieldRef means: the limit (or request), else what the node has."""
    owner = container
    if name := reference.get("containerName"):
        owner = next((c for c in podspec.all_containers(facts.pod) if c["name"] == name), container)
    side, _, resource = str(reference["resource"]).partition(".")
    values = (owner.get("resources") or {}).get(side) or {}
    amount = values.get(resource)
    if amount is None:
        amount = facts.capacity.get(resource, "0") if side == "limits" else "0"
    divisor = podspec.quantity(reference.get("divisor") or 0) or Decimal(1)
    return str((podspec.quantity(amount) / divisor).to_integral_value(rounding=ROUND_UP))


def _lookup(
    kind: str, reference: Mapping[str, Any], find: Callable[[str], Object | None]
) -> dict[str, bytes] | None:
    obj = find(str(reference.get("name") or ""))
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigMissing(f'{kind} "{reference.get("name")}" not found')
    return data_of(obj)


def _key_value(
    kind: str, reference: Mapping[str, Any], find: Callable[[str], Object | None], namespace: str
) -> str | None:
    data = _lookup(kind, reference, find)
    if data is None:
        return None
    value = data.get(str(reference["key"]))
    if value is None:
        if reference.get("optional"):
            return None
        title = "ConfigMap" if kind == "configmap" else "Secret"
        raise ConfigMissing(
            f"couldn't find key {reference['key']} in {title} {namespace}/{reference.get('name')}"
        )
    return value.decode(errors="surrogateescape")


def _value_from(source: Mapping[str, Any], container: dict[str, Any], facts: Facts) -> str | None:
    namespace = str(metadata_of(facts.pod).get("namespace") or "")
    if reference := source.get("fieldRef"):
        return field_value(reference["fieldPath"], facts)
    if reference := source.get("resourceFieldRef"):
        return resource_value(reference, container, facts)
    if reference := source.get("configMapKeyRef"):
        return _key_value("configmap", reference, facts.config_map, namespace)
    if reference := source.get("secretKeyRef"):
        return _key_value("secret", reference, facts.secret, namespace)
    return None


def _from_sources(container: dict[str, Any], facts: Facts) -> dict[str, str]:
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        for field, kind, find in (
            ("configMapRef", "configmap", facts.config_map),
            ("secretRef", "secret", facts.secret),
        ):
            if field in source:
                data = _lookup(kind, source[field], find) or {}
                values |= {prefix + k: v.decode(errors="surrogateescape") for k, v in data.items()}
    return values


def home_of(uid: int) -> str:
    """The home directory of a user of this host, or `/`."""
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"


def build(
    container: dict[str, Any], facts: Facts, *, uid: int, services: Mapping[str, str]
) -> dict[str, str]:
    """The container's whole environment. Raises ConfigMissing.

    `services` are the variables that tell of Services; the container's own win over them.
    """
    host_path = os.environ.get("PATH", "")
    result = {
        "PATH": f"{host_path}:{STANDARD_PATH}" if host_path else STANDARD_PATH,
        "HOME": home_of(uid),
        "HOSTNAME": podspec.host_name(facts.pod),
    }
    for name in ("LANG", "TZ"):
        if name in os.environ:
            result[name] = os.environ[name]
    result |= services
    result |= _from_sources(container, facts)
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], container, facts)
            if value is not None:
                result[entry["name"]] = value
        else:
            result[entry["name"]] = expand(str(entry.get("value") or ""), result)
    return {k: v for k, v in result.items() if "\0" not in v and "=" not in k and k}
