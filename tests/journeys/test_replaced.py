"""Changes that cannot be made in place, kinds that are not there yet, objects of any size."""

from __future__ import annotations

import json

import pytest

from .conftest import Project, Up, eventually
from .manifests import config_map

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.kapp.example}}
spec:
  group: kapp.example
  scope: Namespaced
  names: {{plural: {plural}, kind: {kind}}}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {{spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec:
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      containers: [{{name: c, image: "busybox:1.36", command: [sh, -c, "echo {word}"]}}]
---
"""
STATEFUL_SET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: 0
  serviceName: {word}
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: c, image: "busybox:1.36"}}]}}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: db}}
spec:
  accessModes: [{word}]
  storageClassName: none
  resources: {{requests: {{storage: 1Mi}}}}
"""


def _start(project: Project, text: str, more: str = "") -> Up:
    project.write("all.yaml", text)
    project.write("Kappfile", f"k8s_yaml('all.yaml')\n{more}")
    return project.up()


def _live(project: Project, kind: str, name: str) -> dict[str, object]:
    found = project.kubectl("get", kind, name, "-o", "json", check=False)
    return dict(json.loads(found)) if found else {}


def _uid(project: Project, kind: str, name: str) -> str:
    meta = _live(project, kind, name).get("metadata")
    assert isinstance(meta, dict)
    return str(meta["uid"])


def _is(project: Project, name: str, state: str) -> bool:
    line = project.get("kapp", name, "--no-headers")
    assert f" {state}" in line, line
    return True


def test_an_edited_job_is_replaced(project: Project) -> None:
    up = _start(project, JOB.format(word="first"))
    eventually(lambda: "first" in project.run("logs", "migrate").stdout)
    first = _uid(project, "job", "migrate")
    project.write("all.yaml", JOB.format(word="second"))
    eventually(lambda: "second" in project.run("logs", "migrate").stdout)
    eventually(lambda: _is(project, "migrate", "Applied"))
    assert _uid(project, "job", "migrate") != first
    assert "error" not in up.output


def test_a_kind_and_its_objects_in_one_file_and_what_holds_them_in_down(project: Project) -> None:
    plural = f"w{project.namespace.replace('-', '')}"
    kind = plural.capitalize()
    custom = f"""
apiVersion: kapp.example/v1
kind: {kind}
metadata: {{name: one, finalizers: [kapp.example/operator]}}
spec: {{size: 3}}
---
"""
    # Whatever comes first in the file.
    up = _start(project, custom + config_map("operator") + CRD.format(plural=plural, kind=kind))
    eventually(lambda: _live(project, plural, "one"))
    eventually(lambda: _is(project, "uncategorized", "Applied"))
    assert "error" not in up.output
    up.interrupt()
    # The operator, which alone can take the finalizer off, outlives what needs it.
    done = project.run("down", "--timeout", "2", check=False)
    assert done.returncode == 1
    custom_name = f"{kind}/{project.namespace}/one"
    assert f"left: {custom_name}: waiting for finalizer kapp.example/operator" in done.stderr
    assert f"{custom_name} waiting: waiting for finalizer" in done.stderr
    assert "operator: what may depend on it is still there" in done.stderr
    assert _live(project, "configmap", "operator")
    nothing = '{"metadata":{"finalizers":null}}'
    project.kubectl("patch", plural, "one", "--type=merge", "-p", nothing)
    done = project.run("down")
    deleted = [line.split()[0] for line in done.stderr.splitlines() if line.endswith(" deleted")]
    assert deleted[-2:] == [
        f"ConfigMap/{project.namespace}/operator",
        f"CustomResourceDefinition/{plural}.kapp.example",
    ]
    assert _live(project, "crd", f"{plural}.kapp.example") == {}


KEEPERS = (
    ("statefulset", STATEFUL_SET, ("first", "second")),
    ("persistentvolumeclaim", CLAIM, ("ReadWriteOnce", "ReadOnlyMany")),
)


@pytest.mark.parametrize(("kind", "manifest", "words"), KEEPERS, ids=lambda one: str(one)[:12])
def test_what_holds_data_is_not_deleted_unless_told_to(
    project: Project, kind: str, manifest: str, words: tuple[str, str]
) -> None:
    # A claim is no workload: it is given its resource.
    named = "k8s_resource(new_name='db', objects=['db'])\n" if manifest is CLAIM else ""
    up = _start(project, manifest.format(word=words[0]), named)
    eventually(lambda: _is(project, "db", "Applied"))
    first = _uid(project, kind, "db")
    project.write("all.yaml", manifest.format(word=words[1]))
    eventually(lambda: _is(project, "db", "Error"))
    error = project.get("kapp", "db", "-o", "jsonpath={.status.error}")
    assert "cannot be changed in place" in error
    assert "kapp trigger db --force deletes it and creates it again" in up.output
    assert _uid(project, kind, "db") == first
    project.run("trigger", "db", "--force")
    eventually(lambda: _is(project, "db", "Applied"))
    assert _uid(project, kind, "db") != first


def test_a_config_map_of_280_kb(project: Project) -> None:
    text = "0123456789abcdef" * 1024 * 17
    _start(project, config_map("big", text))
    eventually(lambda: _live(project, "configmap", "big").get("data") == {"value": text})
    project.write("all.yaml", config_map("big", f"x{text}"))
    eventually(lambda: _live(project, "configmap", "big").get("data") == {"value": f"x{text}"})
    meta = _live(project, "configmap", "big")["metadata"]
    assert isinstance(meta, dict)
    assert "kubectl.kubernetes.io/last-applied-configuration" not in meta["annotations"]


def test_what_is_to_be_kept_is_kept(project: Project) -> None:
    keep = ", annotations: {kapp.dev/down-policy: keep}"
    up = _start(
        project, config_map("kept", metadata=keep) + config_map("other") + config_map("stays")
    )
    eventually(lambda: _live(project, "configmap", "kept") and _live(project, "configmap", "other"))
    project.write("all.yaml", config_map("stays"))
    eventually(lambda: not _live(project, "configmap", "other"))
    eventually(
        lambda: f"kept ConfigMap/{project.namespace}/kept: kapp.dev/down-policy" in up.output
    )
    up.interrupt()
    for _ in range(2):
        done = project.run("down")
        assert f"kept: ConfigMap/{project.namespace}/kept: kapp.dev/down-policy" in done.stderr
    assert _live(project, "configmap", "kept")
    assert not _live(project, "configmap", "stays")
