"""Every name of Tilt 0.37's API is either there or fails in one sentence of its own."""

from __future__ import annotations

import pytest

from kapp.kappfile import prelude
from kapp.kappfile.builtins.planned import missing_names
from kapp.kappfile.registry import BUILTINS, CONSTANTS

prelude.second()  # fills the registry

# Source: internal/tiltfile/api/__init__.py and the packages beside it.
TILT = """
TRIGGER_MODE_AUTO TRIGGER_MODE_MANUAL allow_k8s_contexts analytics_settings blob ci_settings
custom_build dc_resource decode_json decode_yaml decode_yaml_stream default_registry
disable_snapshots docker_build docker_compose docker_prune_settings enable_feature encode_json
encode_yaml encode_yaml_stream exec_action exit fail fall_back_on filter_yaml helm http_get_action
include initial_sync k8s_context k8s_custom_deploy k8s_kind k8s_namespace k8s_resource k8s_yaml
kustomize link listdir load_dynamic local local_resource port_forward print probe read_file
read_json read_yaml read_yaml_stream restart_container run secret_settings set_team sync
tcp_socket_action trigger_mode update_settings version_settings warn watch_file watch_settings
workload_to_resource_function
config.clear_enabled_resources config.define_bool config.define_object config.define_string
config.define_string_list config.parse config.set_enabled_resources
os.environ os.getcwd os.getenv os.name os.putenv os.unsetenv
os.path.abspath os.path.basename os.path.dirname os.path.exists os.path.join os.path.realpath
os.path.relpath shlex.quote sys.argv sys.executable
v1alpha1.cmd v1alpha1.config_map v1alpha1.extension v1alpha1.extension_repo v1alpha1.file_watch
v1alpha1.kubernetes_apply v1alpha1.kubernetes_discovery v1alpha1.label_selector v1alpha1.ui_button
""".split()


@pytest.mark.parametrize("name", TILT)
def test_is_known(project, name):
    assert name in (BUILTINS | CONSTANTS | missing_names())
    project.run(f"x = {name}\n")
