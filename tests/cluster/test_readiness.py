"""Tables of objects to states."""

# ruff: noqa: E501 - a case a line reads better in a table

import pytest

from kapp import yamlio
from kapp.cluster.readiness import overall, pod_errors, readiness

CASES = """
- name: deployment that nobody has seen yet
  expect: progressing
  object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 1}, spec: {replicas: 1}}
- name: deployment whose controller is behind
  expect: progressing
  message: newest version
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 3}
    spec: {replicas: 1}
    status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
- name: deployment rolling out
  expect: progressing
  message: 1 of 3 pods updated
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 3}
    status: {observedGeneration: 2, replicas: 3, updatedReplicas: 1, availableReplicas: 3}
- name: deployment with old pods
  expect: progressing
  message: 1 old pods
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 2}
    status: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 3}
- name: deployment not available
  expect: progressing
  message: 1 of 2 pods available
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 2}
    status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 1}
- name: deployment complete, replicas defaulted
  expect: ready
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {}
    status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
- name: deployment scaled to nothing
  expect: ready
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 0}
    status: {observedGeneration: 2}
- name: deployment past its deadline
  expect: failed
  reason: ProgressDeadlineExceeded
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 1}
    status:
      observedGeneration: 2
      conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: too slow}]
- name: deployment over quota
  expect: failed
  message: exceeded quota
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: a, generation: 2}
    spec: {replicas: 1}
    status:
      observedGeneration: 2
      conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: exceeded quota}]
- name: replica set
  expect: ready
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 1}, status: {replicas: 1, availableReplicas: 1}}
- name: replica set scaling down
  expect: progressing
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 1}, status: {replicas: 2, availableReplicas: 2}}
- name: stateful set mid-update
  expect: progressing
  message: 1 of 2 pods updated
  object:
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: a}
    spec: {replicas: 2}
    status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, updatedReplicas: 1, currentRevision: x, updateRevision: y}
- name: stateful set done
  expect: ready
  object:
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: a}
    spec: {replicas: 2}
    status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, updatedReplicas: 2, currentRevision: y, updateRevision: y}
- name: stateful set with a partition
  expect: ready
  object:
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: a}
    spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}
    status: {observedGeneration: 1, replicas: 3, readyReplicas: 3, updatedReplicas: 1, currentRevision: x, updateRevision: y}
- name: daemon set without a fitting node
  expect: ready
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {}, status: {observedGeneration: 1, desiredNumberScheduled: 0}}
- name: daemon set updating
  expect: progressing
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {}, status: {observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2}}
- name: job running
  expect: progressing
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {active: 1}}
- name: job complete
  expect: ready
  reason: Complete
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Complete, status: "True"}]}}
- name: job failed
  expect: failed
  reason: BackoffLimitExceeded
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Failed, status: "True", reason: BackoffLimitExceeded, message: limit}]}}
- name: cron job
  expect: ready
  object: {apiVersion: batch/v1, kind: CronJob, metadata: {name: a}}
- name: claim pending
  expect: progressing
  object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Pending}}
- name: claim bound
  expect: ready
  object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Bound}}
- name: claim lost
  expect: failed
  object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, status: {phase: Lost}}
- name: service
  expect: ready
  object: {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {}}
- name: load balancer without an address
  expect: progressing
  object: {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: LoadBalancer}}
- name: crd
  expect: progressing
  object: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}}
- name: crd established
  expect: ready
  object: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, status: {conditions: [{type: Established, status: "True"}]}}
- name: crd with names that are taken
  expect: failed
  object: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, status: {conditions: [{type: NamesAccepted, status: "False", reason: Conflict, message: taken}]}}
- name: namespace going
  expect: deleting
  object: {apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Terminating}}
- name: anything going
  expect: deleting
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z"}}
- name: kind without a status
  expect: ready
  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
- name: custom ready
  expect: ready
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Ready, status: "True"}]}}
- name: custom not ready
  expect: progressing
  message: "Waiting: for something"
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Ready, status: "False", reason: Waiting, message: for something}]}}
- name: custom available
  expect: progressing
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Available, status: Unknown}]}}
- name: custom stalled
  expect: failed
  reason: BadSpec
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Stalled, status: "True", reason: BadSpec}]}}
- name: custom reconciling
  expect: progressing
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Reconciling, status: "True"}, {type: Ready, status: "True"}]}}
- name: custom without conditions
  expect: ready
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {phase: Whatever}}
- name: pod pending
  expect: progressing
  message: phase Pending
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending}}
- name: pod creating
  expect: progressing
  message: ContainerCreating
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ContainerCreating}}}]}}
- name: pod ready
  expect: ready
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}
- name: pod not ready
  expect: progressing
  message: "containers with unready status: [c]"
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, conditions: [{type: Ready, status: "False", message: "containers with unready status: [c]"}], containerStatuses: [{name: c, state: {running: {}}}]}}
- name: pod in a crash loop
  expect: failed
  reason: CrashLoopBackOff
  message: "container c: back-off"
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, state: {waiting: {reason: CrashLoopBackOff, message: back-off}}}]}}
- name: pod that just crashed
  expect: failed
  message: exited with code 3
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, state: {terminated: {exitCode: 3, reason: Error}}}]}}
- name: pod whose image cannot be pulled
  expect: failed
  reason: ImagePullBackOff
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ImagePullBackOff}}}]}}
- name: pod whose init container crashes
  expect: failed
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, initContainerStatuses: [{name: i, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 9}}}]}}
- name: pod that fits nowhere
  expect: failed
  reason: Unschedulable
  message: 0/1 nodes
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/1 nodes are available}]}}
- name: pod evicted
  expect: failed
  reason: Evicted
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Failed, reason: Evicted, message: no disk}}
- name: pod that ran to its end
  expect: ready
  reason: Succeeded
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Succeeded, containerStatuses: [{name: c, state: {terminated: {exitCode: 0}}}]}}
"""


@pytest.mark.parametrize("case", yamlio.load(CASES), ids=lambda case: case["name"])
def test_state(case):
    found = readiness(case["object"])
    assert found.state == case["expect"], found
    assert case.get("reason", "") in found.reason
    assert case.get("message", "") in found.message


def crashing(name, **metadata):
    states = [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "status": {"phase": "Running", "containerStatuses": states},
    }


def test_overall_is_the_worst_and_names_it():
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "n"}}
    assert overall([config]).state == "ready"
    assert overall([config, job]).message == "Job/n/j: not started"
    found = overall([config, job], [crashing("p")])
    assert (found.state, found.reason) == ("failed", "CrashLoopBackOff")
    assert found.message == "Pod/p: container c: cannot start"


def test_pods_that_go_away_do_not_count():
    old = crashing("old", deletionTimestamp="2026-01-01T00:00:00Z")
    assert overall([], [old]).state == "ready"


def test_all_of_a_pods_errors_are_told():
    pod = crashing("p")
    pod["status"]["initContainerStatuses"] = [
        {"name": "i", "state": {"terminated": {"exitCode": 1}}}
    ]
    assert [e.message for e in pod_errors(pod)] == [
        "container i: exited with code 1",
        "container c: cannot start",
    ]
