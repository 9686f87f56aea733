"""Names that a Tiltfile may use and kapp does not have: each fails at its call, in one sentence."""

from __future__ import annotations

PLANNED: tuple[str, ...] = (
    "config.clear_enabled_resources",
    "config.define_bool",
    "config.define_object",
    "config.define_string",
    "config.define_string_list",
    "config.parse",
    "config.set_enabled_resources",
    "exec_action",
    "helm",
    "http_get_action",
    "k8s_custom_deploy",
    "kustomize",
    "local_resource",
    "probe",
    "tcp_socket_action",
    "workload_to_resource_function",
)
"""Designed, and to come."""

ABSENT: dict[str, str] = {
    "analytics_settings": "kapp collects nothing; remove the call",
    "custom_build": "kapp builds no images yet: push the image and name it in the manifest",
    "dc_resource": "kapp deploys to Kubernetes only",
    "default_registry": "kapp builds no images yet: push the image and name it in the manifest",
    "disable_feature": "kapp has no feature flags; remove the call",
    "disable_snapshots": "kapp has no snapshots; remove the call",
    "docker_build": "kapp builds no images yet: push the image and name it in the manifest",
    "docker_compose": "kapp deploys to Kubernetes only",
    "docker_prune_settings": "kapp builds no images; remove the call",
    "enable_feature": "kapp has no feature flags; remove the call",
    "fall_back_on": "kapp has no live update yet",
    "initial_sync": "kapp has no live update yet",
    "k8s_image_json_path": "use k8s_kind",
    "restart_container": "kapp has no live update yet",
    "run": "kapp has no live update yet",
    "set": "use a dict, or a list",
    "set_team": "kapp has no teams; remove the call",
    "sync": "kapp has no live update yet",
    "v1alpha1.cmd": "",
    "v1alpha1.config_map": "",
    "v1alpha1.extension": "",
    "v1alpha1.extension_repo": "",
    "v1alpha1.file_watch": "",
    "v1alpha1.kubernetes_apply": "",
    "v1alpha1.kubernetes_discovery": "",
    "v1alpha1.ui_button": "",
}
"""Not planned, or far off; with what to do instead."""


def missing_names() -> dict[str, str]:
    """Every such name, with its hint."""
    return dict.fromkeys(PLANNED, "") | ABSENT
