"""What a save and an idle engine cost, in numbers that no clock decides. Times: `benchmarks/`."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .conftest import Project, eventually, free_port, page
from .manifests import podless, server
from .proxy import Proxy, Request

SAVES = 5
# Long enough for whatever comes back every second, or a few times in one.
_WINDOW_S = 4.0
_WAKES_IN_WINDOW = 3
EVALUATED = "this line is evaluated"


def deployment(mark: str) -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, annotations: {{mark: "{mark}"}}}}
{podless("web")}"""


def _is_applied(project: Project, mark: str) -> bool:
    apply = json.loads(project.get("kapp", "web", "-o", "json"))
    ui = json.loads(project.get("uiresource", "web", "-o", "json"))
    conditions = {one["type"]: one["status"] for one in ui["status"].get("conditions", [])}
    return mark in apply["status"].get("resultYAML", "") and conditions.get("UpToDate") == "True"


def test_a_save_is_one_evaluation_and_one_write(behind: Project, proxy: Proxy) -> None:
    behind.write("Kappfile", f"print('{EVALUATED}')\nk8s_yaml('web.yaml')\n")
    behind.write("web.yaml", deployment("save-0"))
    up = behind.up()
    eventually(lambda: _is_applied(behind, "save-0"))
    before, evaluated = len(proxy.requests), up.output.count(EVALUATED)
    for number in range(1, SAVES + 1):
        mark = f"save-{number}"
        behind.write("web.yaml", deployment(mark))
        eventually(lambda mark=mark: _is_applied(behind, mark))
    requests, evaluations = proxy.requests[before:], up.output.count(EVALUATED) - evaluated
    path = f"/apis/apps/v1/namespaces/{behind.namespace}/deployments/web"
    assert evaluations == SAVES
    assert [one for one in requests if one.method != "GET"] == [Request("PATCH", path)] * SAVES
    # Whose it is, is known from the first apply, and asked again after a minute.
    assert requests.count(Request("GET", path)) <= 1


def test_an_idle_engine_sleeps(project: Project) -> None:
    port = free_port()
    project.write("web.yaml", server("idle"))
    project.write("Kappfile", f"k8s_yaml('web.yaml')\nport_forward('web', {port})\n")
    up = project.up()
    eventually(lambda: page(port).startswith("idle"))

    def sleeps() -> bool:
        before = _wakes(up.process.pid)
        time.sleep(_WINDOW_S)
        woken = _wakes(up.process.pid) - before
        assert woken <= _WAKES_IN_WINDOW, f"woken {woken} times in {_WINDOW_S} s"
        return True

    eventually(sleeps)


def _wakes(pid: int) -> int:
    """How often the threads of a process have gone to sleep so far, by the kernel's account."""
    count = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                count += int(line.split()[1])
    return count
