"""What keeps a resource from being ready: its applied objects and their pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kapp.api.v1alpha1.kubernetesdiscovery import Pod
from kapp.cluster.prepare import pod_templates
from kapp.cluster.readiness import STUCK, readiness
from kapp.controllers.applystatus import SUCCEEDED, current_pods
from kapp.machinery.objects import Object, display_name


class Problem(NamedTuple):
    """`failed` is worse than what only takes its time; `reason` is one CamelCase word."""

    failed: bool
    reason: str
    message: str


def problems_of(
    pod_readiness: str,
    objects: Sequence[Object],
    pods: Sequence[Pod],
    deleted: Sequence[str],
) -> list[Problem]:
    """What is not ready, the worst first.

    Args:
        pod_readiness: "wait" (or ""), "ignore" or "succeeded", as the Kappfile says.
        objects: the applied objects as they are now.
        pods: their pods.
        deleted: display names of applied objects that somebody else deleted.
    """
    found = [Problem(True, "Deleted", f"{name} was deleted") for name in deleted]
    if pod_readiness == "ignore":
        objects = [obj for obj in objects if not pod_templates(obj)]
        pods = []
    found += _of_pods(pods, must_succeed=pod_readiness == "succeeded")
    found += _of_objects(objects)
    return sorted(found, key=lambda problem: not problem.failed)


def _of_objects(objects: Sequence[Object]) -> Iterable[Problem]:
    for obj in objects:
        state = readiness(obj)
        if state.state != "ready":
            message = f"{display_name(obj)}: {state.message}"
            yield Problem(state.state == "failed", state.reason, message)


def _of_pods(pods: Sequence[Pod], *, must_succeed: bool) -> Iterable[Problem]:
    for pod in current_pods(pods):
        # A Job starts failed pods again, up to its backoff limit, and says itself when it gives up.
        of_job = pod.owner is not None and pod.owner.kind == "Job"
        for error in pod.errors:
            reason, _, message = error.partition(": ")
            if not of_job or reason in STUCK:
                yield Problem(True, reason, f"Pod/{pod.name}: {message}")
        if must_succeed and pod.phase != SUCCEEDED and not of_job:
            yield Problem(False, "Running", f"Pod/{pod.name} has not ended yet")
