"""Defaults of kinds that are stored and not acted on.

Source: defaults.go of each group in pkg/apis (rbac, networking, storage, autoscaling,
admissionregistration, scheduling) and pkg/apis/core/v1/defaults.go (LimitRange).
"""

from __future__ import annotations

from typing import Any

from kapp.machinery.objects import Object

_RBAC = "rbac.authorization.k8s.io"
_WEBHOOK_TIMEOUT_S = 10
_HTTPS = 443


def role_binding(obj: Object) -> None:
    """Fill in the groups of a RoleBinding or ClusterRoleBinding."""
    reference = obj.get("roleRef")
    if isinstance(reference, dict) and not reference.get("apiGroup"):
        reference["apiGroup"] = _RBAC
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _RBAC


def network_policy(obj: Object) -> None:
    """Fill in a NetworkPolicy."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def ingress(obj: Object) -> None:
    """Fill in an Ingress."""
    obj.setdefault("status", {"loadBalancer": {}})


def ingress_class(obj: Object) -> None:
    """Fill in an IngressClass."""
    parameters = (obj.get("spec") or {}).get("parameters")
    if isinstance(parameters, dict):
        parameters.setdefault("scope", "Cluster")


def storage_class(obj: Object) -> None:
    """Fill in a StorageClass."""
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def priority_class(obj: Object) -> None:
    """Fill in a PriorityClass."""
    obj.setdefault("value", 0)
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def limit_range(obj: Object) -> None:
    """Fill in the limits of containers: defaults from maxima, requests from limits or minima."""
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        for name, value in (item.get("max") or {}).items():
            item.setdefault("default", {}).setdefault(name, value)
        for source in ("default", "min"):
            for name, value in (item.get(source) or {}).items():
                item.setdefault("defaultRequest", {}).setdefault(name, value)


def horizontal_pod_autoscaler(obj: Object) -> None:
    """Fill in a HorizontalPodAutoscaler."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    obj.setdefault("status", {"currentMetrics": None, "desiredReplicas": 0})


def webhook_configuration(obj: Object) -> None:
    """Fill in the webhooks of a Validating- or MutatingWebhookConfiguration."""
    for webhook in obj.get("webhooks") or ():
        _webhook(webhook)
        if obj.get("kind") == "MutatingWebhookConfiguration":
            webhook.setdefault("reinvocationPolicy", "Never")


def _webhook(webhook: dict[str, Any]) -> None:
    webhook.setdefault("failurePolicy", "Fail")
    webhook.setdefault("matchPolicy", "Equivalent")
    webhook.setdefault("namespaceSelector", {})
    webhook.setdefault("objectSelector", {})
    webhook.setdefault("timeoutSeconds", _WEBHOOK_TIMEOUT_S)
    for rule in webhook.get("rules") or ():
        rule.setdefault("scope", "*")
    service = (webhook.get("clientConfig") or {}).get("service")
    if isinstance(service, dict):
        service.setdefault("port", _HTTPS)
