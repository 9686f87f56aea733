"""kubectl, unmodified, is the judge of what a developer does."""

import json
import subprocess
import threading

import pytest

from .conftest import KUBECTL

SERVER = (
    "import http.server,os\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "  def do_GET(self):\n"
    "    self.send_response(200);self.end_headers();self.wfile.write(os.environ['TEXT'].encode())\n"
    "print('listening', flush=True)\n"
    "http.server.HTTPServer(('',8000),H).serve_forever()\n"
)
SHOW_TEXT = ("sh", "-c", 'echo "$TEXT"')


def deployment(name="web", text="one", replicas=1, **spec):
    container = {
        "name": "web",
        "image": "python:3.13-alpine",
        "command": ["python3", "-c", SERVER],
        "env": [{"name": "TEXT", "value": text}],
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
            **spec,
        },
    }


def config_map(name, namespace="", **data):
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


@pytest.fixture(scope="module")
def web(kubectl):
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment()))
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    return "web"


def lines(text):
    return [line.split() for line in text.splitlines()]


def test_api_resources(kubectl):
    found = lines(kubectl("api-resources", "--no-headers"))
    assert ["pods", "po", "v1", "true", "Pod"] in found
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in found
    assert ["namespaces", "ns", "v1", "false", "Namespace"] in found
    assert ["services", "svc", "v1", "true", "Service"] in found
    assert ["events", "ev", "v1", "true", "Event"] in found
    assert ["events", "ev", "events.k8s.io/v1", "true", "Event"] in found
    assert ["jobs", "batch/v1", "true", "Job"] in found
    assert ["statefulsets", "sts", "apps/v1", "true", "StatefulSet"] in found
    assert ["persistentvolumeclaims", "pvc", "v1", "true", "PersistentVolumeClaim"] in found
    assert ["crd,crds" in row for row in found].count(True) == 1


def test_version(kubectl):
    version = json.loads(kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "36")


def test_a_new_cluster_has_its_namespaces_and_its_node(kubectl):
    found = {row[0]: row[1] for row in lines(kubectl("get", "namespaces", "--no-headers"))}
    for name in ("default", "kube-system", "kube-public"):
        assert found[name] == "Active"
    (node,) = lines(kubectl("get", "nodes", "--no-headers"))
    assert node[1] == "Ready"


def test_deploy_and_look(kubectl, web):
    assert lines(kubectl("get", "deployment", "web"))[0] == [
        "NAME",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "AGE",
    ]
    assert lines(kubectl("get", "deployment", "web", "--no-headers"))[0][:4] == [
        "web",
        "1/1",
        "1",
        "1",
    ]
    (pod,) = lines(kubectl("get", "pods", "-l", "app=web", "--no-headers"))
    assert pod[1:4] == ["1/1", "Running", "0"]
    everything = kubectl("get", "all")
    assert "pod/web-" in everything
    assert "deployment.apps/web" in everything
    assert "replicaset.apps/web-" in everything


def test_describe(kubectl, web):
    text = kubectl("describe", "deployment", "web")
    assert "NewReplicaSetAvailable" in text
    assert "ScalingReplicaSet" in text
    assert "RollingUpdate" in text
    text = kubectl("describe", "pods", "-l", "app=web")
    assert "Controlled By:  ReplicaSet/web-" in text
    assert "QoS Class:" in text
    assert "Scheduled" in text
    assert kubectl("describe", "nodes")
    assert kubectl("describe", "namespace", "default")


def test_explain(kubectl):
    text = kubectl("explain", "deployment.spec.strategy.rollingUpdate.maxSurge")
    assert "FIELD: maxSurge <IntOrString>" in text
    assert "The maximum number of pods that can be scheduled above the desired number" in text
    assert "EndpointSlice represents" in kubectl("explain", "endpointslices")


def test_logs_and_exec(kubectl, web):
    assert "listening" in kubectl("logs", "deployment/web")
    assert kubectl("exec", "deployment/web", "--", *SHOW_TEXT) == "one\n"


def test_events(kubectl, web):
    text = kubectl("events", "--for", "deployment/web")
    assert "ScalingReplicaSet" in text


def test_events_of_both_groups_are_the_same(kubectl, web):
    def read(resource):
        items = json.loads(kubectl("get", resource, "-o", "json"))["items"]
        return {event["metadata"]["uid"]: event for event in items}

    old, new = read("events"), read("events.events.k8s.io")
    shared = [uid for uid, e in old.items() if uid in new and e["reason"] == "ScalingReplicaSet"]
    first, second = old[shared[0]], new[shared[0]]
    assert second["apiVersion"] == "events.k8s.io/v1"
    assert second["regarding"] == first["involvedObject"]
    assert second["note"] == first["message"]
    header = kubectl("get", "events.events.k8s.io").splitlines()[0].split()
    assert header == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    made = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "mine"},
        "regarding": {
            "kind": "ConfigMap",
            "name": "x",
            "namespace": first["metadata"]["namespace"],
        },
        "reason": "Seen",
        "note": "a note",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/tool",
        "reportingInstance": "tool-1",
        "action": "Look",
    }
    kubectl("create", "-f", "-", stdin=json.dumps(made))
    assert kubectl("get", "event", "mine", "-o", "jsonpath={.message}") == "a note"
    kubectl("delete", "events.events.k8s.io", "mine")


def test_who_may_do_what(kubectl):
    assert kubectl("auth", "can-i", "create", "deployments") == "yes\n"
    assert kubectl("auth", "can-i", "*", "*", "--all-namespaces") == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list")
    who = json.loads(kubectl("auth", "whoami", "-o", "json"))
    assert "system:masters" in who["status"]["userInfo"]["groups"]


def test_eviction(kubectl):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "evicted"},
        "spec": {
            "containers": [{"name": "c", "image": "busybox:1.36", "command": ["sleep", "1000"]}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", "pod/evicted", "--timeout=30s", timeout=60)
    namespace = kubectl("get", "pod", "evicted", "-o", "jsonpath={.metadata.namespace}")
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "evicted", "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/evicted/eviction"
    answer = json.loads(kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction)))
    assert answer["status"] == "Success"
    kubectl("wait", "--for=delete", "pod/evicted", "--timeout=30s", timeout=60)


def test_wait(kubectl, web):
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=10s")
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "deployment/web", "--timeout=10s")


def test_rollouts(kubectl):
    name = "rolled"
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment(name, "one", replicas=2)))
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment(name, "two", replicas=2)))
    out = kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    assert "successfully rolled out" in out
    history = kubectl("rollout", "history", f"deployment/{name}")
    assert [row[0] for row in lines(history)[2:] if row] == ["1", "2"]
    assert "TEXT" in kubectl("rollout", "history", f"deployment/{name}", "--revision=2")
    kubectl("rollout", "undo", f"deployment/{name}")
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    assert kubectl("exec", f"deployment/{name}", "--", *SHOW_TEXT) == "one\n"
    kubectl("rollout", "restart", f"deployment/{name}")
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    kubectl("scale", f"deployment/{name}", "--replicas=1")
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    kubectl("delete", "deployment", name, "--cascade=foreground", "--timeout=20s")
    assert kubectl("get", "rs,pods", "-l", f"app={name}") == ""


def test_server_side_apply_and_its_conflicts(kubectl):
    config = config_map("shared", a="1")
    kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(config))
    config["data"]["a"] = "2"
    other = ("apply", "--server-side", "--field-manager=other", "-f", "-")
    assert "conflict" in kubectl.error(*other, stdin=json.dumps(config))
    kubectl(*other, "--force-conflicts", stdin=json.dumps(config))
    assert kubectl("get", "cm", "shared", "-o", "jsonpath={.data.a}") == "2"
    kubectl("delete", "cm", "shared")


def test_what_is_refused_says_why(kubectl):
    wrong = deployment("wrong")
    wrong["spec"]["selector"]["matchLabels"] = {"app": "other"}
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(wrong))
    assert (
        'The Deployment "wrong" is invalid: spec.template.metadata.labels: Invalid value: '
        '{"app":"wrong"}: `selector` does not match template `labels`' in text
    )
    unknown = deployment("wrong", replica=3)
    text = kubectl.error("create", "-f", "-", stdin=json.dumps(unknown))
    assert 'unknown field "spec.replica"' in text


def test_a_kind_that_is_not_served(kubectl):
    strange = {"apiVersion": "strange.example.com/v1", "kind": "Strange", "metadata": {"name": "x"}}
    for arguments in (("apply",), ("create",), ("apply", "--server-side")):
        text = kubectl.error(*arguments, "-f", "-", stdin=json.dumps(strange))
        assert 'no matches for kind "Strange" in version "strange.example.com/v1"' in text


def test_a_paused_rollout_waits(kubectl):
    name = "paused"
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment(name, "one")))
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    kubectl("rollout", "pause", f"deployment/{name}")
    kubectl("apply", "-f", "-", stdin=json.dumps(deployment(name, "two")))
    generation = kubectl("get", "deployment", name, "-o", "jsonpath={.metadata.generation}")
    observed = f"--for=jsonpath={{.status.observedGeneration}}={generation}"
    kubectl("wait", observed, f"deployment/{name}", "--timeout=20s")
    assert kubectl("exec", f"deployment/{name}", "--", *SHOW_TEXT) == "one\n"
    kubectl("rollout", "resume", f"deployment/{name}")
    kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    assert kubectl("exec", f"deployment/{name}", "--", *SHOW_TEXT) == "two\n"
    kubectl("delete", "deployment", name, "--wait=false")


def test_namespaces_come_and_go(kubectl):
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short"}},
        config_map("c", namespace="short"),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "short"},
            "stringData": {"a": "b"},
        },
    ]
    kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(o) for o in objects))
    assert lines(kubectl("get", "secret", "s", "-n", "short", "--no-headers"))[0][:3] == [
        "s",
        "Opaque",
        "1",
    ]
    kubectl("delete", "namespace", "short", "--timeout=20s")
    assert 'namespaces "short" not found' in kubectl.error("get", "namespace", "short")


def test_services(kubectl, web):
    kubectl("expose", "deployment", "web", "--port=80", "--target-port=8000")
    (service,) = lines(kubectl("get", "service", "web", "--no-headers"))
    assert service[1] == "ClusterIP"
    assert service[4] == "80/TCP"
    assert "Endpoints:" in kubectl("describe", "service", "web")
    kubectl("delete", "service", "web")


def test_diff_and_patches(kubectl, web):
    changed = deployment(text="two")
    done = kubectl.run("diff", "-f", "-", stdin=json.dumps(changed))
    assert done.returncode == 1, done.stderr
    assert "+          value: two" in done.stdout
    kubectl("label", "deployment", "web", "tier=front")
    kubectl("annotate", "deployment", "web", "note=yes")
    kubectl("patch", "deployment", "web", "-p", '{"spec":{"minReadySeconds":0}}')
    assert "web" in kubectl("get", "deployments", "-l", "tier=front", "-o", "name")


def test_a_watch_shows_changes(kubectl, web):
    arguments = ["get", "configmaps", "--watch-only", "--no-headers", "--request-timeout=20s"]
    with subprocess.Popen(
        [KUBECTL, *arguments], env=kubectl.environment, stdout=subprocess.PIPE, text=True
    ) as watch:
        try:
            number = 0
            seen = ""

            def read():
                nonlocal seen
                assert watch.stdout is not None
                seen = watch.stdout.readline()

            reader = threading.Thread(target=read)
            reader.start()
            # The watch may begin after the first of these; some later one is seen.
            while reader.is_alive() and number < 50:
                number += 1
                kubectl("create", "-f", "-", stdin=json.dumps(config_map(f"w-{number}")))
                reader.join(0.05)
            reader.join(5)
        finally:
            watch.kill()
    assert seen.startswith("w-")


def test_create_commands_which_send_protobuf(kubectl):
    kubectl("create", "namespace", "made")
    kubectl("create", "configmap", "one", "-n", "made", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "two", "-n", "made", "--from-literal=a=b")
    kubectl("create", "serviceaccount", "three", "-n", "made")
    kubectl("create", "service", "clusterip", "four", "-n", "made", "--tcp=80:8000")
    kubectl(
        "create", "deployment", "five", "-n", "made", "--image=busybox:1.36", "--", "sleep", "60"
    )
    kubectl("rollout", "status", "deployment/five", "-n", "made", "--timeout=20s")
    made = json.loads(
        kubectl("get", "cm/one", "secret/two", "svc/four", "-n", "made", "-o", "json")
    )
    config, secret, service = made["items"]
    assert config["data"] == {"a": "b"}
    assert secret["data"] == {"a": "Yg=="}
    assert service["spec"]["ports"][0]["targetPort"] == 8000
    # nothing to wait for: `sleep`, as the first process of a container, takes no notice of SIGTERM
    kubectl("delete", "namespace", "made", "--wait=false")
