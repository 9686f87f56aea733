"""An embedded cluster in the background, or that of KAPP_TEST_KUBECONFIG, and the real kubectl."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

from kapp.minicluster import process

KUBECTL = str(Path(sys.executable).parent / "kubectl")
REAL_KUBECONFIG = os.environ.get("KAPP_TEST_KUBECONFIG", "")


class Kubectl:
    """Runs kubectl with a HOME of its own against one kubeconfig."""

    def __init__(self, kubeconfig, home):
        self.environment = {
            "HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "PATH": os.environ["PATH"],
        }

    def run(self, *arguments, stdin=None, timeout=30):
        return subprocess.run(
            [KUBECTL, *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def __call__(self, *arguments, stdin=None, timeout=30):
        """The output; fails the test if kubectl fails."""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {arguments}: {done.stderr}{done.stdout}"
        return done.stdout

    def error(self, *arguments, stdin=None):
        """What it says when it fails."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def state_dir():
    # Paths of sockets are short, pytest's own temporary paths are not.
    path = Path(tempfile.mkdtemp(prefix="kapp-"))
    yield path
    process.stop(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(state_dir):
    process.start(state_dir)
    yield state_dir
    process.stop(state_dir)


@pytest.fixture(scope="module")
def judged(request, tmp_path_factory):
    """The kubeconfig of the cluster that conformance tests are about, with a namespace for them."""
    if not REAL_KUBECONFIG:
        yield process.kubeconfig_path(request.getfixturevalue("cluster"))
        return
    path = tmp_path_factory.mktemp("kubeconfig") / "config"
    shutil.copy(REAL_KUBECONFIG, path)
    kubectl = Kubectl(path, path.parent)
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", namespace)
    kubectl("config", "set-context", "--current", "--namespace", namespace)
    yield path
    kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.fixture(scope="module")
def kubectl(judged, tmp_path_factory):
    return Kubectl(judged, tmp_path_factory.mktemp("home"))
