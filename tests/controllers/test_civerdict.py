"""When an unattended run is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kapp.api.v1alpha1.kappfile import MAIN
from kapp.api.v1alpha1.meta import Condition, DisableStatus, ObjectMeta
from kapp.api.v1alpha1.uiresource import (
    UIResource,
    UIResourceKubernetes,
    UIResourceStatus,
    UIResourceWaiting,
)
from kapp.controllers.civerdict import LOOKS, Limits, Verdict, verdict
from kapp.machinery.objects import format_time

START = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
LIMITS = Limits(grace_s=0, timeout_s=600, readiness_timeout_s=300)


def resource(name: str, ready: str, reason: str = "", **status: Any) -> UIResource:
    """A resource deployed at the start; `ready` is the status of its condition."""
    condition = Condition(
        type="Ready", status=ready, reason=reason or "Ready", message=f"why {name}",
        last_transition_time=format_time(START),
    )  # fmt: skip
    defaults = {"update_status": "ok", "runtime_status": "ok" if ready == "True" else "pending",
                "last_deploy_time": format_time(START), "conditions": [condition]}  # fmt: skip
    return UIResource(
        metadata=ObjectMeta(name=name), status=UIResourceStatus(**{**defaults, **status})
    )


KAPPFILE = resource(MAIN, "True", runtime_status="not_applicable", last_deploy_time="")


def judge(*resources: UIResource, at_s: float, jobs: tuple[str, ...] = (), since_s: float = 0,
          limits: Limits = LIMITS, looks: int = LOOKS) -> Verdict:  # fmt: skip
    since = {one.name: START + timedelta(seconds=since_s) for one in resources}
    return verdict(
        [KAPPFILE, *resources], jobs=jobs, failing_since=since, limits=limits,
        looks={one.name: looks for one in resources},
        started_at=START, now=START + timedelta(seconds=at_s),
    )  # fmt: skip


def failures(found: Verdict) -> list[tuple[str, str]]:
    return [(one.resource, one.reason) for one in found.failures]


def test_all_ready_is_over_and_good() -> None:
    assert judge(resource("a", "True"), resource("b", "True"), at_s=1) == Verdict(True)
    assert not judge(resource("a", "True"), resource("b", "False"), at_s=1).done


@pytest.mark.parametrize(
    "one",
    [
        resource("a", "False", disable_status=DisableStatus(disabled=True, state="Disabled")),
        resource("a", "False", waiting=UIResourceWaiting(reason="waiting-for-trigger")),
    ],
    ids=["disabled", "by hand"],
)
def test_what_nobody_waits_for_is_done(one: UIResource) -> None:
    assert judge(one, at_s=1) == Verdict(True)


def test_nothing_is_over_before_the_kappfile_is_evaluated() -> None:
    begun = {
        "jobs": (),
        "failing_since": {},
        "looks": {},
        "limits": LIMITS,
        "started_at": START,
        "now": START,
    }
    assert not verdict([], **begun).done
    assert not verdict([resource(MAIN, "False", update_status="in_progress")], **begun).done


def test_what_waits_for_others_is_not_done() -> None:
    held = resource("a", "False", waiting=UIResourceWaiting(reason="waiting-for-dep"))
    assert not judge(held, at_s=1).done


def test_a_kappfile_without_resources_does_nothing() -> None:
    assert failures(judge(at_s=1)) == [(MAIN, "NothingToDo")]


@pytest.mark.parametrize(
    ("reason", "over_at_s"),
    [("CrashLoopBackOff", 0), ("BackoffLimitExceeded", 0), ("InvalidImageName", 0),
     ("Unschedulable", 15), ("ImagePullBackOff", 15), ("Error", 15)],
)  # fmt: skip
def test_what_may_pass_counts_when_it_lasts(reason: str, over_at_s: float) -> None:
    bad = resource("a", "False", reason, runtime_status="error")
    assert failures(judge(bad, at_s=100 + over_at_s, since_s=100)) == [("a", reason)]
    if over_at_s:
        assert not judge(bad, at_s=100 + over_at_s - 1, since_s=100).done


def test_the_grace_period_counts_from_the_apply() -> None:
    bad = resource("a", "False", "CrashLoopBackOff", runtime_status="error")
    limits = LIMITS._replace(grace_s=60)
    assert not judge(bad, at_s=59, limits=limits).done
    assert failures(judge(bad, at_s=60, limits=limits)) == [("a", "CrashLoopBackOff")]


def test_every_failure_of_the_moment_is_told() -> None:
    refused = resource("a", "False", update_status="error")
    crashing = resource("b", "False", "CrashLoopBackOff", runtime_status="error")
    found = judge(refused, crashing, resource("c", "True"), at_s=1)
    assert failures(found) == [("a", "UpdateFailed"), ("b", "CrashLoopBackOff")]


def test_readiness_timeout_skips_jobs_and_what_is_not_applied() -> None:
    slow = resource("a", "False")
    assert not judge(slow, at_s=300).done
    assert failures(judge(slow, at_s=301)) == [("a", "Timeout")]
    assert not judge(slow, at_s=301, jobs=("a",)).done
    assert not judge(resource("a", "False", last_deploy_time=""), at_s=301).done
    assert failures(judge(slow, at_s=601, jobs=("a",))) == [("a", "Timeout")]


def test_a_cluster_that_cannot_be_seen_is_not_ready() -> None:
    assert not judge(resource("a", "Unknown", "ClusterAway", runtime_status="unknown"), at_s=1).done


def test_a_server_whose_pods_were_not_seen_yet_has_to_hold() -> None:
    """The Deployment's watch may be ahead of that of the pods."""
    server = resource(
        "a", "True", k8s_resource_info=UIResourceKubernetes(display_names=["a:deployment"])
    )
    assert not judge(server, at_s=1).done
    assert judge(server, at_s=5) == Verdict(True)
    config = resource(
        "a", "True", k8s_resource_info=UIResourceKubernetes(display_names=["a:configmap"])
    )
    assert judge(config, at_s=0) == Verdict(True)


def test_a_server_has_to_hold() -> None:
    """Before a crash it looks ready."""
    for restarts, hold_s in ((0, 5), (1, 10)):
        pod = UIResourceKubernetes(pod_name="a-1", pod_restarts=restarts)
        server = resource("a", "True", k8s_resource_info=pod)
        assert not judge(server, at_s=hold_s - 1).done
        assert judge(server, at_s=hold_s) == Verdict(True)
        assert not judge(server, at_s=hold_s, looks=LOOKS - 1).done, "nobody looked"
        assert judge(server, at_s=0, jobs=("a",)) == Verdict(True)
