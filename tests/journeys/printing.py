"""A program that numbers its lines, and what must be seen of them: each once, in order."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from .manifests import python_workload

# Each pod's first container fails after LINES lines; the next one prints until it is told to end,
# and says how far it came. A line's time does not depend on how long the one before took.
_PROGRAM = """\
import os, pathlib, signal, sys, time
count = pathlib.Path("/data/count")
instance = int(count.read_text()) if count.exists() else 0
count.write_text(str(instance + 1))
name = f"{os.environ['HOSTNAME']}/{os.environ['VERSION']}/{instance}"
told = False

def tell(*_):
    global told
    told = True

signal.signal(signal.SIGTERM, tell)
lines, per_s = LINES, PER_S
started, number = time.monotonic(), 0
while not told and (instance or number < lines):
    for _ in range(per_s // 50):
        sys.stdout.write(f"line {name} {number}\\n")
        number += 1
    sys.stdout.flush()
    time.sleep(max(0.0, started + number / per_s - time.monotonic()))
sys.stdout.write(f"bye {name} {number}\\n")
sys.stdout.flush()
sys.exit(not told)
"""

_NOISE = """\
import sys, time
started, pad = time.monotonic(), "x" * BYTES
for number in range(LINES):
    sys.stdout.write(f"{number} {pad}\\n")
    if number % 200 == 0:
        sys.stdout.flush()
        time.sleep(max(0.0, started + number / PER_S - time.monotonic()))
print("end", flush=True)
time.sleep(3600)
"""


def printer(
    version: str,
    *,
    kind: str = "Deployment",
    name: str = "web",
    lines: int = 5000,
    per_s: int = 10_000,
) -> str:
    """A Deployment or StatefulSet of one such pod. Another `version` is a rollout."""
    program = _PROGRAM.replace("LINES", str(lines)).replace("PER_S", str(per_s))
    return _workload(program, name=name, kind=kind, version=version)


def noisy(lines: int, *, per_s: int = 10_000, line_bytes: int = 400) -> str:
    """A Deployment of one pod that numbers long lines, says `end` and is silent."""
    program = _NOISE.replace("LINES", str(lines)).replace("PER_S", str(per_s))
    return _workload(program.replace("BYTES", str(line_bytes)), name="noisy")


def _workload(program: str, *, name: str, kind: str = "Deployment", version: str = "") -> str:
    return python_workload(
        program,
        name=name,
        kind=kind,
        pod="volumes: [{name: data, emptyDir: {}}]\n",
        container=f"""\
name: printer
command: [python3, -c]
env: [{{name: VERSION, value: "{version}"}}]
volumeMounts: [{{name: data, mountPath: /data}}]
""",
    )


class Printed:
    """What was seen of such programs' lines; names are POD/VERSION/INSTANCE.

    Attributes:
        counts: by name, how many lines, each the one after the one before.
        farewells: by name, how many it says it printed.
        wrong: what was lost, came twice or in another order.
    """

    def __init__(self, file: Path) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.farewells: dict[str, int] = {}
        self.wrong: list[str] = []
        self._file = file
        self._offset = 0

    def read(self) -> Printed:
        """Take in what was printed since; fails if it is wrong."""
        with self._file.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        for found in _LINE.finditer(text.decode(errors="replace")):
            kind, name, number = found[1], found[2], int(found[3])
            if number != self.counts[name]:
                self.wrong.append(f"{name}: {kind} {number} after {self.counts[name]} lines")
            if kind == "bye":
                self.farewells[name] = number
            self.counts[name] = number + (kind == "line")
        if self.wrong:
            pytest.fail(f"{len(self.wrong)} wrong: {self.wrong[:5]}")
        return self

    @property
    def lines(self) -> int:
        """How many lines in all."""
        return sum(self.counts.values())

    def instances(self, version: str, least: int = 1000) -> int:
        """How many instances of a version have printed so many lines."""
        return sum(n >= least for name, n in self.counts.items() if f"/{version}/" in name)

    def over(self, version: str) -> int:
        """How many instances of a version have said farewell."""
        return sum(f"/{version}/" in name for name in self.farewells)


_LINE = re.compile(r"\b(line|bye) (\S+) (\d+)$", re.MULTILINE)
