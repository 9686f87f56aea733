"""The whole truth about a resource that is commands on this machine. Pure.

Its update is the command that runs to its end, its runtime the one that is kept running.
"""

from __future__ import annotations

from datetime import datetime

from kapp.api.v1alpha1.cmd import Cmd, CmdWaiting
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION
from kapp.api.v1alpha1.meta import Condition
from kapp.api.v1alpha1.uiresource import (
    UIBuildRunning,
    UIBuildTerminated,
    UIResource,
    UIResourceLink,
    UIResourceStatus,
)
from kapp.controllers.uiparts import (
    Verdict,
    conditions_of,
    kappfile_verdict,
    waiting_for,
    with_build,
)
from kapp.machinery.objects import format_micro_time


def status_of_cmds(
    ui: UIResource, job: Cmd | None, server: Cmd | None, kappfile_error: str, now: datetime
) -> UIResourceStatus:
    """The status of a local resource; at least one of `job` and `server` is there.

    `kappfile_error`: why what was saved last could not be evaluated, or "".
    """
    main = job or server
    assert main is not None
    old, disable = ui.status, main.status.disable_status
    disabled = disable is not None and disable.disabled
    update, why = _update(job, server)
    runtime = _runtime(server)
    trigger = main.metadata.annotations.get(TRIGGER_ANNOTATION, "")
    running = job.status.running if job is not None else None
    status = UIResourceStatus(
        update_status="none" if disabled else update,
        runtime_status="none" if disabled else runtime,
        build_history=_history(old, job),
        current_build=UIBuildRunning(start_time=running.started_at) if running else None,
        pending_build_since=(old.pending_build_since or format_micro_time(now))
        if update == "pending" and not disabled
        else "",
        queued=bool(trigger) and trigger != main.status.handled_trigger,
        waiting=waiting_for(why.reason, why.on)
        if update == "pending" and why is not None
        else None,
        endpoint_links=[UIResourceLink(url=one.url, name=one.name) for one in ui.spec.links],
        disable_status=disable,
        trigger_mode=1 if main.spec.trigger_mode == "manual" else 0,
        last_deploy_time=_deployed(job, server) or old.last_deploy_time,
        order=ui.spec.order,
        ever_ready=old.ever_ready and not disabled,
    )
    status.conditions = _conditions(old, main, update, why, server, kappfile_error, now)
    if all(condition.status == "True" for condition in status.conditions):
        status.ever_ready = True
    return status


def _update(job: Cmd | None, server: Cmd | None) -> tuple[str, CmdWaiting | None]:
    """The update's status, and what it waits for."""
    main = job or server
    assert main is not None
    given = main.status
    if given.observed_generation != main.metadata.generation:
        return "pending", None
    hold = given.pending or given.waiting
    if given.running is not None and job is not None:
        return "in_progress", None
    if hold is not None or (given.running is None and given.terminated is None):
        return "pending", hold
    if job is None:
        return "not_applicable", None
    ended = given.terminated
    return ("ok" if ended is not None and ended.exit_code == 0 else "error"), None


def _runtime(server: Cmd | None) -> str:
    if server is None:
        return "not_applicable"
    if server.status.running is not None:
        return "ok" if server.status.ready else "pending"
    # One that was stopped starts again as soon as it is gone.
    return "error" if server.status.restart_at else "pending"


def _history(old: UIResourceStatus, job: Cmd | None) -> list[UIBuildTerminated]:
    ended = job.status.terminated if job is not None else None
    if ended is None:
        return old.build_history
    build = UIBuildTerminated(
        error=ended.reason if ended.exit_code else "",
        start_time=ended.started_at,
        finish_time=ended.finished_at,
    )
    return with_build(old, build)


def _deployed(job: Cmd | None, server: Cmd | None) -> str:
    if server is not None and server.status.running is not None:
        return server.status.running.started_at
    if job is not None and job.status.terminated is not None:
        return job.status.terminated.finished_at
    return ""


def _conditions(
    old: UIResourceStatus,
    main: Cmd,
    update: str,
    why: CmdWaiting | None,
    server: Cmd | None,
    kappfile_error: str,
    now: datetime,
) -> list[Condition]:
    if update == "in_progress":
        up_to_date = Verdict("False", "Running", "runs")
    elif update == "pending":
        up_to_date = Verdict("False", "Pending", why.message if why is not None else "")
    elif update == "error":
        up_to_date = Verdict("False", "Error", main.status.message)
    elif kappfile_error:
        up_to_date = kappfile_verdict(kappfile_error)
    else:
        up_to_date = Verdict("True", "Succeeded")
    if server is None or (server.status.running is not None and server.status.ready):
        ready = Verdict("True", "Ready")
    else:
        reason = "NotReady" if server.status.running is not None else "NotRunning"
        ready = Verdict("False", reason, server.status.message or "does not run yet")
    return conditions_of(old, up_to_date, ready, now, otherwise="the newest input has not run")
