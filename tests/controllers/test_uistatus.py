"""UpToDate and Ready: what they say in each situation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kapp.api.v1alpha1.kubernetesapply import (
    REASON_APPLIED,
    REASON_APPLYING,
    REASON_ERROR,
    REASON_PENDING,
    REASON_RETRYING,
    AppliedObject,
    KubernetesApply,
    KubernetesApplySpec,
)
from kapp.api.v1alpha1.meta import ObjectMeta
from kapp.api.v1alpha1.uiresource import UIResource, UIResourceStatus
from kapp.controllers.applystatus import set_applied, set_ready
from kapp.controllers.uistatus import status_of_apply

NOW = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)


def status(
    reason: str,
    *,
    problem: tuple[bool, str, str] | None = None,
    kappfile_error: str = "",
    generation: int = 1,
) -> UIResourceStatus:
    apply = KubernetesApply(
        metadata=ObjectMeta(name="web", generation=generation),
        spec=KubernetesApplySpec(yaml="x"),
    )
    apply.status.observed_generation = 1
    apply.status.objects = [AppliedObject(api_version="v1", kind="ConfigMap", name="a")]
    if reason == REASON_ERROR:
        apply.status.error = "Deployment/web spec.replicas: must not be negative"
    set_applied(apply, reason, "", NOW)
    set_ready(apply, problem, NOW)
    return status_of_apply(
        UIResource(metadata=ObjectMeta(name="web")), apply, None, kappfile_error, NOW
    )


def conditions(found: UIResourceStatus) -> dict[str, str]:
    return {one.type: one.status for one in found.conditions}


@pytest.mark.parametrize(
    ("reason", "update"),
    [
        (REASON_APPLYING, "in_progress"),
        (REASON_RETRYING, "in_progress"),
        (REASON_PENDING, "pending"),
        (REASON_ERROR, "error"),
    ],
)
def test_nothing_is_ready_while_the_newest_input_is_not_applied(reason: str, update: str) -> None:
    found = status(reason)
    assert found.update_status == update
    assert conditions(found) == {"UpToDate": "False", "Ready": "False"}
    assert not found.ever_ready


def test_applied_and_ready() -> None:
    found = status(REASON_APPLIED)
    assert (found.update_status, found.runtime_status) == ("ok", "ok")
    assert conditions(found) == {"UpToDate": "True", "Ready": "True"}
    assert found.ever_ready


def test_applied_and_crashing() -> None:
    problem = (True, "CrashLoopBackOff", "Pod/web-1: container web: exited with code 1")
    found = status(REASON_APPLIED, problem=problem)
    assert found.runtime_status == "error"
    assert conditions(found) == {"UpToDate": "True", "Ready": "False"}
    (ready,) = (one for one in found.conditions if one.type == "Ready")
    assert (ready.reason, ready.message) == problem[1:]


def test_applied_and_on_its_way() -> None:
    found = status(REASON_APPLIED, problem=(False, "Progressing", "1 of 2 replicas"))
    assert found.runtime_status == "pending"
    assert conditions(found) == {"UpToDate": "True", "Ready": "False"}


def test_a_spec_that_nobody_looked_at_yet_is_pending() -> None:
    assert status(REASON_APPLIED, generation=2).update_status == "pending"
    assert conditions(status(REASON_APPLIED, generation=2))["Ready"] == "False"


def test_a_save_that_cannot_be_evaluated_is_not_up_to_date() -> None:
    found = status(REASON_APPLIED, kappfile_error="Kappfile:1: syntax error")
    assert conditions(found) == {"UpToDate": "False", "Ready": "False"}
    (one,) = (one for one in found.conditions if one.type == "UpToDate")
    assert "syntax error" in one.message


def test_an_error_is_told_by_its_object_and_field() -> None:
    (one,) = (one for one in status(REASON_ERROR).conditions if one.type == "Ready")
    assert one.message == "Deployment/web spec.replicas: must not be negative"
