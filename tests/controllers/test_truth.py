"""Whatever happens, in whatever order, the statuses of a resource never contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.api.v1alpha1.kubernetesapply import (
    REASON_APPLIED,
    REASON_APPLYING,
    REASON_ERROR,
    REASON_PENDING,
    REASON_RETRYING,
    TRIGGER_ANNOTATION,
    AppliedObject,
    KubernetesApply,
    KubernetesApplySpec,
    KubernetesApplyStatus,
)
from kapp.api.v1alpha1.meta import DisableStatus, ObjectMeta
from kapp.api.v1alpha1.session import Target
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.cluster.drift import Drift
from kapp.controllers.applystatus import set_applied, set_drift, set_ready
from kapp.controllers.session import targets_of
from kapp.controllers.uistatus import status_of_apply
from kapp.machinery.objects import format_micro_time

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}


class Life:
    """A resource as its reconciler writes it; what happens to it are methods."""

    def __init__(self) -> None:
        self.apply = KubernetesApply(
            metadata=ObjectMeta(name="web", generation=1), spec=KubernetesApplySpec(yaml="x")
        )
        self.ui = UIResource(metadata=ObjectMeta(name="web"))
        self.now = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
        self.problem: tuple[bool, str, str] | None = None
        self.drift: list[Drift] = []
        self.unknown: tuple[str, str] | None = None
        self.kappfile_error = ""

    def reconcile(self) -> None:
        """What every reconcile does after it has looked, and then the UIResource's."""
        set_drift(self.apply, self.drift)
        set_ready(self.apply, self.problem, self.now, unknown=self.unknown)
        self.ui.status = status_of_apply(self.ui, self.apply, None, self.kappfile_error, self.now)

    def _applied(self, reason: str, error: str = "") -> None:
        status = self.apply.status
        if status.disable_status is not None and status.disable_status.disabled:
            return
        status.observed_generation = self.apply.metadata.generation
        status.error, status.waiting_reason = error, ""
        set_applied(self.apply, reason, error, self.now)

    def save(self) -> None:
        self.apply.metadata.generation += 1

    def trigger(self) -> None:
        self.apply.metadata.annotations[TRIGGER_ANNOTATION] = format_micro_time(self.now)

    def hold(self) -> None:
        self._applied(REASON_PENDING)
        self.apply.status.waiting_reason = "waiting-for-dep"

    def begin(self) -> None:
        self._applied(REASON_APPLYING)
        self.apply.status.last_apply_start_time = format_micro_time(self.now)

    def retry(self) -> None:
        self._applied(REASON_RETRYING, "overloaded")

    def refuse(self) -> None:
        self._applied(REASON_ERROR, "spec.replicas: must not be negative")
        self.apply.status.last_apply_time = format_micro_time(self.now)

    def unreadable(self) -> None:
        self._applied(REASON_ERROR, "line 3: no YAML")

    def succeed(self) -> None:
        self._applied(REASON_APPLIED)
        status = self.apply.status
        status.last_apply_time = format_micro_time(self.now)
        status.objects = [AppliedObject(api_version="v1", kind="ConfigMap", name="a")]
        status.handled_trigger = self.apply.metadata.annotations.get(TRIGGER_ANNOTATION, "")
        self.drift = []

    def crash(self) -> None:
        self.problem = (True, "CrashLoopBackOff", "container web: exited with code 1")

    def progress(self) -> None:
        self.problem = (False, "Progressing", "1 of 2 pods available")

    def recover(self) -> None:
        self.problem = None

    def tamper(self) -> None:
        self.drift = [Drift(CONFIG, None)]

    def lose_cluster(self) -> None:
        self.unknown = ("ClusterAway", "connection refused")

    def find_cluster(self) -> None:
        self.unknown = None

    def break_kappfile(self) -> None:
        self.kappfile_error = "Kappfile:1: syntax error"

    def mend_kappfile(self) -> None:
        self.kappfile_error = ""

    def disable(self) -> None:
        state = DisableStatus(disabled=True, state="Disabled")
        self.apply.status = KubernetesApplyStatus(disable_status=state)
        set_applied(self.apply, REASON_PENDING, "disabled", self.now)
        self.drift = []

    def enable(self) -> None:
        self.apply.status.disable_status = DisableStatus(disabled=False, state="Enabled")


EVENTS: list[Callable[[Life], None]] = [
    Life.save, Life.trigger, Life.hold, Life.begin, Life.retry, Life.refuse, Life.unreadable,
    Life.succeed, Life.succeed, Life.crash, Life.progress, Life.recover, Life.tamper,
    Life.lose_cluster, Life.find_cluster, Life.break_kappfile, Life.mend_kappfile,
    Life.disable, Life.enable,
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=25))
def test_no_status_contradicts_another(events: list[Callable[[Life], None]]) -> None:
    life = Life()
    for event in [Life.save, *events]:
        life.now += timedelta(seconds=1)
        event(life)
        life.reconcile()
        _check_conditions(life)
        _check_phases(life)
        _check_targets(life, *targets_of(life.ui))


def _check_conditions(life: Life) -> None:
    status = life.ui.status
    found = {one.type: one for one in status.conditions}
    assert sorted(found) == ["Ready", "UpToDate"]
    for one in found.values():
        assert one.reason
        assert one.message or one.status == "True"
    ready, up_to_date = found["Ready"], found["UpToDate"]
    assert up_to_date.status in ("True", "False")
    if ready.status == "True":
        assert (up_to_date.status, status.update_status, status.runtime_status) == (
            "True",
            "ok",
            "ok",
        )
        assert status.ever_ready
    if ready.status == "Unknown":
        assert (up_to_date.status, status.runtime_status) == ("True", "unknown")
    if up_to_date.status == "True":
        assert status.update_status == "ok"
        assert not life.drift
        assert not life.kappfile_error
        assert life.apply.status.observed_generation == life.apply.metadata.generation
    if status.runtime_status in ("error", "pending", "unknown"):
        assert ready.status != "True"
    if life.unknown is not None:
        assert ready.status != "True"


def _check_phases(life: Life) -> None:
    status = life.ui.status
    assert (status.current_build is not None) == (status.update_status == "in_progress")
    assert bool(status.pending_build_since) == (status.update_status == "pending")
    assert status.waiting is None or status.update_status == "pending"
    state = status.disable_status
    if state is not None and state.disabled:
        assert (status.update_status, status.runtime_status) == ("none", "none")
        assert not status.queued
        assert not status.ever_ready


def _check_targets(life: Life, update: Target, runtime: Target) -> None:
    status = life.ui.status
    for target in (update, runtime):
        states = (target.state.waiting, target.state.active, target.state.terminated,
                  target.state.disabled)  # fmt: skip
        assert sum(one is not None for one in states) == 1
    ended = update.state.terminated
    assert (ended is not None) == (status.update_status in ("ok", "error"))
    if ended is not None:
        assert bool(ended.error) == (status.update_status == "error")
    active = runtime.state.active
    ready = next(one for one in status.conditions if one.type == "Ready")
    if active is not None:
        assert active.ready == (ready.status == "True")
