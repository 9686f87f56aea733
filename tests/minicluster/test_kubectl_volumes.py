"""Claims and volumes, as kubectl sees them; the same on a real cluster."""

import json
import shutil
import uuid

import pytest

# A real cluster looks for volumes every 15 seconds.
WAIT = "--timeout=60s"


@pytest.fixture(scope="module")
def storage(kubectl):
    """The name of a class without a provisioner, and of volumes made by hand; their paths."""
    name = f"t{uuid.uuid4().hex[:8]}"
    made = [volume(f"{name}-{size}", name, size) for size in (3, 1, 2)]
    kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, made)))
    yield name
    kubectl.run("delete", "pv", *(v["metadata"]["name"] for v in made), "--wait=false")
    for one in made:
        shutil.rmtree(one["spec"]["hostPath"]["path"], ignore_errors=True)


def volume(name, storage_class, size):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "capacity": {"storage": f"{size}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/tmp/kapp-test-{name}", "type": "DirectoryOrCreate"},
        },
    }


def claim_spec(storage_class, size="1Gi"):
    return {
        "storageClassName": storage_class,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }


def claim(name, storage_class, size="1Gi"):
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": claim_spec(storage_class, size),
    }


def pod_spec(command, claim_name=""):
    container = {
        "name": "c",
        "image": "busybox:1.36",
        "command": ["sh", "-c", command],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    if claim_name:
        source = {"claimName": claim_name}
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": source}]
    return spec


def pod(name, command, claim_name, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {**pod_spec(command, claim_name), **spec},
    }


def apply(kubectl, *objects):
    return kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))


def read(kubectl, *arguments):
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def unschedulable(kubectl, name):
    kubectl("wait", "--for=condition=PodScheduled=False", f"pod/{name}", WAIT, timeout=90)
    (condition,) = read(kubectl, "pod", name)["status"]["conditions"]
    return condition["message"]


def test_a_claim_is_bound_to_the_smallest_volume(kubectl, storage):
    apply(kubectl, claim("data", storage, "1500Mi"))
    kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "pvc/data", WAIT, timeout=90)
    found = read(kubectl, "pvc/data")
    assert found["spec"]["volumeName"] == f"{storage}-2"
    assert found["spec"]["volumeMode"] == "Filesystem"
    assert found["status"] == {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "2Gi"},
        "phase": "Bound",
    }
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    row = kubectl("get", "pvc", "data", "--no-headers").split()
    assert row[:7] == ["data", "Bound", f"{storage}-2", "2Gi", "RWO", storage, "<unset>"]
    taken = read(kubectl, "pv", f"{storage}-2")
    assert taken["status"]["phase"] == "Bound"
    assert taken["spec"]["claimRef"]["uid"] == found["metadata"]["uid"]
    assert taken["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert taken["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    row = kubectl("get", "pv", f"{storage}-2", "--no-headers").split()
    namespace = found["metadata"]["namespace"]
    assert row[1:7] == ["2Gi", "RWO", "Retain", "Bound", f"{namespace}/data", storage]
    free = kubectl("get", "pv", f"{storage}-1", "--no-headers").split()
    assert free[4] == "Available"
    # data outlives the pod that wrote it
    write = pod("writer", "echo kept > /data/file", "data", restartPolicy="Never")
    apply(kubectl, write)
    path = "{.status.phase}"
    kubectl("wait", f"--for=jsonpath={path}=Succeeded", "pod/writer", WAIT, timeout=90)
    kubectl("delete", "pod", "writer")
    apply(kubectl, pod("reader", "cat /data/file; sleep 1000", "data"))
    kubectl("wait", "--for=condition=Ready", "pod/reader", WAIT, timeout=90)
    assert kubectl("exec", "reader", "--", "cat", "/data/file") == "kept\n"
    assert "Used By:       reader" in kubectl("describe", "pvc", "data")
    # a claim in use stays until its last pod has gone
    kubectl("delete", "pvc", "data", "--wait=false")
    assert kubectl("get", "pvc", "data", "--no-headers").split()[1] == "Terminating"
    kubectl("delete", "pod", "reader")
    kubectl("wait", "--for=delete", "pvc/data", WAIT, timeout=90)
    kubectl("wait", f"--for=jsonpath={path}=Released", f"pv/{storage}-2", WAIT, timeout=90)


def test_claims_of_a_stateful_set_stay(kubectl, storage):
    template = {"metadata": {"name": "data"}, "spec": claim_spec(storage)}
    made = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 1,
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": pod_spec("date >> /data/starts; sleep 1000"),
            },
            "volumeClaimTemplates": [template],
        },
    }
    apply(kubectl, made)
    kubectl("rollout", "status", "sts/db", WAIT, timeout=90)
    first = read(kubectl, "pvc", "data-db-0")
    assert first["metadata"]["labels"] == {"app": "db"}
    assert "ownerReferences" not in first["metadata"]
    volumes = read(kubectl, "pod", "db-0")["spec"]["volumes"]
    assert volumes[0] == {
        "name": "data",
        "persistentVolumeClaim": {"claimName": "data-db-0"},
    }
    made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "2Gi"
    text = kubectl.error("apply", "-f", "-", stdin=json.dumps(made))
    assert "updates to statefulset spec for fields other than" in text
    kubectl("delete", "sts", "db", "--cascade=foreground", WAIT, timeout=90)
    assert read(kubectl, "pvc", "data-db-0")["status"]["phase"] == "Bound"
    made["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "1Gi"
    apply(kubectl, made)
    kubectl("rollout", "status", "sts/db", WAIT, timeout=90)
    assert kubectl("exec", "db-0", "--", "wc", "-l", "/data/starts").split()[0] == "2"
    kubectl("delete", "sts", "db", "--cascade=foreground", WAIT, timeout=90)
    kubectl("delete", "pvc", "data-db-0", WAIT, timeout=90)


def test_claims_that_go_with_their_stateful_set(kubectl, storage):
    made = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "brief"},
        "spec": {
            "serviceName": "brief",
            "replicas": 2,
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Delete",
                "whenScaled": "Delete",
            },
            "selector": {"matchLabels": {"app": "brief"}},
            "template": {
                "metadata": {"labels": {"app": "brief"}},
                "spec": pod_spec("sleep 1000"),
            },
            # No volume fits: the claims wait, and their pods do; their owners are set all the same.
            "volumeClaimTemplates": [
                {"metadata": {"name": "data"}, "spec": claim_spec(storage, "1Ti")}
            ],
        },
    }
    apply(kubectl, made)
    owner = "{.metadata.ownerReferences[0].kind}"
    for name in ("data-brief-0", "data-brief-1"):
        kubectl("wait", "--for=create", f"pvc/{name}", WAIT, timeout=90)
        kubectl("wait", f"--for=jsonpath={owner}=StatefulSet", f"pvc/{name}", WAIT, timeout=90)
    kubectl("scale", "sts/brief", "--replicas=1")
    kubectl("wait", "--for=delete", "pvc/data-brief-1", WAIT, timeout=90)
    kubectl("delete", "sts", "brief")
    kubectl("wait", "--for=delete", "pvc/data-brief-0", WAIT, timeout=90)


def test_pods_wait_for_their_claims(kubectl, storage):
    apply(
        kubectl,
        claim("huge", storage, "1Ti"),
        pod("early", "sleep 1000", "missing"),
        pod("patient", "sleep 1000", "huge"),
    )
    nodes = "0/1 nodes are available: "
    assert unschedulable(kubectl, "early") == (
        f'{nodes}persistentvolumeclaim "missing" not found. not found'
    )
    assert unschedulable(kubectl, "patient") == (
        f"{nodes}pod has unbound immediate PersistentVolumeClaims. not found"
    )
    assert read(kubectl, "pvc/huge")["status"] == {"phase": "Pending"}
    kubectl("delete", "pod", "early", "patient")
    kubectl("delete", "pvc", "huge")


def test_what_is_refused(kubectl, storage):
    wrong = claim("wrong", storage)
    del wrong["spec"]["accessModes"]
    wrong["spec"]["resources"] = {}
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(wrong))
    assert "spec.accessModes: Required value: at least 1 access mode is required" in text
    assert "spec.resources[storage]: Required value" in text
    apply(kubectl, claim("fixed", storage, "1Ti"))
    text = kubectl.error("apply", "-f", "-", stdin=json.dumps(claim("fixed", "other", "1Ti")))
    assert (
        'The PersistentVolumeClaim "fixed" is invalid: spec: Forbidden: spec is immutable after '
        "creation except resources.requests and volumeAttributesClassName for bound claims" in text
    )
    kubectl("delete", "pvc", "fixed")
