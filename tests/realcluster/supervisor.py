"""The first process of the cluster's own mount and process namespaces: starts it and holds it.

Run as `python -m tests.realcluster.supervisor PLAN` by `lifecycle`, below unshare(1). When it ends,
for whatever reason, the kernel kills every process of the namespace and drops every mount: that is
how nothing of the cluster can outlive it. It ends when one of the programs ends, unless that was
asked for (`restart.py`): then the program is started again.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import apiclient, programs
from .configuration import KERNEL_SETTINGS
from .plan import Plan

_POLL_S = 0.1
_STEP_DEADLINE_S = 120.0


class Supervisor:
    """Starts programs, and knows which process is which."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._running: dict[int, str] = {}
        self._commands: dict[str, list[str]] = {}

    def run(self) -> int:
        """Bring the cluster up, then reap until one of its programs ends; returns an exit code."""
        self._mount()
        plan = self._plan
        self._start("etcd", programs.etcd(plan))
        self._start("containerd", programs.containerd(plan))
        self._until(lambda: _answers(plan.etcd_port), "etcd")
        self._start("kube-apiserver", programs.api_server(plan))
        self._until(plan.files().containerd_socket.exists, "containerd")
        subprocess.run(programs.import_images(plan), check=True)
        self._until(lambda: apiclient.read(plan, "/readyz") is not None, "kube-apiserver")
        self._start("kube-controller-manager", programs.controller_manager(plan))
        self._start("kube-scheduler", programs.scheduler(plan))
        self._start("kubelet", programs.kubelet(plan))
        while True:
            pid, status = os.waitpid(-1, 0)
            self._note_the_end(pid, status)

    def _mount(self) -> None:
        """What the programs write at fixed paths lands in the run directory or in memory."""
        run = self._plan.files()
        # The kubelet propagates mounts into containers; within this namespace only.
        _mount("--make-rshared", "/")
        _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
        _mount("--bind", str(run.path("log")), "/var/log")
        _mount("--bind", self._plan.configuration("hosts"), "/etc/hosts")
        for name in KERNEL_SETTINGS:
            _mount("--bind", self._plan.configuration(f"sysctl/{name}"), f"/proc/sys/{name}")

    def _start(self, name: str, command: list[str]) -> None:
        self._commands[name] = command
        with self._plan.files().log(name).open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=self._plan.run,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={"PATH": self._plan.search_path(), "HOME": self._plan.run},
            )
        self._running[process.pid] = name
        # It is reaped here, by its id; Popen must not try to.
        process.returncode = 0

    def _until(self, check: Callable[[], bool], name: str) -> None:
        """Wait for a program to answer; ends the cluster if it, or another, ends instead."""
        deadline = time.monotonic() + _STEP_DEADLINE_S
        while not check():
            for pid in list(self._running):
                self._note_the_end(*os.waitpid(pid, os.WNOHANG))
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} does not answer; its log says why")
            time.sleep(_POLL_S)

    def _note_the_end(self, pid: int, status: int) -> None:
        """Programs run for ever; what else ends here is an orphan that found its new parent."""
        name = self._running.pop(pid, None)
        if name is None:
            return
        code = os.waitstatus_to_exitcode(status)
        request = self._plan.files().restart_request(name)
        if not request.exists():
            raise SystemExit(f"{name} ended with {code}; its log says why")
        print(f"{name} ended with {code}, as was asked for; starting it again", flush=True)
        request.unlink()
        self._start(name, self._commands[name])


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def main() -> int:
    """Run the cluster of the plan given as the only argument."""
    # As the first process of its namespace it would otherwise not notice.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return Supervisor(Plan.read(Path(sys.argv[1]))).run()


if __name__ == "__main__":
    sys.exit(main())
