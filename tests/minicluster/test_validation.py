from copy import deepcopy

import pytest

from kapp.minicluster.defaults import core as core_defaults
from kapp.minicluster.defaults import pods as pod_defaults
from kapp.minicluster.defaults import workloads as workload_defaults
from kapp.minicluster.validation import core, pods, workloads

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx"}]},
        },
    },
}


def deployment(**spec):
    obj = deepcopy(DEPLOYMENT)
    obj["spec"].update(spec)
    workload_defaults.deployment(obj)
    return obj


def pod(**spec):
    obj = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "a", "image": "a"}], **spec},
    }
    pod_defaults.pod(obj)
    return obj


def texts(causes):
    return [f"{c.field}: {c.message}" for c in causes]


def test_valid_objects_have_no_causes():
    assert workloads.deployment(deployment(), None) == []
    assert pods.pod(pod(), None) == []


def test_a_selector_must_match_the_template():
    found = workloads.deployment(deployment(selector={"matchLabels": {"app": "b"}}), None)
    assert texts(found) == [
        (
            'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
            "`selector` does not match template `labels`"
        )
    ]


def test_a_selector_is_immutable():
    new = deployment(selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]})
    found = workloads.deployment(new, deployment())
    assert texts(found) == [
        (
            'spec.selector: Invalid value: {"matchExpressions":'
            '[{"key":"app","operator":"Exists"}]}: field is immutable'
        )
    ]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"replicas": -1},
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"strategy": {"type": "Other"}},
            (
                'spec.strategy.type: Unsupported value: "Other": supported values: "Recreate", '
                '"RollingUpdate"'
            ),
        ),
        (
            {"strategy": {"type": "Recreate", "rollingUpdate": {}}},
            (
                "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy "
                "`type` is 'Recreate'"
            ),
        ),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}},
            (
                'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 '
                "when `maxSurge` is 0"
            ),
        ),
        (
            {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
            "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds",
        ),
    ],
)
def test_deployments(spec, text):
    assert texts(workloads.deployment(deployment(**spec), None)) == [text]


@pytest.mark.parametrize(
    ("container", "text"),
    [
        ({"name": "a", "image": "x"}, 'spec.containers[1].name: Duplicate value: "a"'),
        ({"name": "b"}, "spec.containers[1].image: Required value"),
        ({"image": "x"}, "spec.containers[1].name: Required value"),
        (
            {"name": "b", "image": "x", "ports": [{"containerPort": 70000}]},
            (
                "spec.containers[1].ports[0].containerPort: Invalid value: 70000: must be "
                "between 1 and 65535, inclusive"
            ),
        ),
        (
            {
                "name": "b",
                "image": "x",
                "ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}],
            },
            'spec.containers[1].ports[1].name: Duplicate value: "a"',
        ),
        (
            {"name": "b", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
            'spec.containers[1].volumeMounts[0].name: Not found: "v"',
        ),
        (
            {"name": "b", "image": "x", "readinessProbe": {"periodSeconds": 1}},
            "spec.containers[1].readinessProbe: Required value: must specify a handler type",
        ),
        (
            {"name": "b", "image": "x", "imagePullPolicy": "Sometimes"},
            (
                'spec.containers[1].imagePullPolicy: Unsupported value: "Sometimes": supported '
                'values: "Always", "IfNotPresent", "Never"'
            ),
        ),
        (
            {
                "name": "b",
                "image": "x",
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}},
            },
            (
                'spec.containers[1].resources.requests: Invalid value: "2": must be less than or '
                "equal to cpu limit of 1"
            ),
        ),
    ],
)
def test_containers(container, text):
    found = pods.pod(pod(containers=[{"name": "a", "image": "a"}, container]), None)
    assert texts(found) == [text]


def test_a_pod_without_containers():
    assert texts(pods.pod(pod(containers=[]), None)) == ["spec.containers: Required value"]


def test_only_images_of_a_pod_may_change():
    new = pod(containers=[{"name": "a", "image": "b"}])
    assert pods.pod(new, pod(containers=[{"name": "a", "image": "a"}])) == []
    new["spec"]["containers"][0]["command"] = ["x"]
    (cause,) = pods.pod(new, pod())
    assert cause.field == "spec"
    assert cause.message.startswith("Forbidden: pod updates may not change fields other than")


def test_the_scheduler_may_name_the_node_once():
    bound = pod(nodeName="n")
    assert pods.pod(bound, pod()) == []
    assert [c.field for c in pods.pod(pod(nodeName="m"), bound)] == ["spec"]


def test_services():
    def service(name="web", **spec):
        obj = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
        core_defaults.service(obj)
        return obj

    assert core.service(service(clusterIP="10.96.0.20"), None) == []
    assert texts(core.service(service(ports=[]), None)) == ["spec.ports: Required value"]
    assert texts(core.service(service(ports=[{"port": 0}]), None))[0] == (
        "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"
    )
    two = service(ports=[{"port": 80}, {"port": 81, "name": "b"}])
    assert texts(core.service(two, None)) == ["spec.ports[0].name: Required value"]
    changed = core.service(service(clusterIP="10.96.0.21"), service(clusterIP="10.96.0.20"))
    assert texts(changed) == [
        'spec.clusterIPs[0]: Invalid value: "10.96.0.21": may not change once set'
    ]
    (cause,) = core.service(service(name="1web"), None)
    assert cause.field == "metadata.name"
    assert "a DNS-1035 label must consist of" in cause.message


def test_immutable_config_maps_and_secrets():
    old = {"data": {"a": "1"}, "immutable": True}
    new = {"data": {"a": "2"}, "immutable": True}
    frozen = "data: Forbidden: field is immutable when `immutable` is set"
    assert texts(core.config_map(new, old)) == [frozen]
    assert texts(core.config_map({"data": {"a": "1"}}, old)) == [
        "immutable: Forbidden: field is immutable when `immutable` is set"
    ]
    secret = {"type": "Opaque", "data": {"a": "YQ=="}, "immutable": True}
    assert texts(core.secret({**secret, "data": {"a": "Yg=="}}, secret)) == [frozen]


def test_a_secret_keeps_its_type_and_its_values_to_itself():
    old = {"type": "Opaque", "data": {}}
    assert texts(core.secret({"type": "other", "data": {}}, old)) == [
        'type: Invalid value: "other": field is immutable'
    ]
    (text,) = texts(core.secret({"type": "Opaque", "data": {"a": "%hunter2%"}}, None))
    assert "hunter2" not in text
    assert texts(core.secret({"type": "kubernetes.io/tls", "data": {"tls.key": ""}}, None)) == [
        "data[tls.crt]: Required value"
    ]


def test_config_keys():
    (text,) = texts(core.config_map({"data": {"a/b": ""}}, None))
    assert text.startswith(
        'data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric '
    )
