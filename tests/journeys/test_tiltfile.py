"""An existing Tiltfile, as it is: `kapp up -f Tiltfile`."""

from __future__ import annotations

import json

from .conftest import Project, eventually, free_port, page
from .manifests import web

TILTFILE = """\
# -*- mode: Python -*-
version_settings(constraint='>=0.22.2')
update_settings(max_parallel_updates=2, suppress_unused_image_warnings=None)
secret_settings(disable_scrub=False)
watch_settings(ignore=['**/*.log'])
allow_k8s_contexts(k8s_context())
include('./tools/Tiltfile')
load('./tools/names.star', 'PORTS', owner='team')

values = read_yaml('settings.yaml', default={})
message = str(local('echo $GREETING', env={'GREETING': values.get('greeting', 'hello')},
    quiet=True, echo_off=True)).strip()

k8s_yaml(kustomize('deploy/dev'))
k8s_resource(
    'web',
    new_name='site',
    port_forwards=[port_forward(PORTS['web'], 8000, name='page')],
    labels=[owner()],
    links=[link('https://example.dev/docs', 'docs')],
    resource_deps=['settings'],
)
k8s_resource(objects=['%s:configmap' % name for name in ['greeting']], new_name='settings')
if os.path.exists('secret.txt'):
    fail('there is a secret in this directory')
print('message: ' + message)
"""


def test_a_tiltfile_runs(project: Project) -> None:
    port = free_port()
    project.write("Tiltfile", TILTFILE)
    project.write(
        "tools/Tiltfile", "k8s_yaml(encode_yaml(read_json('greeting.json')))\nprint(os.getcwd())\n"
    )
    project.write(
        "tools/greeting.json",
        json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "greeting"}}),
    )
    project.write(
        "tools/names.star", f"PORTS = {{'web': {port}}}\ndef team():\n    return 'blue'\n"
    )
    project.write("settings.yaml", "greeting: good morning\n")
    project.write("deploy/base/web.yaml", web("one"))
    project.write("deploy/base/kustomization.yaml", "resources: [web.yaml]\n")
    project.write(
        "deploy/dev/kustomization.yaml", "resources: [../base]\nlabels: [{pairs: {a: b}}]\n"
    )
    up = project.up("-f", "Tiltfile")

    eventually(lambda: page(port).strip() == "one")
    names = project.get("kubernetesapplys", "-o", "name").split()
    assert names == ["kubernetesapply.kapp.dev/settings", "kubernetesapply.kapp.dev/site"]
    assert "message: good morning" in up.output
    assert "'>=0.22.2' is not checked" in up.output
    site = json.loads(project.get("kubernetesapply", "site", "-o", "json"))
    assert site["metadata"]["labels"] == {"blue": "blue"}
    assert site["spec"]["links"] == [{"name": "docs", "url": "https://example.dev/docs"}]
    live = json.loads(project.kubectl("get", "deployment", "web", "-o", "json"))
    assert live["metadata"]["labels"]["a"] == "b"

    project.write("deploy/base/web.yaml", web("two"))
    eventually(lambda: page(port).strip() == "two")
    project.write("settings.yaml", "greeting: good night\n")
    eventually(lambda: "message: good night" in up.output)
