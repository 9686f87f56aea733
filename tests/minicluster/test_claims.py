"""Claims of the embedded cluster's own class: directories made for them, and removed with them."""

import json

import pytest

from kapp.minicluster.statedir import StateDirectory

from .conftest import Kubectl
from .test_kubectl_volumes import claim_spec, pod


@pytest.fixture(scope="module")
def embedded(cluster, tmp_path_factory):
    return Kubectl(StateDirectory(cluster).kubeconfig, tmp_path_factory.mktemp("home"))


def test_a_claim_without_a_class_gets_a_directory(embedded, cluster):
    spec = claim_spec("")
    del spec["storageClassName"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": spec,
    }
    write = pod("writer", "echo kept > /data/file", "data", restartPolicy="Never")
    made = "\n---\n".join(map(json.dumps, (claim, write)))
    embedded("apply", "-f", "-", stdin=made)
    embedded("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/writer", "--timeout=20s")
    found = json.loads(embedded("get", "pvc", "data", "-o", "json"))
    assert found["spec"]["storageClassName"] == "standard"
    name = found["spec"]["volumeName"]
    assert name == f"pvc-{found['metadata']['uid']}"
    directory = StateDirectory(cluster).node / "claims" / name
    assert (directory / "file").read_text() == "kept\n"
    assert "standard (default)" in embedded("get", "storageclass")
    embedded("delete", "pod", "writer")
    embedded("delete", "pvc", "data", "--timeout=20s")
    embedded("wait", "--for=delete", f"pv/{name}", "--timeout=20s")
    assert not directory.exists()
