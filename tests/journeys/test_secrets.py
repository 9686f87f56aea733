"""What a Secret holds shows nowhere, though the application itself prints it."""

from __future__ import annotations

import pytest

from .conftest import Project, eventually, free_port, page
from .manifests import web

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: web-secret}
stringData: {password: correct-horse}
"""
_PRINT_IT = 'print("password is", os.environ["PASSWORD"])\n          print("serving"'
_FROM_SECRET = """        env:
        - name: PASSWORD
          valueFrom: {secretKeyRef: {name: web-secret, key: password}}
"""


_BY_KAPP = """
k8s_yaml(['secret.yaml', 'kubernetes.yaml'])
k8s_resource('web', port_forwards={port}, objects=['web-secret'])
"""
_BY_COMMAND = """
k8s_custom_deploy('web', 'kubectl apply -f secret.yaml -f kubernetes.yaml -o yaml',
    'kubectl delete -f secret.yaml -f kubernetes.yaml', deps=['secret.yaml'])
k8s_resource('web', port_forwards='{port}:8000')
"""


@pytest.mark.parametrize("kappfile", [_BY_KAPP, _BY_COMMAND], ids=["by-kapp", "by-a-command"])
def test_a_secret_is_redacted_in_logs_and_results(project: Project, kappfile: str) -> None:
    port = free_port()
    manifest = web().replace('print("serving"', _PRINT_IT).replace("        env:\n", _FROM_SECRET)
    project.write("kubernetes.yaml", manifest)
    project.write("secret.yaml", SECRET)
    project.write("Kappfile", kappfile.format(port=port))
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    eventually(lambda: "password is (redacted)" in up.output)
    logs = project.run("logs", "web").stdout
    result = project.get("kapp", "web", "-o", "jsonpath={.status.resultYAML}")
    assert "kind: Secret" in result
    for text in (up.output, logs, result):
        assert "correct-horse" not in text
        assert "Y29ycmVjdC1ob3JzZQ==" not in text
