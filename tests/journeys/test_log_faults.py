"""No line is lost and none comes twice, whatever breaks while containers print at full rate.

KAPP_TEST_LOG_ROUNDS repeats the faults; KAPP_TEST_LOG_LINES is how much a noisy container prints.
"""

from __future__ import annotations

import json
import os

from .conftest import KAPP, Project, eventually, watching
from .printing import Printed, noisy, printer
from .proxy import Proxy

ROUNDS = int(os.environ.get("KAPP_TEST_LOG_ROUNDS", "1"))
# Of 400 bytes, at 10 000 a second: more than a log file holds, and than kapp keeps of a resource.
NOISY_LINES = int(os.environ.get("KAPP_TEST_LOG_LINES", "40000"))


def test_restarts_rollouts_cuts_and_an_api_server_that_is_away(
    behind: Project, proxy: Proxy
) -> None:
    project = behind
    project.write("web.yaml", printer("0"))
    project.write("Kappfile", "k8s_yaml('web.yaml')\n")
    project.up()
    eventually(lambda: "web" in project.get("uiresources", "-o", "name"))
    with watching(project, [KAPP, "logs", "-f", "web"]) as output:
        printed = Printed(output)
        eventually(lambda: printed.read().instances("0") == 2)  # one has failed, the next one runs
        for number in range(ROUNDS):
            before = printed.lines
            proxy.go_away()
            proxy.come_back()
            eventually(lambda before=before: printed.read().lines > before + 1000)
            before = printed.lines
            proxy.go_away()
            eventually(lambda: "connection refused" in project.get("podlogstreams"))
            proxy.come_back()
            eventually(lambda before=before: printed.read().lines > before + 1000)
            # a rollout; what the old pod printed arrives when it is long gone
            proxy.hold_logs(True)
            project.write("web.yaml", printer(f"{number + 1}"))
            eventually(lambda number=number: pods(project) == [f"{number + 1}"])
            proxy.hold_logs(False)
            eventually(lambda number=number: printed.read().over(f"{number}") == 2)
            eventually(lambda number=number: printed.read().instances(f"{number + 1}") == 2)
    assert "…" not in output.read_text(errors="replace")


def test_pods_that_take_each_others_name(project: Project) -> None:
    project.write("web.yaml", printer("0", kind="StatefulSet"))
    project.write("Kappfile", "k8s_yaml('web.yaml')\n")
    project.up()
    eventually(lambda: "web" in project.get("uiresources", "-o", "name"))
    with watching(project, [KAPP, "logs", "-f", "web"]) as output:
        printed = Printed(output)
        for number in range(2 * ROUNDS):
            eventually(lambda number=number: printed.read().instances(f"{number}") == 2)
            project.write("web.yaml", printer(f"{number + 1}", kind="StatefulSet"))
            eventually(lambda number=number: printed.read().over(f"{number}") == 2)
    assert "…" not in output.read_text(errors="replace")


def test_rotation_loses_nothing_and_noise_evicts_only_itself(project: Project) -> None:
    project.write("noisy.yaml", noisy(NOISY_LINES))
    project.write("web.yaml", printer("0", per_s=50))
    project.write("Kappfile", "k8s_yaml(['web.yaml', 'noisy.yaml'])\n")
    project.up()

    def logs(name: str) -> list[dict[str, str]]:
        lines = project.run("logs", name, "--json").stdout.splitlines()
        return [entry for entry in map(json.loads, lines) if entry["source"]]

    eventually(lambda: logs("web"))
    first = logs("web")[0]
    eventually(
        lambda: project.run("logs", "noisy", "--tail", "1").stdout == "end\n",
        within_s=60 + NOISY_LINES / 5000,
    )
    dropped, *kept = logs("noisy")
    assert dropped["source"] == "kapp"
    numbers = [int(entry["message"].split()[0]) for entry in kept[:-1]]
    assert numbers == list(range(numbers[0], NOISY_LINES))
    # kapp's own line about it (`applied …`) was the first to go
    assert int(dropped["message"].split()[0]) == numbers[0] + 1 > NOISY_LINES / 2
    assert kept[-1]["message"] == "end"
    assert logs("web")[0] == first


def pods(project: Project) -> list[str]:
    """The versions of the pods there are."""
    items = json.loads(project.kubectl("get", "pods", "-o", "json"))["items"]
    return [pod["spec"]["containers"][0]["env"][0]["value"] for pod in items]
