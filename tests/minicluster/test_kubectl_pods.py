"""Pods that do not come to run, as kubectl shows them; the same on a real cluster."""

import json

import pytest


def pod(name, image="busybox:1.36", command=("sleep", "1000"), policy="", **spec):
    container = {"name": "c", "image": image}
    if command:
        container["command"] = list(command)
    if policy:
        container["imagePullPolicy"] = policy
    if "resources" in spec:
        container["resources"] = spec.pop("resources")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


@pytest.fixture(scope="module")
def pods(kubectl):
    lost = "registry.invalid/thing:1"
    made = [
        pod("unnamed", "Upper/Case:1"),
        pod("unpulled", lost),
        pod("commandless", lost, ()),
        pod("never", lost, policy="Never"),
        pod("picky", nodeSelector={"no": "where"}),
        pod("large", resources={"requests": {"cpu": "10000"}}),
    ]
    kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, made)))
    yield
    kubectl("delete", "pods", "--all", "--wait=false")


def waiting(kubectl, name, reason):
    path = "{.status.containerStatuses[0].state.waiting.reason}"
    kubectl("wait", f"--for=jsonpath={path}={reason}", f"pod/{name}", "--timeout=60s", timeout=90)
    status = json.loads(kubectl("get", "pod", name, "-o", "json"))["status"]
    assert status["phase"] == "Pending"
    assert kubectl("get", "pod", name, "--no-headers").split()[1:4] == ["0/1", reason, "0"]
    return status["containerStatuses"][0]["state"]["waiting"]["message"]


def test_an_image_without_a_proper_name(kubectl, pods):
    message = waiting(kubectl, "unnamed", "InvalidImageName")
    assert message == (
        'Failed to apply default image tag "Upper/Case:1": couldn\'t parse image name '
        '"Upper/Case:1": invalid reference format: repository name (Case) must be lowercase'
    )
    events = kubectl("events", "--for", "pod/unnamed")
    assert "InspectFailed" in events
    assert "Error: InvalidImageName" in events


def test_images_that_cannot_be_pulled(kubectl, pods):
    for name in ("unpulled", "commandless"):
        message = waiting(kubectl, name, "ImagePullBackOff")
        prefix = 'Back-off pulling image "registry.invalid/thing:1": ErrImagePull: '
        assert message.startswith(prefix)
        assert "no such host" in message
        events = kubectl("events", "--for", f"pod/{name}")
        for text in ("Pulling image", "Error: ErrImagePull", "Error: ImagePullBackOff"):
            assert text in events
    message = waiting(kubectl, "never", "ErrImageNeverPull")
    text = 'Container image "registry.invalid/thing:1" is not present with pull policy of Never'
    assert message.startswith(text)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("picky", "1 node(s) didn't match Pod's node affinity/selector"),
        ("large", "1 Insufficient cpu"),
    ],
)
def test_pods_that_fit_nowhere(kubectl, pods, name, why):
    kubectl("wait", "--for=condition=PodScheduled=False", f"pod/{name}", "--timeout=30s")
    status = json.loads(kubectl("get", "pod", name, "-o", "json"))["status"]
    (condition,) = status["conditions"]
    del condition["lastTransitionTime"]
    condition.pop("lastProbeTime", None)
    assert condition == {
        "message": (
            f"0/1 nodes are available: {why}. no new claims to deallocate, preemption: 0/1 nodes "
            "are available: 1 Preemption is not helpful for scheduling."
        ),
        "observedGeneration": 1,
        "reason": "Unschedulable",
        "status": "False",
        "type": "PodScheduled",
    }
    assert "FailedScheduling" in kubectl("events", "--for", f"pod/{name}")
