"""Starts the cluster and removes it, from outside its namespaces.

`start` returns once a pod could run; `stop` returns once nothing is left: it ends the process whose
end ends all others, and removes the bridge, the control groups and the run directory. Both may be
repeated, and `stop` also clears what a cluster left that was killed half-way.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from . import apiclient, build, configuration, images, packages
from .certificates import Authority
from .layout import BRIDGE, CGROUP, NODE, NODE_ADDRESS, REPOSITORY, SERVICE_ADDRESS, Cache, Run
from .plan import Plan
from .processes import Process

_READY_WITHIN_S = 180.0
_GONE_WITHIN_S = 30.0
_POLL_S = 0.2


class ClusterError(Exception):
    """The cluster did not start, or did not go; the text says which part."""


def is_running(run: Run) -> bool:
    """Whether a cluster runs whose start was completed."""
    return run.kubeconfig.exists() and any(one.is_running for one in processes_of(run))


def prepare(cache: Cache) -> None:
    """Make what the cache lacks: the programs, the packages, the images."""
    cache.root.mkdir(parents=True, exist_ok=True)
    with _lock(cache.root / "lock"):
        build.ensure(cache)
        packages.ensure(cache)
        images.ensure(cache)


def start(cache: Cache, run: Run) -> Path:
    """Start a cluster, or find it running; returns the path of its kubeconfig.

    Raises ClusterError when it does not become ready; nothing is left of it then but its logs.
    """
    prepare(cache)
    with machine_lock(run):
        if is_running(run):
            return run.kubeconfig
        _remove(run)
        plan = _write_files(cache, run)
        try:
            _add_bridge()
            _make_control_groups()
            process = _launch(run)
            _wait_until_ready(plan, process)
        except BaseException:
            _keep_logs(run)
            _remove(run)
            raise
    return run.kubeconfig


def stop(run: Run) -> None:
    """End the cluster and remove all it made; nothing happens if there is none."""
    with machine_lock(run):
        _remove(run)
    run.root.with_suffix(".lock").unlink(missing_ok=True)


def _write_files(cache: Cache, run: Run) -> Plan:
    run.root.mkdir(mode=0o700)
    for name in ("log/pods", "volume-plugins", "restart"):
        run.path(name).mkdir(parents=True)
    plan = Plan.make(run, cache.binaries, packages.folder(cache), images.archive(cache))
    plan.write(run.path("plan.json"))
    authority = Authority(run.path("pki"))
    here = ("127.0.0.1", "localhost")
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", SERVICE_ADDRESS)
    authority.sign("admin", "kubernetes-admin", "system:masters")
    authority.sign("api", "kube-apiserver", "system:masters", names=here + service)
    authority.sign("etcd", "etcd", names=here)
    authority.sign("controller-manager", "system:kube-controller-manager")
    authority.sign("scheduler", "system:kube-scheduler")
    names = (NODE, NODE_ADDRESS, *here)
    authority.sign("kubelet", f"system:node:{NODE}", "system:nodes", names=names)
    authority.key_pair("accounts")
    configuration.write(plan)
    return plan


def _add_bridge() -> None:
    for arguments in (
        ["link", "add", BRIDGE, "type", "bridge"],
        ["address", "add", f"{NODE_ADDRESS}/24", "dev", BRIDGE],
        ["link", "set", BRIDGE, "up"],
    ):
        subprocess.run(["ip", *arguments], check=True)


def _control_groups() -> list[Path]:
    """The cluster's group in each hierarchy that is mounted. Source: proc(5), mounts."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            found.append(Path(target, CGROUP))
    return found


def _make_control_groups() -> None:
    for group in _control_groups():
        group.mkdir(exist_ok=True)


def _launch(run: Run) -> Process:
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    supervisor = [sys.executable, "-m", "tests.realcluster.supervisor", str(run.path("plan.json"))]
    with run.log("supervisor").open("wb") as output:
        started = subprocess.Popen(
            [*command, *supervisor],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    process = Process.of(started.pid)
    assert process is not None
    deadline = time.monotonic() + _GONE_WITHIN_S
    # The first process of the namespaces is the one to wait for when they end.
    while process.is_running and not process.children() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    _remember(run, [process, *process.children()])
    return process


def _wait_until_ready(plan: Plan, process: Process) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not (_node_is_ready(plan) and _namespace_is_ready(plan)):
        if not process.is_running:
            log = plan.files().log("supervisor").read_text(errors="replace").strip()
            raise ClusterError(f"the cluster ended while it started: {log.splitlines()[-1:]}")
        if time.monotonic() > deadline:
            raise ClusterError(f"the node is not ready after {_READY_WITHIN_S:.0f} s")
        time.sleep(_POLL_S)


def _node_is_ready(plan: Plan) -> bool:
    node = apiclient.read(plan, f"/api/v1/nodes/{NODE}")
    if node is None or node["spec"].get("taints"):
        return False
    conditions = node.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _namespace_is_ready(plan: Plan) -> bool:
    """A pod is admitted only once its namespace has its service account."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    return apiclient.read(plan, path) is not None


def _remember(run: Run, processes: list[Process]) -> None:
    values = [{"pid": one.pid, "started": one.started} for one in processes]
    run.path("processes.json").write_text(json.dumps(values))


def processes_of(run: Run) -> list[Process]:
    """The outer process, and the first of the namespaces."""
    try:
        values = json.loads(run.path("processes.json").read_text())
    except FileNotFoundError:
        return []
    return [Process(**value) for value in values]


def _remove(run: Run) -> None:
    # unshare's end ends its child, and the child's end everything else (pid_namespaces(7)).
    processes = processes_of(run)
    for process in processes:
        process.kill()
    for process in processes:
        if not process.wait(_GONE_WITHIN_S):
            raise ClusterError(f"process {process.pid} does not end")
    if Path("/sys/class/net", BRIDGE).exists():
        subprocess.run(["ip", "link", "delete", BRIDGE], check=True)
    for group in _control_groups():
        _remove_control_group(group)
    if run.root.exists():
        shutil.rmtree(run.root)


def _remove_control_group(group: Path) -> None:
    """Remove a group and those below it; the kernel takes a moment to see that they are empty."""
    if not group.exists():
        return
    for child in [path for path in group.iterdir() if path.is_dir()]:
        _remove_control_group(child)
    deadline = time.monotonic() + _GONE_WITHIN_S
    while True:
        try:
            group.rmdir()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def _keep_logs(run: Run) -> None:
    """A cluster that failed to start leaves its logs, and says where."""
    kept = run.root.with_name(f"{run.root.name}-failed")
    shutil.rmtree(kept, ignore_errors=True)
    if run.path("log").exists():
        shutil.copytree(run.path("log"), kept, ignore=shutil.ignore_patterns("pods"))
        print(f"the logs of the cluster that did not start are in {kept}", file=sys.stderr)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def machine_lock(run: Run) -> AbstractContextManager[None]:
    """One start, stop or restart at a time on this machine."""
    return _lock(run.root.with_suffix(".lock"))
