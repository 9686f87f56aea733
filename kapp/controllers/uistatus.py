"""The whole truth about a resource, from the objects that each know a part of it. Pure."""

from __future__ import annotations

from datetime import datetime

from kapp.api.v1alpha1.kappfile import Kappfile
from kapp.api.v1alpha1.kubernetesapply import (
    APPLIED,
    REASON_APPLIED,
    REASON_APPLYING,
    REASON_ERROR,
    REASON_RETRYING,
    TRIGGER_ANNOTATION,
    KubernetesApply,
)
from kapp.api.v1alpha1.kubernetesapply import READY as APPLY_READY
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscovery, Pod
from kapp.api.v1alpha1.meta import Condition
from kapp.api.v1alpha1.uiresource import (
    BUILDS_KEPT,
    READY,
    UP_TO_DATE,
    UIBuildRunning,
    UIBuildTerminated,
    UIResource,
    UIResourceKubernetes,
    UIResourceLink,
    UIResourceStatus,
)
from kapp.controllers.applystatus import REASON_DRIFTED, current_pods, drift_text
from kapp.controllers.conditions import set_condition
from kapp.controllers.uiparts import (
    Verdict,
    conditions_of,
    kappfile_verdict,
    waiting_for,
    with_build,
)
from kapp.machinery.objects import format_micro_time

_UPDATES = {
    REASON_APPLIED: "ok",
    REASON_APPLYING: "in_progress",
    REASON_RETRYING: "in_progress",
    REASON_ERROR: "error",
}


def status_of_apply(
    ui: UIResource,
    apply: KubernetesApply,
    discovery: KubernetesDiscovery | None,
    kappfile_error: str,
    now: datetime,
) -> UIResourceStatus:
    """The status of a resource that applies objects.

    `kappfile_error`: why what was saved last could not be evaluated, or "".
    """
    old, given = ui.status, apply.status
    applied = _condition(apply.status.conditions, APPLIED)
    seen = given.observed_generation == apply.metadata.generation
    disabled = given.disable_status is not None and given.disable_status.disabled
    update = _UPDATES.get(applied.reason, "pending") if applied is not None and seen else "pending"
    pods = discovery.status.pods if discovery is not None else []
    trigger = apply.metadata.annotations.get(TRIGGER_ANNOTATION, "")
    status = UIResourceStatus(
        update_status="none" if disabled else update,
        runtime_status="none" if disabled else given.runtime_status or "unknown",
        build_history=_history(old, apply),
        current_build=UIBuildRunning(start_time=given.last_apply_start_time)
        if update == "in_progress" and not disabled
        else None,
        pending_build_since=(old.pending_build_since or format_micro_time(now))
        if update == "pending" and not disabled
        else "",
        queued=bool(trigger) and trigger != given.handled_trigger and not disabled,
        waiting=waiting_for(given.waiting_reason, given.waiting_on)
        if update == "pending" and given.waiting_reason and not disabled
        else None,
        endpoint_links=_links(apply),
        k8s_resource_info=_newest(apply, current_pods(pods) or pods),
        disable_status=given.disable_status,
        trigger_mode=1 if apply.spec.trigger_mode == "manual" else 0,
        last_deploy_time=given.last_apply_time if update == "ok" else old.last_deploy_time,
        order=ui.spec.order,
        ever_ready=old.ever_ready and not disabled,
    )
    status.conditions = _conditions(old, apply, update, kappfile_error, now)
    if all(condition.status == "True" for condition in status.conditions):
        status.ever_ready = True
    return status


def status_of_kappfile(ui: UIResource, kappfile: Kappfile, now: datetime) -> UIResourceStatus:
    """The status of the Kappfile's own resource."""
    given, old = kappfile.status, ui.status
    ended = given.terminated
    error = ended.error if ended is not None else ""
    if given.running is not None:
        update = "in_progress"
    elif ended is None:
        update = "pending"
    else:
        update = "error" if error else "ok"
    status = UIResourceStatus(
        update_status=update, runtime_status="not_applicable", build_history=old.build_history
    )
    if given.running is not None:
        status.current_build = UIBuildRunning(start_time=given.running.started_at)
    if ended is not None:
        status.last_deploy_time = ended.finished_at
        build = UIBuildTerminated(
            error=error, start_time=ended.started_at, finish_time=ended.finished_at
        )
        if not old.build_history or old.build_history[0] != build:
            status.build_history = [build, *old.build_history][:BUILDS_KEPT]
    reason = {"ok": "Evaluated", "error": "Error"}.get(update, "Evaluating")
    message = error.partition("\n")[0]
    good = "True" if update == "ok" else "False"
    for kind in (UP_TO_DATE, READY):
        status.conditions = set_condition(
            status.conditions or old.conditions, kind, good, reason, message, now
        )
    status.ever_ready = old.ever_ready or update == "ok"
    return status


def _conditions(
    old: UIResourceStatus, apply: KubernetesApply, update: str, kappfile_error: str, now: datetime
) -> list[Condition]:
    applied = _condition(apply.status.conditions, APPLIED)
    ready = _condition(apply.status.conditions, APPLY_READY)
    state = apply.status.disable_status
    if state is not None and state.disabled:
        up_to_date = Verdict("False", "Disabled", f"run `kapp enable {apply.name}` to apply it")
    elif update != "ok":
        # A reason of an input before the newest says nothing of this one.
        known = applied is not None and _UPDATES.get(applied.reason, "pending") == update
        reason = applied.reason if applied is not None and known else "Pending"
        message = apply.status.error or (applied.message if applied is not None and known else "")
        message = message.partition("\n")[0] or "the newest input is not applied yet"
        up_to_date = Verdict("False", reason, message)
    elif apply.status.drift:
        up_to_date = Verdict("False", REASON_DRIFTED, drift_text(apply))
    elif kappfile_error:
        up_to_date = kappfile_verdict(kappfile_error)
    else:
        up_to_date = Verdict("True", "Applied")
    if ready is None:
        verdict = Verdict("False", "Pending")
    else:
        verdict = Verdict(ready.status, ready.reason, ready.message)
    return conditions_of(old, up_to_date, verdict, now, otherwise="the newest input is not applied")


def _condition(conditions: list[Condition], kind: str) -> Condition | None:
    return next((one for one in conditions if one.type == kind), None)


def _history(old: UIResourceStatus, apply: KubernetesApply) -> list[UIBuildTerminated]:
    given = apply.status
    if not given.last_apply_time or given.last_apply_time < given.last_apply_start_time:
        return old.build_history
    build = UIBuildTerminated(
        error=given.error,
        start_time=given.last_apply_start_time,
        finish_time=given.last_apply_time,
    )
    return with_build(old, build)


def _links(apply: KubernetesApply) -> list[UIResourceLink]:
    links = [UIResourceLink(url=link.url, name=link.name) for link in apply.spec.links]
    template = apply.spec.port_forward_template_spec
    for forward in template.forwards if template is not None else ():
        host = forward.host if forward.host not in ("0.0.0.0", "::") else "localhost"
        path = f"/{forward.path.lstrip('/')}"
        url = f"http://{host}:{forward.local_port}{path}"
        links.append(UIResourceLink(url=url, name=forward.name))
    return links


def _newest(apply: KubernetesApply, pods: list[Pod]) -> UIResourceKubernetes:
    names = [f"{one.name}:{one.kind.lower()}" for one in apply.status.objects]
    if not pods:
        return UIResourceKubernetes(display_names=names)
    pod = pods[-1]
    return UIResourceKubernetes(
        pod_name=pod.name,
        pod_creation_time=pod.created_at,
        pod_status=pod.status,
        pod_status_message="; ".join(pod.errors),
        all_containers_ready=all(one.ready for one in pod.containers),
        pod_restarts=sum(one.restarts for one in pod.containers),
        display_names=names,
    )
