"""Tables of objects to states."""

# ruff: noqa: E501 - a case a line reads better in a table

import pytest

from kapp import yamlio
from kapp.cluster.readiness import pod_errors, readiness

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
- name: pod that has crashed again, and waits for its next start
  expect: failed
  reason: CrashLoopBackOff
  message: "container c: exited with code 3"
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, restartCount: 1, state: {terminated: {exitCode: 3, reason: Error, startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:00:01Z"}}}]}}
- name: pod that has crashed again after it served for long
  expect: failed
  reason: Error
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, restartCount: 1, state: {terminated: {exitCode: 3, reason: Error, startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:10:01Z"}}}]}}
- name: pod of a job that has failed again
  expect: failed
  reason: Error
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {restartPolicy: OnFailure}, status: {phase: Running, containerStatuses: [{name: c, restartCount: 1, state: {terminated: {exitCode: 3, reason: Error, startedAt: "2026-01-01T00:00:00Z", finishedAt: "2026-01-01T00:00:01Z"}}}]}}
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
- name: deployment with too few pods
  expect: progressing
  message: 0 of 2 pods updated
  object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1}}
- name: deployment that makes no progress yet is not late
  expect: progressing
  message: 0 of 1 pods available
  object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 1}, spec: {progressDeadlineSeconds: 45}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, conditions: [{type: Progressing, status: "True", reason: ReplicaSetUpdated}, {type: Available, status: "False", reason: MinimumReplicasUnavailable}]}}
- name: deployment available, as the controller says too
  expect: ready
  object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 1}, spec: {progressDeadlineSeconds: 45}, status: {observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Progressing, status: "True", reason: NewReplicaSetAvailable}, {type: Available, status: "True"}]}}
- name: deployment being deleted
  expect: deleting
  reason: Deleting
  object: {apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 2, deletionTimestamp: "2026-01-01T00:00:00Z"}, status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1}}
- name: replica set without a status
  expect: progressing
  message: 0 of 2 pods
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 2}}
- name: replica set whose pods lack labels
  expect: progressing
  message: 1 of 2 pods labelled
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 2}, status: {replicas: 2, fullyLabeledReplicas: 1, availableReplicas: 2, readyReplicas: 2}}
- name: replica set that may not make pods
  expect: failed
  reason: FailedCreate
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 1}, status: {conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: quota}]}}
- name: replica set scaled to nothing
  expect: ready
  object: {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: a}, spec: {replicas: 0}, status: {replicas: 0}}
- name: replication controller
  expect: progressing
  object: {apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {replicas: 1}, status: {replicas: 1}}
- name: stateful set that nobody has seen yet
  expect: progressing
  message: has not seen it
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 1}}
- name: stateful set with too few pods ready
  expect: progressing
  message: 1 of 3 pods ready
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 3}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 1}}
- name: stateful set scaling down
  expect: progressing
  message: scaling down
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, currentRevision: y, updateRevision: y}}
- name: stateful set updated by hand
  expect: ready
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 1, updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, updatedReplicas: 0, currentRevision: x, updateRevision: y}}
- name: stateful set in the middle of its partition
  expect: progressing
  message: 0 of 3 pods updated
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 3, updateStrategy: {rollingUpdate: {partition: 2}}}, status: {observedGeneration: 1, replicas: 3, readyReplicas: 3, updatedReplicas: 0}}
- name: stateful set scaled to nothing
  expect: ready
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0}, status: {observedGeneration: 1}}
- name: stateful set whose controller is behind
  expect: progressing
  message: newest version
  object: {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 1, readyReplicas: 1}}
- name: daemon set that nobody has seen yet
  expect: progressing
  message: has not seen it
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, generation: 1}, spec: {}}
- name: daemon set with too few pods available
  expect: progressing
  message: 1 of 2 pods available
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, generation: 1}, spec: {}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1, numberReady: 1}}
- name: daemon set on all nodes
  expect: ready
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, generation: 1}, spec: {}, status: {observedGeneration: 1, desiredNumberScheduled: 2, currentNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2, numberReady: 2}}
- name: daemon set updated by hand
  expect: ready
  object: {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a, generation: 1}, spec: {updateStrategy: {type: OnDelete}}, status: {observedGeneration: 1, desiredNumberScheduled: 1, updatedNumberScheduled: 0, numberAvailable: 1}}
- name: job that has not begun
  expect: progressing
  message: not started
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}}
- name: job that tries again
  expect: progressing
  message: 1 pods running, 2 failed so far
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {active: 1, failed: 2, startTime: "2026-01-01T00:00:00Z"}}
- name: job about to fail
  expect: progressing
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {failed: 1, conditions: [{type: FailureTarget, status: "True", reason: BackoffLimitExceeded}]}}
- name: job past its deadline
  expect: failed
  reason: DeadlineExceeded
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {conditions: [{type: Failed, status: "True", reason: DeadlineExceeded, message: too long}]}}
- name: job that is suspended
  expect: ready
  reason: Suspended
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {suspend: true}, status: {conditions: [{type: Suspended, status: "True"}]}}
- name: job that was resumed
  expect: progressing
  object: {apiVersion: batch/v1, kind: Job, metadata: {name: a}, status: {active: 1, conditions: [{type: Suspended, status: "False"}]}}
- name: claim that nobody has seen yet
  expect: progressing
  object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}}
- name: claim that a finalizer holds
  expect: deleting
  object: {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [kubernetes.io/pvc-protection]}, status: {phase: Bound}}
- name: load balancer with an address
  expect: ready
  object: {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}}
- name: service of a name elsewhere
  expect: ready
  object: {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {type: ExternalName, externalName: example.com}}
- name: headless service
  expect: ready
  object: {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: None}}
- name: crd being installed
  expect: progressing
  object: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, status: {conditions: [{type: NamesAccepted, status: "True"}, {type: Established, status: "False", reason: Installing}]}}
- name: crd that cannot be installed
  expect: failed
  reason: NotAccepted
  object: {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: a}, status: {conditions: [{type: Established, status: "False", reason: NotAccepted, message: not all names are accepted}]}}
- name: namespace
  expect: ready
  object: {apiVersion: v1, kind: Namespace, metadata: {name: a}, status: {phase: Active}}
- name: disruption budget that nobody has seen yet
  expect: progressing
  object: {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a, generation: 2}, status: {observedGeneration: 1}}
- name: disruption budget that allows none
  expect: ready
  object: {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a, generation: 1}, status: {observedGeneration: 1, conditions: [{type: DisruptionAllowed, status: "False", reason: InsufficientPods}]}}
- name: autoscaler without metrics
  expect: ready
  object: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, status: {conditions: [{type: ScalingActive, status: "False", reason: FailedGetResourceMetric}]}}
- name: ingress without an address
  expect: ready
  object: {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, status: {loadBalancer: {}}}
- name: secret
  expect: ready
  object: {apiVersion: v1, kind: Secret, metadata: {name: a}}
- name: role
  expect: ready
  object: {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}}
- name: api service whose server is away
  expect: progressing
  message: MissingEndpoints
  object: {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: a}, status: {conditions: [{type: Available, status: "False", reason: MissingEndpoints}]}}
- name: api service
  expect: ready
  object: {apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: a}, status: {conditions: [{type: Available, status: "True"}]}}
- name: custom whose controller is behind
  expect: progressing
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a, generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True"}]}}
- name: custom that says it does not know
  expect: progressing
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Ready, status: Unknown}]}}
- name: custom both ready and stalled
  expect: failed
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Ready, status: "True"}, {type: Stalled, status: "True"}]}}
- name: custom ready before available
  expect: progressing
  message: Ready is False
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Available, status: "True"}, {type: Ready, status: "False"}]}}
- name: custom with conditions of its own words
  expect: ready
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: {conditions: [{type: Synced, status: "False"}]}}
- name: custom with an odd status
  expect: ready
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a}, status: fine}
- name: custom held by a finalizer (tilt-dev/tilt#6384)
  expect: deleting
  object: {apiVersion: example.com/v1, kind: Thing, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [example.com/x]}, status: {conditions: [{type: Ready, status: "True"}]}}
- name: pod that nobody has seen yet
  expect: progressing
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}}
- name: pod whose node is lost
  expect: progressing
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Unknown, conditions: [{type: Ready, status: "False", message: node is lost}]}}
- name: pod that fits nowhere though its phase says nothing (tilt-dev/tilt#4385)
  expect: failed
  reason: Unschedulable
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}}
- name: pod that waits for its gate
  expect: progressing
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, conditions: [{type: PodScheduled, status: "False", reason: SchedulingGated}]}}
- name: pod with an image name that cannot be
  expect: failed
  reason: InvalidImageName
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: InvalidImageName, message: no reference}}}]}}
- name: pod with an image that may not be pulled
  expect: failed
  reason: ErrImageNeverPull
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: ErrImageNeverPull}}}]}}
- name: pod whose secret is missing
  expect: failed
  reason: CreateContainerConfigError
  message: 'secret "x" not found'
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending, containerStatuses: [{name: c, state: {waiting: {reason: CreateContainerConfigError, message: 'secret "x" not found'}}}]}}
- name: pod whose program does not exist
  expect: failed
  reason: RunContainerError
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, state: {waiting: {reason: RunContainerError}}}]}}
- name: pod out of memory
  expect: failed
  reason: OOMKilled
  message: exited with code 137
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, containerStatuses: [{name: c, state: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}
- name: pod of which one container crashes and another serves (tilt-dev/tilt#6560)
  expect: failed
  reason: CrashLoopBackOff
  message: container b
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: a, state: {running: {}}}, {name: b, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}}]}}
- name: pod whose sidecar crashes
  expect: failed
  reason: CrashLoopBackOff
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, initContainerStatuses: [{name: s, state: {waiting: {reason: CrashLoopBackOff}}}], containerStatuses: [{name: c, state: {running: {}}}]}}
- name: pod whose init container has done its work
  expect: ready
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, conditions: [{type: Ready, status: "True"}], initContainerStatuses: [{name: i, state: {terminated: {exitCode: 0}}}], containerStatuses: [{name: c, state: {running: {}}}]}}
- name: pod that was restarted and serves again
  expect: ready
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running, conditions: [{type: Ready, status: "True"}], containerStatuses: [{name: c, restartCount: 2, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]}}
- name: pod past its deadline
  expect: failed
  reason: DeadlineExceeded
  object: {apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Failed, reason: DeadlineExceeded, message: too long}}
- name: pod being deleted
  expect: deleting
  object: {apiVersion: v1, kind: Pod, metadata: {name: a, deletionTimestamp: "2026-01-01T00:00:00Z"}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}
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


def test_all_of_a_pods_errors_are_told():
    pod = crashing("p")
    pod["status"]["initContainerStatuses"] = [
        {"name": "i", "state": {"terminated": {"exitCode": 1}}}
    ]
    assert [e.message for e in pod_errors(pod)] == [
        "container i: exited with code 1",
        "container c: cannot start",
    ]
