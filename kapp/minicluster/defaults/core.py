"""Defaults of the core kinds that are not pods.

Source: pkg/apis/core/v1/defaults.go, conversion.go (stringData) and
pkg/registry/core/service/storage/alloc.go (what a Service gets from the cluster, except its
address, which `kapp.minicluster.admission` allocates).
"""

from __future__ import annotations

import base64

from kapp.machinery.objects import Object

FINALIZER = "kubernetes"
"""`FinalizerKubernetes`: holds a namespace until it is empty."""

CLIENT_IP_TIMEOUT_S = 10800
"""`DefaultClientIPServiceAffinitySeconds`: three hours."""


def namespace(obj: Object) -> None:
    """Label a Namespace with its name, hold it by its finalizer, make it Active."""
    meta = obj["metadata"]
    if meta.get("name"):
        if meta.get("labels") is None:
            meta["labels"] = {}
        meta["labels"].setdefault("kubernetes.io/metadata.name", meta["name"])
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        spec = obj["spec"] = {}
    if not meta.get("deletionTimestamp"):
        spec.setdefault("finalizers", [FINALIZER])
        # What holds it here; a real server looks at spec.finalizers.
        if FINALIZER not in (meta.get("finalizers") or ()):
            meta["finalizers"] = [*(meta.get("finalizers") or ()), FINALIZER]
    obj.setdefault("status", {}).setdefault("phase", "Active")


def secret(obj: Object) -> None:
    """Type Opaque; `stringData` goes, encoded, into `data`."""
    if not obj.get("type"):
        obj["type"] = "Opaque"
    strings = obj.pop("stringData", None)
    if isinstance(strings, dict) and strings:
        if obj.get("data") is None:
            obj["data"] = {}
        for key, text in strings.items():
            obj["data"][key] = base64.b64encode(str(text).encode()).decode()


def service(obj: Object) -> None:
    """Fill in a Service, except its cluster IP."""
    spec = obj.setdefault("spec", {})
    if not isinstance(spec, dict):
        return
    kind = spec["type"] = spec.get("type") or "ClusterIP"
    affinity = spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if affinity == "ClientIP":
        client_ip = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client_ip.setdefault("timeoutSeconds", CLIENT_IP_TIMEOUT_S)
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, "", 0) and "port" in port:
            port["targetPort"] = port["port"]
    if kind == "ExternalName":
        return
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer"):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    spec.setdefault("ipFamilyPolicy", "SingleStack")
    spec.setdefault("ipFamilies", ["IPv4"])
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def node(obj: Object) -> None:
    """A Node that says how much it has can allocate it. Source: SetDefaults_NodeStatus."""
    status = obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
