from datetime import UTC, datetime

import pytest

from kapp.minicluster.columns import core, pods

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def cells(columns, obj, wide=False):
    return {c.name: c.value(obj, NOW) for c in columns if wide or not c.priority}


def pod(status, *, init=(), containers=("a",), deleting=False, **meta):
    if deleting:
        meta["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    return {
        "metadata": {"name": "p", "creationTimestamp": "2026-11-23T11:55:00Z", **meta},
        "spec": {
            "containers": [{"name": name} for name in containers],
            "initContainers": [{"name": name} for name in init],
        },
        "status": status,
    }


def waiting(reason):
    return {"state": {"waiting": {"reason": reason}}, "restartCount": 0}


def running(ready=True, restarts=0, **more):
    return {"state": {"running": {}}, "ready": ready, "restartCount": restarts, **more}


def ended(code, reason="", **more):
    return {"state": {"terminated": {"exitCode": code, "reason": reason, **more}}}


TRUE_READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Running", "containerStatuses": [running()]}, "Running"),
        (
            {"phase": "Pending", "containerStatuses": [waiting("ContainerCreating")]},
            "ContainerCreating",
        ),
        (
            {"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]},
            "CrashLoopBackOff",
        ),
        ({"phase": "Failed", "containerStatuses": [ended(1, "Error")]}, "Error"),
        ({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}, "Completed"),
        ({"phase": "Failed", "containerStatuses": [ended(3)]}, "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [ended(137, signal=9)]}, "Signal:9"),
        (
            {
                "phase": "Running",
                "conditions": TRUE_READY,
                "containerStatuses": [ended(0, "Completed"), running()],
            },
            "Running",
        ),
        (
            {"phase": "Running", "containerStatuses": [ended(0, "Completed"), running()]},
            "NotReady",
        ),
    ],
)
def test_pod_status(status, expected):
    assert cells(pods.PODS, pod(status))["Status"] == expected


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([running(False), waiting("PodInitializing")], "Init:0/2"),
        ([ended(0, "Completed"), running(False)], "Init:1/2"),
        ([ended(1, "Error")], "Init:Error"),
        ([ended(2)], "Init:ExitCode:2"),
        ([waiting("CrashLoopBackOff")], "Init:CrashLoopBackOff"),
    ],
)
def test_pod_status_while_initialising(statuses, expected):
    found = pod({"phase": "Pending", "initContainerStatuses": statuses}, init=("i", "j"))
    assert cells(pods.PODS, found)["Status"] == expected


def test_a_deleted_pod_is_terminating_unless_it_ended():
    status = {"phase": "Running", "containerStatuses": [running()]}
    assert cells(pods.PODS, pod(status, deleting=True))["Status"] == "Terminating"
    done = {"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]}
    assert cells(pods.PODS, pod(done, deleting=True))["Status"] == "Completed"


def test_restarts_say_when_the_last_one_was():
    last = {"terminated": {"finishedAt": "2026-11-23T11:58:30Z"}}
    status = {"phase": "Running", "containerStatuses": [running(True, 2, lastState=last)]}

    found = cells(pods.PODS, pod(status), wide=True)

    assert found == {
        "Name": "p",
        "Ready": "1/1",
        "Status": "Running",
        "Restarts": "2 (90s ago)",
        "Age": "5m",
        "IP": "<none>",
        "Node": "<none>",
        "Nominated Node": "<none>",
        "Readiness Gates": "<none>",
    }


def test_services():
    service = {
        "metadata": {"name": "web", "creationTimestamp": "2026-11-23T11:00:00Z"},
        "spec": {
            "type": "NodePort",
            "clusterIP": "10.96.0.9",
            "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
            "selector": {"b": "2", "a": "1"},
        },
    }
    assert cells(core.SERVICES, service, wide=True) == {
        "Name": "web",
        "Type": "NodePort",
        "Cluster-IP": "10.96.0.9",
        "External-IP": "<none>",
        "Port(s)": "80:30080/TCP",
        "Age": "60m",
        "Selector": "a=1,b=2",
    }


def test_events():
    event = {
        "metadata": {"name": "web.1"},
        "involvedObject": {"kind": "Pod", "name": "web"},
        "type": "Normal",
        "reason": "Started",
        "message": "Started container web",
        "firstTimestamp": "2026-11-23T11:00:00Z",
        "lastTimestamp": "2026-11-23T11:59:00Z",
    }
    assert cells(core.EVENTS, event) == {
        "Last Seen": "60s",
        "Type": "Normal",
        "Reason": "Started",
        "Object": "pod/web",
        "Message": "Started container web",
    }


def test_a_cordoned_node():
    node = {
        "metadata": {"name": "n", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.0"},
        },
    }
    found = cells(core.NODES, node)
    assert found["Status"] == "Ready,SchedulingDisabled"
    assert found["Roles"] == "control-plane"
    assert found["Version"] == "v1.36.0"
