"""The background process: started, shared, killed, reclaimed, stopped."""

import json
import os
import shutil
import signal
import sqlite3
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kapp.errors import ClusterError
from kapp.minicluster import process
from kapp.minicluster.statedir import StateDirectory, owner_of

DEADLINE_S = 40


@pytest.fixture
def state():
    path = Path(tempfile.mkdtemp(prefix="kapp-"))
    yield path
    process.stop(path)
    shutil.rmtree(path, ignore_errors=True)


def request(state, path, *, method="GET", body=None, token=None, **headers):
    """(status, body) of an HTTPS request; `token` None is the right one."""
    directory = StateDirectory(state)
    about = directory.describe()
    trust = ssl.create_default_context(cafile=str(directory.certificate))
    token = directory.token.read_text() if token is None else token
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    wanted = urllib.request.Request(about["server"] + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(wanted, context=trust, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.read()


def pod(name, *command):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "containers": [{"name": "c", "image": "i:1", "command": list(command)}],
            "terminationGracePeriodSeconds": 1,
        },
    }


def until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        os.sched_yield()
    return found


def is_alive(pid):
    """Whether a process runs; one that only waits for its parent's notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def runs(marker):
    """Whether a process with `marker` among its arguments runs."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def is_on_disk(state, name):
    """Whether an object has been written behind: what is younger may be lost."""
    with closing(sqlite3.connect(state / "objects.db")) as database:
        wanted = "SELECT count(*) FROM objects WHERE name=?"
        return bool(database.execute(wanted, (name,)).fetchone()[0])


def config_map(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}


def test_start_stop_status(state):
    assert process.status(state) == process.ClusterStatus(
        running=False, log=str(state / "cluster.log")
    )
    kubeconfig = process.start(state)

    found = process.status(state)
    assert found.running
    assert found.pods == 0
    assert found.mode in ("namespaces", "processes")
    assert found.server.startswith("https://127.0.0.1:")
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    config = json.loads(kubeconfig.read_text())
    assert config["current-context"] == process.CONTEXT_NAME
    assert process.start(state) == kubeconfig
    assert process.status(state).pid == found.pid

    assert process.stop(state)
    assert not process.stop(state)
    assert not is_alive(found.pid)


def test_starts_at_once_share_one_cluster(state):
    with ThreadPoolExecutor(4) as pool:
        for started in [pool.submit(process.start, state) for _ in range(4)]:
            started.result()
    log = (state / "cluster.log").read_text()
    assert log.count("cluster is ready") == 1


def test_nobody_gets_in_without_the_token(state):
    process.start(state)
    port = StateDirectory(state).describe()["server"].rpartition(":")[2]
    assert request(state, "/readyz", token="")[0] == 200
    assert request(state, "/livez", token="")[0] == 200
    for path in ("/api", "/api/v1/pods", "/version", "/openapi/v3", "/metrics", "/debug/pprof"):
        assert request(state, path, token="")[0] == 401
        assert request(state, path, token="wrong")[0] == 401
    assert request(state, "/api/v1/pods", Host="evil.example")[0] == 403
    assert request(state, "/api/v1/pods", Host=f"evil.example:{port}")[0] == 403
    assert request(state, "/api/v1/pods", Origin="https://evil.example")[0] == 403
    assert request(state, "/api/v1/pods")[0] == 200


def test_it_listens_on_loopback_only(state):
    process.start(state)
    port = int(StateDirectory(state).describe()["server"].rpartition(":")[2])
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_objects_the_port_and_the_kubeconfig_outlive_a_restart(state):
    kubeconfig = process.start(state)
    before = kubeconfig.read_bytes()
    path = "/api/v1/namespaces/default/configmaps"
    assert request(state, path, method="POST", body=config_map("kept"))[0] == 201
    version = json.loads(request(state, f"{path}/kept")[1])["metadata"]["resourceVersion"]
    process.stop(state)
    process.start(state)

    assert kubeconfig.read_bytes() == before
    status, body = request(state, f"{path}/kept")
    assert status == 200
    assert json.loads(body)["metadata"]["resourceVersion"] == version
    newer = json.loads(request(state, path, method="POST", body=config_map("newer"))[1])
    assert int(newer["metadata"]["resourceVersion"]) > int(version)


@pytest.mark.slow
def test_kill_leaves_nothing_running_and_is_reclaimed(state):
    marker = f"marker-{os.getpid()}"
    process.start(state)
    pid = process.status(state).pid
    pods = "/api/v1/namespaces/default/pods"
    sleeper = pod("sleeper", sys.executable, "-c", "import time; time.sleep(600)", marker)
    assert request(state, pods, method="POST", body=sleeper)[0] == 201

    def running():
        found = json.loads(request(state, f"{pods}/sleeper")[1])
        return found.get("status", {}).get("phase") == "Running" and runs(marker)

    until(running)
    until(lambda: is_on_disk(state, "sleeper"))
    os.kill(pid, signal.SIGKILL)
    until(lambda: not runs(marker))
    until(lambda: owner_of(StateDirectory(state)) == 0)
    assert not process.status(state).running

    process.start(state)
    assert process.status(state).pid != pid
    # The pod was on disk, so it runs again, as after the reboot of a node.
    until(running)
    process.stop(state)
    assert not runs(marker)


def test_a_cluster_that_cannot_start_says_why(state):
    (state / "objects.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(ClusterError) as e:
        process.start(state)
    assert "state cannot be read" in e.value.message
    assert not process.status(state).running


def test_in_the_foreground_it_ends_with_a_signal(state):
    with subprocess.Popen(
        [sys.executable, "-m", "kapp.minicluster", "--state-dir", str(state)],
        stderr=subprocess.PIPE,
    ) as running:
        until(lambda: StateDirectory(state).describe())
        again = subprocess.run(
            [sys.executable, "-m", "kapp.minicluster", "--state-dir", str(state)],
            capture_output=True,
            text=True,
        )
        assert again.returncode == 1
        assert again.stderr == "error: another cluster runs in this directory\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(DEADLINE_S) == 0
    assert not (state / "cluster.json").exists()


def test_custom_kinds_survive_a_restart(state):
    process.start(state)
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True}
                | {"schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
    collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert request(state, collection, method="POST", body=definition)[0] == 201
    things = "/apis/example.com/v1/things"
    until(lambda: request(state, things)[0] == 200)
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}}
    assert request(state, things, method="POST", body={**thing, "size": 3})[0] == 201
    process.stop(state)
    process.start(state)
    status, body = request(state, f"{things}/one")
    assert (status, json.loads(body)["size"]) == (200, 3)
