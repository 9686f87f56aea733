"""StatefulSets and DaemonSets, as kubectl sees them; the same on a real cluster."""

import json

import pytest

WAIT = "--timeout=60s"


def workload(kind, name, text="one", **spec):
    container = {
        "name": "c",
        "image": "busybox:1.36",
        "command": ["sleep", "1000"],
        "env": [{"name": "TEXT", "value": text}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
            },
            **spec,
        },
    }


def stateful(name, text="one", replicas=2, **spec):
    return workload("StatefulSet", name, text, serviceName=name, replicas=replicas, **spec)


def apply(kubectl, *objects):
    return kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))


def read(kubectl, *arguments):
    return json.loads(kubectl("get", *arguments, "-o", "json"))


def texts(kubectl, name):
    """The value of TEXT in each pod of a workload, by the pod's name."""
    return {
        pod["metadata"]["name"]: pod["spec"]["containers"][0]["env"][0]["value"]
        for pod in read(kubectl, "pods", "-l", f"app={name}")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def rollout(kubectl, *arguments):
    return kubectl("rollout", *arguments, timeout=90)


@pytest.fixture(scope="module")
def db(kubectl):
    apply(kubectl, stateful("db"))
    rollout(kubectl, "status", "sts/db", WAIT)
    return "db"


def test_a_stateful_set_has_pods_with_names(kubectl, db):
    pods = read(kubectl, "pods", "-l", "app=db")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == ["db-0", "db-1"]
    first, second = pods
    assert first["metadata"]["creationTimestamp"] <= second["metadata"]["creationTimestamp"]
    labels = second["metadata"]["labels"]
    revision = labels.pop("controller-revision-hash")
    assert labels == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "1",
        "statefulset.kubernetes.io/pod-name": "db-1",
    }
    assert (second["spec"]["hostname"], second["spec"]["subdomain"]) == ("db-1", "db")
    found = read(kubectl, "sts/db")
    assert found["status"] == {
        "availableReplicas": 2,
        "collisionCount": 0,
        "currentReplicas": 2,
        "currentRevision": revision,
        "observedGeneration": 1,
        "readyReplicas": 2,
        "replicas": 2,
        "updateRevision": revision,
        "updatedReplicas": 2,
    }
    spec = found["spec"]
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    header, row = (line.split() for line in kubectl("get", "sts", "db").splitlines())
    assert (header, row[:2]) == (["NAME", "READY", "AGE"], ["db", "2/2"])
    assert kubectl("exec", "db-1", "--", "hostname") == "db-1\n"
    assert "SuccessfulCreate" in kubectl("events", "--for", "sts/db")
    assert "Pods Status:" in kubectl("describe", "sts", "db")


def test_rollouts_of_a_stateful_set(kubectl, db):
    before = {p["metadata"]["uid"] for p in read(kubectl, "pods", "-l", "app=db")["items"]}
    apply(kubectl, stateful("db", "two"))
    rollout(kubectl, "status", "sts/db", WAIT)
    assert texts(kubectl, "db") == {"db-0": "two", "db-1": "two"}
    after = read(kubectl, "pods", "-l", "app=db")["items"]
    assert not before & {pod["metadata"]["uid"] for pod in after}
    # the last pod goes first
    assert after[1]["metadata"]["creationTimestamp"] <= after[0]["metadata"]["creationTimestamp"]
    history = rollout(kubectl, "history", "sts/db").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["1", "2"]
    assert "TEXT" in rollout(kubectl, "history", "sts/db", "--revision=1")
    rollout(kubectl, "undo", "sts/db")
    rollout(kubectl, "status", "sts/db", WAIT)
    assert texts(kubectl, "db") == {"db-0": "one", "db-1": "one"}
    history = rollout(kubectl, "history", "sts/db").splitlines()
    assert [line.split()[0] for line in history[2:] if line] == ["2", "3"]
    rollout(kubectl, "restart", "sts/db")
    rollout(kubectl, "status", "sts/db", WAIT)
    status = read(kubectl, "sts/db")["status"]
    assert status["currentRevision"] == status["updateRevision"]


def test_partitions_and_scaling(kubectl):
    made = stateful("part", replicas=3, podManagementPolicy="Parallel")
    apply(kubectl, made)
    rollout(kubectl, "status", "sts/part", WAIT)
    made = stateful("part", "two", replicas=3, podManagementPolicy="Parallel")
    made["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    apply(kubectl, made)
    out = rollout(kubectl, "status", "sts/part", WAIT)
    assert "partitioned roll out complete: 1 new pods have been updated" in out
    assert texts(kubectl, "part") == {"part-0": "one", "part-1": "one", "part-2": "two"}
    status = read(kubectl, "sts/part")["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    # a pod below the partition comes back as it was
    kubectl("delete", "pod", "part-1")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "sts/part", WAIT, timeout=90)
    assert texts(kubectl, "part")["part-1"] == "one"
    kubectl("scale", "sts/part", "--replicas=1")
    kubectl("wait", "--for=jsonpath={.status.replicas}=1", "sts/part", WAIT, timeout=90)
    kubectl("wait", "--for=delete", "pod/part-1", "pod/part-2", WAIT, timeout=90)
    assert set(texts(kubectl, "part")) == {"part-0"}
    kubectl("delete", "sts", "part", "--cascade=foreground", WAIT, timeout=90)
    assert kubectl("get", "pods", "-l", "app=part") == ""


def test_on_delete(kubectl):
    strategy = {"type": "OnDelete"}
    apply(kubectl, stateful("manual", replicas=1, updateStrategy=strategy))
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "sts/manual", WAIT, timeout=90)
    apply(kubectl, stateful("manual", "two", replicas=1, updateStrategy=strategy))
    kubectl("wait", "--for=jsonpath={.status.observedGeneration}=2", "sts/manual", WAIT, timeout=90)
    assert texts(kubectl, "manual") == {"manual-0": "one"}
    kubectl("delete", "pod", "manual-0")
    kubectl("wait", "--for=jsonpath={.status.updatedReplicas}=1", "sts/manual", WAIT, timeout=90)
    assert texts(kubectl, "manual") == {"manual-0": "two"}
    kubectl("delete", "sts", "manual")


def test_what_a_stateful_set_keeps(kubectl, db):
    changed = stateful("db", podManagementPolicy="Parallel")
    text = kubectl.error("apply", "-f", "-", stdin=json.dumps(changed))
    assert (
        'The StatefulSet "db" is invalid: spec: Forbidden: updates to statefulset spec for '
        "fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
        "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
        "are forbidden" in text
    )
    odd = stateful("odd", updateStrategy={"type": "Sometimes"})
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(odd))
    assert "must be 'RollingUpdate' or 'OnDelete'" in text


def test_daemon_sets(kubectl):
    apply(kubectl, workload("DaemonSet", "agent"))
    rollout(kubectl, "status", "ds/agent", WAIT)
    found = read(kubectl, "ds/agent")
    assert found["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "1"
    assert found["status"] == {
        "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1,
        "numberAvailable": 1,
        "numberMisscheduled": 0,
        "numberReady": 1,
        "observedGeneration": 1,
        "updatedNumberScheduled": 1,
    }
    (pod,) = read(kubectl, "pods", "-l", "app=agent")["items"]
    assert pod["metadata"]["labels"]["pod-template-generation"] == "1"
    assert any(
        toleration.get("key") == "node.kubernetes.io/unschedulable"
        for toleration in pod["spec"]["tolerations"]
    )
    assert [line.split()[:6] for line in kubectl("get", "ds", "agent").splitlines()] == [
        ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE"],
        ["agent", "1", "1", "1", "1", "1"],
    ]
    apply(kubectl, workload("DaemonSet", "agent", "two"))
    rollout(kubectl, "status", "ds/agent", WAIT)
    assert set(texts(kubectl, "agent").values()) == {"two"}
    rollout(kubectl, "undo", "ds/agent")
    rollout(kubectl, "status", "ds/agent", WAIT)
    assert set(texts(kubectl, "agent").values()) == {"one"}
    rollout(kubectl, "restart", "ds/agent")
    rollout(kubectl, "status", "ds/agent", WAIT)
    found = read(kubectl, "ds/agent")
    assert found["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "4"
    nowhere = {"spec": {"template": {"spec": {"nodeSelector": {"no": "where"}}}}}
    kubectl("patch", "ds", "agent", "-p", json.dumps(nowhere))
    kubectl(
        "wait", "--for=jsonpath={.status.desiredNumberScheduled}=0", "ds/agent", WAIT, timeout=90
    )
    kubectl("wait", "--for=delete", "pod", "-l", "app=agent", WAIT, timeout=90)
    kubectl("delete", "ds", "agent")
