"""Commands on this machine beside the cluster's resources: what a user sees of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from .conftest import Project, eventually, free_port, page

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "1"}
"""

# Serves a file's words as they were when it started; a child of its own session, too.
SERVER = """\
import http.server, os, subprocess, sys
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
open("child.pid", "w").write(str(child.pid))
page = open("page.txt").read().encode()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.path != "/healthz" or os.path.exists("healthy")
        self.send_response(200 if ok else 503)
        self.end_headers()
        self.wfile.write(page)
http.server.ThreadingHTTPServer.allow_reuse_address = True
print("serving", page.decode(), flush=True)
http.server.ThreadingHTTPServer(("localhost", int(sys.argv[1])), Page).serve_forever()
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def served(project: Project, port: int) -> Project:
    """A server that is ready when there is a file `healthy`, and a ConfigMap that waits for it."""
    project.write("server.py", SERVER)
    project.write("page.txt", "one")
    project.write("map.yaml", CONFIG_MAP)
    project.write(
        "Kappfile",
        f"""
        local_resource('web', serve_cmd=['{sys.executable}', 'server.py', '{port}'],
            deps=['page.txt'], labels=['front'], links=['localhost:{port}'],
            readiness_probe=probe(period_secs=1, http_get=http_get_action({port}, path='/healthz')))
        k8s_yaml('map.yaml')
        k8s_resource(objects=['settings'], new_name='settings', resource_deps=['web'])
        """,
    )
    return project


def status(project: Project, kind: str, name: str) -> dict:
    found = project.run("get", kind, name, "-o", "json", check=False)
    return json.loads(found.stdout).get("status") or {} if found.returncode == 0 else {}


def ready(project: Project, name: str) -> bool:
    conditions = status(project, "uiresource", name).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def is_alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def processes(project: Project) -> list[int]:
    """The server's, and that of its child, which left its process group."""
    pid = eventually(lambda: (status(project, "cmd", "web").get("running") or {}).get("pid"))
    return [int(pid), int(eventually(lambda: project.read("child.pid")))]


def test_a_server_gates_restarts_logs_and_ends(served: Project, port: int) -> None:
    project = served
    up = project.up()
    first = processes(project)
    eventually(lambda: page(port) == "one")
    waiting = eventually(lambda: status(project, "uiresource", "settings").get("waiting"))
    assert waiting["reason"] == "waiting-for-dep"
    assert waiting["on"][0]["name"] == "web"
    assert not ready(project, "web")
    assert not project.kubectl("get", "configmap", "settings", "--ignore-not-found")

    project.write("healthy", "")
    eventually(lambda: ready(project, "web"))
    eventually(lambda: project.kubectl("get", "configmap", "settings", "--ignore-not-found"))
    ui = status(project, "uiresource", "web")
    assert ui["runtimeStatus"] == "ok"
    assert ui["endpointLinks"] == [{"url": f"http://localhost:{port}"}]

    project.write("page.txt", "two")
    eventually(lambda: page(port) == "two")
    second = processes(project)
    assert not set(first) & set(second)
    assert not any(map(is_alive, first))
    said = project.run("logs", "web").stdout
    assert said.index("serving one") < said.index("serving two")
    assert "serving two" in up.output
    assert "Running   true" in project.get("cmds")
    eventually(lambda: "web:runtime" in project.get("session", "-o", "json"))

    project.run("trigger", "web")
    eventually(lambda: processes(project) != second and page(port) == "two")
    third = processes(project)
    project.run("disable", "web")
    eventually(lambda: not any(map(is_alive, third)))
    project.run("enable", "web")
    eventually(lambda: page(port) == "two")
    last = processes(project)
    up.interrupt()
    eventually(lambda: not any(map(is_alive, last)))


def test_a_killed_engine_leaves_no_process(served: Project, port: int) -> None:
    up = served.up()
    eventually(lambda: page(port) == "one")
    pids = processes(served)
    up.kill()
    eventually(lambda: not any(map(is_alive, pids)))


def test_a_server_that_dies_is_started_again(served: Project, port: int) -> None:
    up = served.up()
    eventually(lambda: page(port) == "one")
    (pid, child) = processes(served)
    os.kill(pid, 9)
    eventually(lambda: not is_alive(child))
    eventually(lambda: page(port) == "one")
    assert "was ended by signal 9; starts again in 1 s" in up.output
    eventually(lambda: status(served, "cmd", "web").get("restarts") == 1)


def test_jobs_run_one_by_one_on_changes_and_failures_show(project: Project) -> None:
    project.write("input", "one")
    project.write(
        "Kappfile",
        """
        slow = 'echo in >> order; sleep 0.2; echo out >> order; '
        local_resource('gen', slow + 'cp input output; cat output', deps=['input'])
        local_resource('b', slow, resource_deps=['gen'])
        local_resource('a', slow)
        local_resource('manual', 'echo by hand', auto_init=False, trigger_mode=TRIGGER_MODE_MANUAL)
        local_resource('bad', 'echo oops; exit 3', allow_parallel=True)
        local_resource('web', 'echo built', serve_cmd='echo serves; exec sleep 1000')
        """,
    )
    up = project.up()
    eventually(lambda: all(ready(project, name) for name in ("gen", "a", "b", "web")))
    assert project.read("order").split() == ["in", "out"] * 3
    assert project.read("output") == "one"
    said = project.run("logs", "web").stdout
    assert said.index("built") < said.index("serves")

    bad = eventually(lambda: status(project, "uiresource", "bad"))
    assert bad["updateStatus"] == "error"
    assert bad["buildHistory"][0]["error"] == "ended with exit code 3"
    assert "oops" in up.output
    assert "Error: ended with exit code 3" in project.get("cmd", "bad")

    project.write("input", "two")
    eventually(lambda: project.read("output") == "two")
    waiting = status(project, "uiresource", "manual")["waiting"]
    assert waiting["reason"] == "waiting-for-trigger"
    project.run("trigger", "manual")
    eventually(lambda: "by hand" in project.run("logs", "manual").stdout)
    server = status(project, "cmd", "web:serve")["running"]["pid"]
    project.run("trigger", "web")
    # In between it does not run at all.
    eventually(
        lambda: (
            (status(project, "cmd", "web:serve").get("running") or {}).get("pid", server) != server
        )
    )


def test_a_job_that_is_stopped_and_wanted_again_runs_again(project: Project) -> None:
    """Wanted again while the first run, which takes its time to end, still runs."""
    project.write(
        "job.sh",
        """
        trap 'touch told; while [ ! -e end ]; do sleep 0.1; done; exit 1' TERM
        echo started >> order
        while [ ! -e finish ]; do sleep 0.1; done
        """,
    )
    kappfile = "local_resource('gen', 'exec sh job.sh >printed 2>&1', env={'A': '%s'})\n"
    project.write("Kappfile", kappfile % 1)
    project.up()
    eventually(lambda: project.read("order") == "started\n")

    project.run("disable", "gen")
    eventually(lambda: project.read("told") == "")
    project.run("enable", "gen")
    (project.directory / "told").unlink()
    project.write("end", "")
    eventually(lambda: project.read("order").split() == ["started"] * 2)
    (project.directory / "end").unlink()

    project.write("Kappfile", kappfile % 2)
    eventually(lambda: project.read("told") == "")
    project.write("Kappfile", kappfile % 1)
    eventually(lambda: "1" in project.get("cmd", "gen", "-o", "jsonpath={.spec.env}"))
    project.write("end", "")
    eventually(lambda: project.read("order").split() == ["started"] * 3)
    project.write("finish", "")
    eventually(lambda: ready(project, "gen"))
    assert project.read("order").split() == ["started"] * 3
