"""What is shown of pods, which one is chosen, and whose they are."""

import asyncio

import pytest

from kapp.cluster.owners import Owners
from kapp.cluster.pods import (
    is_current,
    matches,
    matches_any,
    status_text,
    summarize,
)
from kapp.machinery.objects import Resource, gvk_of
from kapp.machinery.status import not_found


def pod(**status):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-1",
            "namespace": "default",
            "uid": "u1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"kapp.dev/template-hash": "h1"},
        },
        "spec": {
            "containers": [{"name": "c", "image": "img", "ports": [{"containerPort": 8000}]}],
            "initContainers": [{"name": "i", "image": "init"}],
        },
        "status": status,
    }


def test_summary_has_every_field():
    running = pod(
        phase="Running",
        conditions=[{"type": "Ready", "status": "True"}],
        initContainerStatuses=[
            {"name": "i", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
        ],
        containerStatuses=[
            {
                "name": "c",
                "containerID": "containerd://abc",
                "ready": True,
                "restartCount": 2,
                "image": "img:latest",
                "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}},
            }
        ],
    )
    owner = {"name": "web", "apiVersion": "apps/v1", "kind": "ReplicaSet", "other": 1}
    assert summarize(running, ancestor_uid="d1", owner=owner) == {
        "uid": "u1",
        "name": "web-1",
        "namespace": "default",
        "createdAt": "2026-01-01T00:00:00Z",
        "phase": "Running",
        "deleting": False,
        "ready": True,
        "conditions": [{"type": "Ready", "status": "True"}],
        "initContainers": [
            {
                "name": "i",
                "id": "",
                "ready": False,
                "image": "init",
                "restarts": 0,
                "state": {"terminated": {"reason": "Completed", "exitCode": 0}},
                "ports": [],
            }
        ],
        "containers": [
            {
                "name": "c",
                "id": "abc",
                "ready": True,
                "image": "img:latest",
                "restarts": 2,
                "state": {"running": {"startedAt": "2026-01-01T00:00:05Z"}},
                "ports": [8000],
            }
        ],
        "status": "Running",
        "errors": [],
        "ancestorUID": "d1",
        "podTemplateSpecHash": "h1",
        "owner": {"name": "web", "apiVersion": "apps/v1", "kind": "ReplicaSet"},
    }


def test_a_pod_without_a_status_is_shown_too():
    entry = summarize(pod())
    assert entry["phase"] == "Unknown"
    assert entry["containers"][0]["state"] == {"waiting": {"reason": ""}}


def waiting(reason):
    return [{"name": "c", "state": {"waiting": {"reason": reason}}}]


def ended(**state):
    return [{"name": "c", "state": {"terminated": state}}]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Running", "containerStatuses": waiting("CrashLoopBackOff")},
            "CrashLoopBackOff",
        ),
        ({"phase": "Failed", "containerStatuses": ended(exitCode=1, reason="Error")}, "Error"),
        ({"phase": "Failed", "containerStatuses": ended(exitCode=2)}, "ExitCode:2"),
        ({"phase": "Failed", "containerStatuses": ended(exitCode=137, signal=9)}, "Signal:9"),
        ({"phase": "Pending", "initContainerStatuses": waiting("PodInitializing")}, "Init:0/1"),
        (
            {"phase": "Pending", "initContainerStatuses": waiting("ErrImagePull")},
            "Init:ErrImagePull",
        ),
        ({"phase": "Pending", "initContainerStatuses": ended(exitCode=4)}, "Init:ExitCode:4"),
    ],
)
def test_status_text_is_kubectls(status, text):
    assert status_text(pod(**status)) == text


def test_a_deleting_pod_is_terminating():
    going = pod(phase="Running")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert status_text(going) == "Terminating"


def test_current_means_made_from_an_applied_template():
    assert is_current({"podTemplateSpecHash": "new"}, {"new"})
    assert not is_current({"podTemplateSpecHash": "old"}, {"new"})
    assert is_current({"podTemplateSpecHash": ""}, {"new"})
    assert is_current({"podTemplateSpecHash": "new"}, ())


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({}, False),
    ],
)
def test_selectors(selector, selected):
    assert matches(selector, {"a": "1"}) is selected
    assert matches_any([selector], {"metadata": {"labels": {"a": "1"}}}) is selected


class Cluster:
    """Answers get from a dict and counts; finds every kind."""

    def __init__(self, *objects):
        self.objects = {(o["kind"], o["metadata"]["name"]): o for o in objects}
        self.asked = []

    async def get(self, resource, name, namespace=""):
        self.asked.append(f"{resource.kind}/{name}")
        await asyncio.sleep(0)
        if (resource.kind, name) not in self.objects:
            raise not_found(resource.plural, name)
        return self.objects[resource.kind, name]

    async def resource_for(self, gvk):
        return Resource(gvk.group, gvk.version, gvk.kind.lower() + "s", gvk.kind, True)


def owned(kind, name, uid, owner=None):
    obj = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "uid": uid}}
    if owner is not None:
        gvk = gvk_of(owner)
        reference = {"apiVersion": gvk.api_version, "kind": gvk.kind}
        reference |= {k: owner["metadata"][k] for k in ("name", "uid")}
        obj["metadata"]["ownerReferences"] = [reference]
    return obj


async def test_an_ancestor_is_found_up_the_chain_and_asked_for_once():
    deployment = owned("Deployment", "web", "d1")
    replicas = owned("ReplicaSet", "web-1", "r1", deployment)
    cluster = Cluster(deployment, replicas)
    owners = Owners(cluster, cluster)
    pods = [owned("Pod", f"p{i}", f"p{i}", replicas) for i in range(5)]
    found = await asyncio.gather(*(owners.ancestor(p, {"d1"}) for p in pods))
    assert found == ["d1"] * 5
    assert sorted(cluster.asked) == ["Deployment/web", "ReplicaSet/web-1"]
    assert [o.kind for o in await owners.chain(pods[0])] == ["ReplicaSet", "Deployment"]
    assert await owners.ancestor(pods[0], {"other"}) == ""
    assert len(cluster.asked) == 2


async def test_direct_owners_need_no_request():
    cluster = Cluster()
    owners = Owners(cluster, cluster)
    direct = owned("Pod", "p", "p1", owned("Job", "j", "j1"))
    assert await owners.ancestor(direct, {"j1"}) == "j1"
    assert await owners.ancestor(direct, {"p1"}) == "p1"
    assert cluster.asked == []


async def test_a_chain_ends_at_an_owner_that_is_gone_or_another():
    gone, other = owned("ReplicaSet", "gone", "r1"), owned("ReplicaSet", "web", "r2")
    cluster = Cluster(owned("ReplicaSet", "web", "r-new"))
    owners = Owners(cluster, cluster)
    assert await owners.chain(owned("Pod", "p", "p1", gone)) == []
    assert await owners.chain(owned("Pod", "p", "p2", other)) == []
