"""What containers print reaches `kapp logs`: every line once, in order, whatever happens."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .conftest import KAPP, Project, eventually, watching

LINES = 8000
PER_S = 10_000

_PRINTER = """\
import pathlib, sys, time
count = pathlib.Path("/data/count")
instance = int(count.read_text()) if count.exists() else 0
count.write_text(str(instance + 1))
started = time.monotonic()
for number in range(LINES):
    print(f"line {instance} {number}")
    if number % 500 == 0:
        sys.stdout.flush()
        time.sleep(max(0.0, started + number / PER_S - time.monotonic()))
sys.stdout.flush()
if instance == 0:
    sys.exit("ERROR: the first instance ends")
out = sys.stdout.buffer
out.write(b"x" * 40_000 + b"\\n" + b"bad \\xff utf-8\\n" + b"\\x1b[31mred\\x1b[0m\\n" + b"end\\n")
out.flush()
time.sleep(3600)
"""


def printer() -> str:
    """A Deployment whose first instance prints and fails, and whose second one stays."""
    program = _PRINTER.replace("LINES", str(LINES)).replace("PER_S", str(PER_S))
    code = "".join(f"          {line}\n" for line in program.splitlines())
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      automountServiceAccountToken: false
      volumes: [{{name: data, emptyDir: {{}}}}]
      initContainers:
      - name: first
        image: busybox:1.36
        command: [sh, -c, "echo prepared"]
      containers:
      - name: printer
        image: python:3.13-alpine
        volumeMounts: [{{name: data, mountPath: /data}}]
        command: [python3, -c]
        args:
        - |
{code}"""


def test_every_line_once_and_in_order(project: Project) -> None:
    project.write("web.yaml", printer())
    project.write("Kappfile", "k8s_yaml('web.yaml')\n")
    up = project.up()
    eventually(lambda: "web" in project.get("uiresources", "-o", "name"))

    with watching(project, [KAPP, "logs", "-f", "--json", "web"]) as output:
        eventually(lambda: messages(output, "printer")[-1:] == ["end"])
        printed = messages(output, "printer")
        lines = [tuple(map(int, one.split()[1:])) for one in printed if one.startswith("line ")]
        assert lines == [(instance, number) for instance in range(2) for number in range(LINES)]
        assert printed[-4:] == ["x" * 40_000, "bad \ufffd utf-8", "red", "end"]
        assert messages(output, "first") == ["prepared"]

        bad = project.run("logs", "web", "--level", "error").stdout
        # kapp says of it what it noticed itself, if it saw it before the next one ran
        noticed = r"(Error: \S+ container printer: exited with code 1\nhint: .*\n)?"
        assert re.fullmatch(r"(\[printer\] )?ERROR: the first instance ends\n" + noticed, bad)
        assert project.run("logs", "--tail", "1", "web").stdout.endswith("end\n")

        # following outlives the engine, and says so
        up.interrupt()
        eventually(lambda: "the engine ended" in output.read_text())
        project.up()
        eventually(lambda: output.read_text().count('"message": "end"') == 2)
        assert "the engine runs again" in output.read_text()


def messages(output: Path, container: str) -> list[str]:
    """What one container printed, as `kapp logs --json` wrote it."""
    found = []
    for line in output.read_text(errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            entry = json.loads(line)
            if entry["source"] == container:
                found.append(entry["message"])
    return found


def test_which_containers_are_followed(project: Project) -> None:
    containers = "".join(
        f"      - {{name: {name}, image: 'busybox:1.36', command: [sh, -c, '{code}']}}\n"
        for name, code in (
            ("main", "echo main; sleep 3600"),
            ("metrics", "echo metrics; sleep 3600"),
            ("istio-proxy", "echo mesh; sleep 3600"),
        )
    )
    project.write(
        "web.yaml",
        f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      automountServiceAccountToken: false
      containers:
{containers}""",
    )
    project.write("Kappfile", "k8s_yaml('web.yaml')\nk8s_resource('web', new_name='app')\n")
    project.up()

    def said() -> list[str]:
        text = project.run("logs", "app", "--json").stdout
        return sorted(m for m in map(_message, text.splitlines()) if "applied" not in m)

    eventually(lambda: said() == ["main", "metrics"])
    # what was read already is not read again
    by_name = "k8s_yaml('web.yaml')\nk8s_resource('web', new_name='app', {})\n"
    project.write("Kappfile", by_name.format("ignore_containers=['metrics']"))
    eventually(lambda: said() == ["main", "mesh", "metrics"])
    streams = project.get("podlogstreams", "-o", "json")
    (stream,) = json.loads(streams)["items"]
    assert [one["name"] for one in stream["status"]["containerStatuses"]] == ["main", "istio-proxy"]
    project.write("Kappfile", by_name.format("only_containers=['metrics']"))
    eventually(lambda: "metrics" in project.get("podlogstreams", "-o", "jsonpath={..name}"))
    assert said() == ["main", "mesh", "metrics"]


def _message(line: str) -> str:
    return str(json.loads(line)["message"])
