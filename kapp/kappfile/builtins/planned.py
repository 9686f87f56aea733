"""Names that a Tiltfile may use and kapp does not have: each fails at its call, in one sentence."""

from __future__ import annotations

PLANNED: tuple[str, ...] = ()
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
    "experimental_analytics_report": "kapp collects nothing; remove the call",
    "experimental_metrics_settings": "kapp collects nothing; remove the call",
    "experimental_telemetry_cmd": "kapp collects nothing; remove the call",
    "k8s_image_json_path": "use k8s_kind",
    "local_git_repo": "use paths; watch_settings(ignore=…) leaves files out",
    "module": "use struct",
    "restart_container": "kapp has no live update yet",
    "run": "kapp has no live update yet",
    "set": "use a dict, or a list",
    "set_team": "kapp has no teams; remove the call",
    "sync": "kapp has no live update yet",
    "test": "use local_resource",
}
"""Not planned, or far off; with what to do instead."""

API_CONSTRUCTORS = (
    "cmd", "config_map", "config_map_disable_source", "disable_source", "exec_action", "extension",
    "extension_repo", "file_watch", "forward", "handler", "http_get_action", "http_header",
    "ignore_def", "kubernetes_apply", "kubernetes_apply_cmd", "kubernetes_discovery",
    "kubernetes_discovery_template_spec", "kubernetes_image_locator",
    "kubernetes_image_object_descriptor", "kubernetes_watch_ref", "label_selector",
    "label_selector_requirement", "object_selector", "pod_log_stream_template_spec",
    "port_forward_template_spec", "probe", "restart_on_spec", "start_on_spec", "tcp_socket_action",
    "ui_bool_input_spec", "ui_button", "ui_choice_input_spec", "ui_component_location",
    "ui_hidden_input_spec", "ui_input_spec", "ui_text_input_spec",
)  # fmt: skip
"""Of Tilt's `v1alpha1`, which makes API objects by hand."""

ABSENT |= {
    f"v1alpha1.{name}": "objects of kapp's API are made with `kubectl apply`, see `kapp kubeconfig`"
    for name in API_CONSTRUCTORS
}


def missing_names() -> dict[str, str]:
    """Every such name, with its hint."""
    return dict.fromkeys(PLANNED, "") | ABSENT
