"""Ends one program of the running cluster and has it started again, from outside its namespaces.

A request in the run directory tells the supervisor that the end is wanted. Pods run on meanwhile:
containerd is not among the programs that can be restarted.
"""

from __future__ import annotations

import signal
import time

from . import apiclient
from .layout import Run
from .lifecycle import ClusterError, is_running, machine_lock, processes_of
from .plan import Plan
from .processes import Process

RESTARTABLE = ("kube-apiserver", "kubelet")
# An API server that is told to end listens no more, and waits a minute for what it still serves.
_GRACE_S = 5.0
_ENDS_WITHIN_S = 30.0
_ANSWERS_WITHIN_S = 60.0
_POLL_S = 0.05


def restart(run: Run, name: str, *, crash: bool = False) -> float:
    """Restart one of `RESTARTABLE`; returns when the new one answers.

    It is told to end, and killed after 5 s; with `crash`, at once. What is returned is the time
    from the old one's end to the new one's answer, in seconds. Raises ClusterError if there is no
    cluster, or the program does not come back.
    """
    if not is_running(run):
        raise ClusterError("no cluster is running")
    with machine_lock(run):
        old = _find(run, name)
        if old is None:
            raise ClusterError(f"no {name} is running")
        request = run.restart_request(name)
        request.touch()
        if not crash:
            old.kill(signal.SIGTERM)
            old.wait(_GRACE_S)
        old.kill()
        if not old.wait(_ENDS_WITHIN_S):
            request.unlink(missing_ok=True)
            raise ClusterError(f"{name} does not end")
        ended = time.monotonic()
        plan = Plan.read(run.path("plan.json"))
        while not _answers(plan, name):
            if time.monotonic() > ended + _ANSWERS_WITHIN_S:
                raise ClusterError(f"{name} does not answer; {run.log(name)} says why")
            time.sleep(_POLL_S)
        return time.monotonic() - ended


def _answers(plan: Plan, name: str) -> bool:
    if name == "kubelet":
        return apiclient.read(plan, "/healthz", plan.kubelet_port) is not None
    return apiclient.read(plan, "/readyz") is not None


def _find(run: Run, name: str) -> Process | None:
    """The program's process: a child of the first one of the namespace."""
    children = [child for parent in processes_of(run) for child in parent.children()]
    return next((child for child in children if child.name == name), None)
