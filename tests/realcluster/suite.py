"""Runs the tests that are told about a cluster, against this one or one that is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import build, lifecycle
from .layout import REPOSITORY, Cache, Run

# Every test that looks at KAPP_TEST_KUBECONFIG; all others never talk to a real cluster.
_TESTS = (
    "tests/minicluster/test_kubectl.py",
    "tests/minicluster/test_kubectl_custom.py",
    "tests/minicluster/test_kubectl_jobs.py",
    "tests/minicluster/test_kubectl_pods.py",
    "tests/minicluster/test_kubectl_sets.py",
    "tests/minicluster/test_kubectl_stored.py",
    "tests/minicluster/test_kubectl_volumes.py",
    "tests/conformance",
    "tests/fieldownership",
    "tests/engine",
    "tests/journeys",
    # No cluster is in it, but a helm that is no stand-in.
    "tests/kappfile/test_helm.py",
)
# What restarts programs of the cluster: nothing else may use it meanwhile, and it must be this one.
_RESTARTS = ("tests/journeys/test_cluster_restarts.py",)
# More than two compete with the cluster for the machine.
_WORKERS = ("--numprocesses=2", "--dist=worksteal")


def run_tests(arguments: list[str]) -> int:
    """Run them with pytest, or what its `arguments` name; returns its exit code.

    The code is the first that is not 0. A cluster that was running stays; one that was started for
    this is removed.
    """
    given = os.environ.get("KAPP_TEST_KUBECONFIG", "")
    if given:
        return _pytest(Path(given), arguments or (*_WORKERS, *_TESTS))
    run = Run.of_machine()
    was_running = lifecycle.is_running(run)
    try:
        cache = Cache.of_user()
        kubeconfig = lifecycle.start(cache, run)
        helm = str(build.ensure_helm(cache))
        if arguments:
            return _pytest(kubeconfig, arguments, KAPP_TEST_HELM=helm)
        first = _pytest(kubeconfig, (*_WORKERS, *_TESTS), KAPP_TEST_HELM=helm)
        second = _pytest(kubeconfig, _RESTARTS)
        return first or second
    finally:
        if not was_running:
            lifecycle.stop(run)


def _pytest(kubeconfig: Path, arguments: Sequence[str], **more: str) -> int:
    # The node is as slow as the rest of the machine: a test's limit is for what hangs.
    options = ["--timeout=180", *arguments]
    environment = {**os.environ, "KAPP_TEST_KUBECONFIG": str(kubeconfig), **more}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode
