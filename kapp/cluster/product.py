"""Which Kubernetes a context names, and whether it is a local one (pure).

The production guard refuses every context that is not local and was not allowed. A name alone
proves nothing (anyone may call a context `kind-prod`), so the server's address must be one that a
local cluster can have as well.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from kapp.runtime.addresses import is_loopback

EMBEDDED = "kapp-embedded"

# Names that the tools give to contexts and clusters; a prefix where it ends in a dash.
# Source: the documentation of each tool; tilt-dev/clusterid lists the same.
_PRODUCTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (EMBEDDED, ("kapp-embedded", "kapp-embedded-")),
    ("kind", ("kind", "kind-")),
    ("k3d", ("k3d-",)),
    ("minikube", ("minikube",)),
    ("docker-desktop", ("docker-desktop", "docker-for-desktop")),
    ("rancher-desktop", ("rancher-desktop",)),
    ("orbstack", ("orbstack",)),
    ("microk8s", ("microk8s", "microk8s-cluster")),
    ("colima", ("colima", "colima-")),
    ("crc", ("crc", "crc-", "api-crc-testing:6443")),
)


def detect(context: str, cluster: str, extensions: tuple[str, ...] = ()) -> str:
    """The product by the names of the context, the cluster and its extensions, or "".

    `extensions` are providers that tools record with a cluster (minikube does, whatever its
    profile is called).
    """
    if any(extension.startswith("minikube.sigs.k8s.io") for extension in extensions):
        return "minikube"
    for product, patterns in _PRODUCTS:
        for name in (cluster, context):
            if any(
                name == pattern or (pattern.endswith("-") and name.startswith(pattern))
                for pattern in patterns
            ):
                return product
    return ""


def is_local(product: str, server: str) -> bool:
    """Whether a cluster of that product at that address is on this machine or its network."""
    return bool(product) and _can_be_local(urlsplit(server).hostname or "")


def _can_be_local(host: str) -> bool:
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # `host.docker.internal`, `kubernetes.docker.internal`, `k8s.orb.local`, a bare host name.
        return "." not in host or host.endswith((".docker.internal", ".local", ".crc.testing"))
    return address.is_private or address.is_unspecified
