"""From an object to its state (pure): ready, progressing, failed or deleting, and why.

The rules of kstatus (sigs.k8s.io/cli-utils/pkg/kstatus/status/core.go): a controller must have seen
the newest generation, then its numbers and conditions count. Custom kinds follow the `Ready` or
`Available` convention. Stricter than kstatus in one thing: a crash loop, an image that cannot be
pulled and a pod that fits nowhere are failures, at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from kapp.machinery.objects import (
    Object,
    find_condition,
    gvk_of,
    is_deleting,
    metadata_of,
    parse_time,
)

State = Literal["ready", "progressing", "failed", "deleting"]


class Readiness(NamedTuple):
    """`reason` is one CamelCase word for conditions, `message` a sentence for people."""

    state: State
    reason: str = ""
    message: str = ""


READY = Readiness("ready", "Ready")

# Source of the reasons: k8s.io/kubernetes/pkg/kubelet/images/types.go and pkg/kubelet/kuberuntime.
STUCK = frozenset(
    {
        "Unschedulable",
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CreateContainerConfigError",
        "CreateContainerError",
        # Of kapp's embedded cluster alone.
        "VolumesUnavailable",
    }
)
"""Reasons for which a pod has not begun, and will not: it never counts as a failed try of a Job."""

# A container that ran for so long is started again at once: twice kubelet's MaxContainerBackOff.
_BACKOFF_RESET_S = 600.0

# Waiting reasons from which a container does not get away on its own.
_FATAL_WAITS = STUCK | frozenset(
    {
        "CrashLoopBackOff",
        "RunContainerError",
        "StartError",
        "PreStartHookError",
        "PostStartHookError",
        "Error",
    }
)


def readiness(obj: Object) -> Readiness:
    """The state of one object, as the server returned it."""
    if is_deleting(obj):
        return Readiness("deleting", "Deleting", "is being deleted")
    gvk = gvk_of(obj)
    rule = _RULES.get((gvk.group, gvk.kind), _conventions)
    observed = _status(obj).get("observedGeneration")
    generation = metadata_of(obj).get("generation")
    if isinstance(observed, int) and isinstance(generation, int) and observed < generation:
        return _progressing("its controller has not seen the newest version yet")
    return rule(obj)


def pod_is_ready(pod: Object) -> bool:
    """Whether the pod's Ready condition is True."""
    condition = find_condition(_status(pod).get("conditions"), "Ready")
    return condition is not None and condition.get("status") == "True"


def pod_errors(pod: Object) -> list[Readiness]:
    """What is wrong with a pod, its containers in order."""
    return list(_pod_errors(pod))


def _pod_errors(pod: Object) -> Iterator[Readiness]:
    status = _status(pod)
    if status.get("phase") == "Succeeded":
        return
    scheduled = find_condition(status.get("conditions"), "PodScheduled")
    if scheduled is not None and scheduled.get("reason") == "Unschedulable":
        yield _failed("Unschedulable", str(scheduled.get("message") or "fits on no node"))
    containers = [*(status.get("initContainerStatuses") or ())]
    for container in (*containers, *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        name = container.get("name")
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") in _FATAL_WAITS:
            # The kubelet only says that it waits; what happened is that the last run ended.
            ends = (_last_exit(container), str(waiting.get("message") or ""))
            why = "; ".join(filter(None, ends)) or "cannot start"
            yield _failed(str(waiting["reason"]), f"container {name}: {why}")
        elif ended.get("exitCode"):
            reason = str(ended.get("reason") or "Error")
            if reason == "Error" and _is_crash_loop(pod, container):
                reason = "CrashLoopBackOff"
            why = ended.get("message") or f"exited with code {ended['exitCode']}"
            yield _failed(reason, f"container {name}: {why}")


def _is_crash_loop(pod: Object, container: Mapping[str, Any]) -> bool:
    """Whether a container that has failed again waits longer and longer for its next start.

    The kubelet says so some seconds later, when it looks at the pod again.
    """
    policy = (pod.get("spec") or {}).get("restartPolicy") or "Always"
    ended = (container.get("state") or {}).get("terminated") or {}
    started_at, finished_at = ended.get("startedAt"), ended.get("finishedAt")
    if policy != "Always" or not container.get("restartCount") or not started_at or not finished_at:
        return False
    ran_s = (parse_time(finished_at) - parse_time(started_at)).total_seconds()
    return ran_s < _BACKOFF_RESET_S


def _last_exit(container: Mapping[str, Any]) -> str:
    last = (container.get("lastState") or {}).get("terminated") or {}
    if "exitCode" not in last:
        return ""
    why = (
        f" ({last['reason']})" if last.get("reason") not in (None, "", "Error", "Completed") else ""
    )
    return f"exited with code {last['exitCode']}{why}"


def _pod(obj: Object) -> Readiness:
    status = _status(obj)
    phase = status.get("phase")
    if phase == "Succeeded":
        return Readiness("ready", "Succeeded", "ran to its end")
    if (error := next(_pod_errors(obj), None)) is not None:
        return error
    if phase == "Failed":
        reason = str(status.get("reason") or "Failed")
        return _failed(reason, str(status.get("message") or "the pod failed"))
    if pod_is_ready(obj):
        return READY
    condition = find_condition(status.get("conditions"), "Ready") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return _progressing(f"container {container.get('name')}: {waiting['reason']}")
    return _progressing(str(condition.get("message") or f"phase {phase or 'Pending'}"))


def _deployment(obj: Object) -> Readiness:
    status = _status(obj)
    conditions = status.get("conditions")
    progressing = find_condition(conditions, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed("ProgressDeadlineExceeded", str(progressing.get("message") or "timed out"))
    failure = find_condition(conditions, "ReplicaFailure") or {}
    if failure.get("status") == "True":
        return _failed(str(failure.get("reason") or "ReplicaFailure"), str(failure.get("message")))
    wanted = _replicas(obj)
    updated, total = _count(status, "updatedReplicas"), _count(status, "replicas")
    if "observedGeneration" not in status and wanted:
        return _progressing("its controller has not seen it yet")
    if updated < wanted:
        return _progressing(f"{updated} of {wanted} pods updated")
    if total > updated:
        return _progressing(f"{total - updated} old pods still running")
    return _enough(status, wanted, "availableReplicas", "available")


def _replica_set(obj: Object) -> Readiness:
    status, wanted = _status(obj), _replicas(obj)
    failure = find_condition(status.get("conditions"), "ReplicaFailure") or {}
    if failure.get("status") == "True":
        return _failed(str(failure.get("reason") or "ReplicaFailure"), str(failure.get("message")))
    if _count(status, "replicas") > wanted:
        return _progressing("scaling down")
    if "fullyLabeledReplicas" in status and _count(status, "fullyLabeledReplicas") < wanted:
        return _enough(status, wanted, "fullyLabeledReplicas", "labelled")
    return _enough(status, wanted, "availableReplicas", "available")


def _stateful_set(obj: Object) -> Readiness:
    status, spec, wanted = _status(obj), obj.get("spec") or {}, _replicas(obj)
    strategy = spec.get("updateStrategy") or {}
    if "observedGeneration" not in status and wanted:
        return _progressing("its controller has not seen it yet")
    if (short := _enough(status, wanted, "readyReplicas", "ready")) is not READY:
        return short
    if _count(status, "replicas") > wanted:
        return _progressing("scaling down")
    if strategy.get("type") == "OnDelete":
        return READY
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        if _count(status, "updatedReplicas") < wanted - partition:
            return _progressing(f"{_count(status, 'updatedReplicas')} of {wanted} pods updated")
        return READY
    if status.get("currentRevision") != status.get("updateRevision"):
        return _progressing(f"{_count(status, 'updatedReplicas')} of {wanted} pods updated")
    return READY


def _daemon_set(obj: Object) -> Readiness:
    status = _status(obj)
    if "observedGeneration" not in status:
        return _progressing("its controller has not seen it yet")
    wanted = _count(status, "desiredNumberScheduled")
    updated = _count(status, "updatedNumberScheduled")
    strategy = ((obj.get("spec") or {}).get("updateStrategy") or {}).get("type")
    if updated < wanted and strategy != "OnDelete":
        return _progressing(f"{updated} of {wanted} pods updated")
    return _enough(status, wanted, "numberAvailable", "available")


def _job(obj: Object) -> Readiness:
    status = _status(obj)
    for condition in status.get("conditions") or ():
        if condition.get("status") != "True":
            continue
        if condition.get("type") == "Complete":
            return Readiness("ready", "Complete", "ran to its end")
        if condition.get("type") == "Failed":
            reason = str(condition.get("reason") or "Failed")
            return _failed(reason, str(condition.get("message") or "the job failed"))
        if condition.get("type") == "Suspended":
            return Readiness("ready", "Suspended", "is suspended")
    active, failed = _count(status, "active"), _count(status, "failed")
    text = f"{active} pods running" if active else "not started"
    return _progressing(f"{text}, {failed} failed so far" if failed else text)


def _claim(obj: Object) -> Readiness:
    phase = _status(obj).get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return _failed("Lost", "its volume is gone")
    return _progressing("waiting for a volume, or for the first pod that uses it")


def _service(obj: Object) -> Readiness:
    spec = obj.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not spec.get("clusterIP"):
        return _progressing("has no address yet")
    return READY


def _crd(obj: Object) -> Readiness:
    conditions = _status(obj).get("conditions")
    accepted = find_condition(conditions, "NamesAccepted") or {}
    if accepted.get("status") == "False":
        return _failed(str(accepted.get("reason") or "NotAccepted"), str(accepted.get("message")))
    established = find_condition(conditions, "Established") or {}
    if established.get("status") == "True":
        return READY
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return _failed(
            str(established.get("reason") or "NotEstablished"),
            str(established.get("message") or ""),
        )
    return _progressing("not established yet")


def _namespace(obj: Object) -> Readiness:
    if _status(obj).get("phase") == "Terminating":
        return Readiness("deleting", "Deleting", "is being deleted")
    return READY


def _always_ready(_: Object) -> Readiness:
    return READY


def _conventions(obj: Object) -> Readiness:
    """Custom kinds, and built-in ones that follow the conditions' convention."""
    conditions = _status(obj).get("conditions")
    if not isinstance(conditions, list):
        return READY
    stalled = find_condition(conditions, "Stalled") or {}
    if stalled.get("status") == "True":
        return _failed(str(stalled.get("reason") or "Stalled"), str(stalled.get("message") or ""))
    reconciling = find_condition(conditions, "Reconciling") or {}
    if reconciling.get("status") == "True":
        return _progressing(str(reconciling.get("message") or "reconciling"))
    for kind in ("Ready", "Available"):
        if (condition := find_condition(conditions, kind)) is None:
            continue
        if condition.get("status") == "True":
            return READY
        what = [str(condition[k]) for k in ("reason", "message") if condition.get(k)]
        return _progressing(": ".join(what) or f"{kind} is {condition.get('status')}")
    return READY


_RULES: dict[tuple[str, str], Callable[[Object], Readiness]] = {
    ("", "Pod"): _pod,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "ReplicationController"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _always_ready,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "Namespace"): _namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    # Their conditions say something else than whether they work.
    ("policy", "PodDisruptionBudget"): _always_ready,
    ("autoscaling", "HorizontalPodAutoscaler"): _always_ready,
}


def _status(obj: Object) -> Mapping[str, Any]:
    status = obj.get("status")
    return status if isinstance(status, dict) else {}


def _count(status: Mapping[str, Any], key: str) -> int:
    value = status.get(key)
    return value if isinstance(value, int) else 0


def _replicas(obj: Object) -> int:
    value = (obj.get("spec") or {}).get("replicas")
    return value if isinstance(value, int) else 1


def _enough(status: Mapping[str, Any], wanted: int, key: str, word: str) -> Readiness:
    found = _count(status, key)
    return READY if found >= wanted else _progressing(f"{found} of {wanted} pods {word}")


def _progressing(message: str) -> Readiness:
    return Readiness("progressing", "Progressing", message)


def _failed(reason: str, message: str) -> Readiness:
    return Readiness("failed", reason, message)
