"""`kapp up` on a terminal: a real pseudo-terminal, with pyte as the screen behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.journeys.conftest import DEADLINE_S, KAPP, Project, eventually, free_port
from tests.journeys.manifests import web
from tests.journeys.terminal import Terminal


@contextmanager
def up_on(terminal: Terminal, project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """`kapp up` with that terminal as its own."""
    command = [KAPP, "up", "--namespace", project.namespace]
    process = terminal.run(command, project.directory, project.environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(terminal.slave)
        os.close(terminal.master)


def wait(process: subprocess.Popen[bytes], terminal: Terminal) -> int:
    """Its exit code; the terminal is read meanwhile, as a person's is."""
    deadline = time.monotonic() + DEADLINE_S
    while process.poll() is None:
        assert time.monotonic() < deadline, terminal.lines()
        terminal.lines()
        time.sleep(0.02)
    return process.returncode


def idle(name: str) -> str:
    """A Deployment that runs nothing."""
    return web(name=name).replace("replicas: 1", "replicas: 0")


@pytest.mark.parametrize(("columns", "count"), [(80, 1), (200, 20), (80, 200)])
def test_the_panel_fits_and_survives_resizing(project: Project, columns: int, count: int) -> None:
    project.write("all.yaml", "---\n".join(idle(f"web-{number}") for number in range(count)))
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    terminal = Terminal(columns, 24)
    with up_on(terminal, project) as process:
        # and the Kappfile, which is a resource too
        # and the Kappfile, which is a resource too; 200 are a minute's work for a busy real node
        eventually(terminal.shows(f"{count + 1} resources:", f"{count} ready"), within_s=120)
        other = 200 if columns == 80 else 80
        terminal.resize(other, 30)
        eventually(terminal.shows("─" * (other - 1), f"{count} ready"))
        shown = terminal.lines()
        assert sum(line.startswith("─") for line in shown) == 1, "\n".join(shown)
        # Where not all fit, it says how many are hidden, and shows whichever is chosen.
        assert any(" more" in line for line in shown) == (count > 12), "\n".join(shown)
        terminal.type(b"\x1b[A")
        eventually(lambda: sum(line.startswith("▸ ") for line in terminal.lines()) == 1)
        terminal.type(b"q")
        assert wait(process, terminal) == 130
        assert "kapp down" in "\n".join(terminal.lines())
        assert not any(line.startswith("─") for line in terminal.lines())


def test_a_row_says_state_forward_age_and_error_at_either_width(project: Project) -> None:
    port = free_port()
    wrong = idle("wrong").replace("replicas: 0", "replica: 0")
    project.write("all.yaml", f"{web()}---\n{wrong}")
    project.write("Kappfile", f"k8s_yaml('all.yaml')\nport_forward('web', {port})\n")
    terminal = Terminal(200, 30)
    with up_on(terminal, project) as process:
        ready = rf"  web +ready +\d+[sm] +http://localhost:{port}/"
        failed = r"  wrong +failed +.*spec\.replica: unknown field.*"

        def rows(*patterns: str) -> bool:
            shown = terminal.lines()
            rule = next((at for at, line in enumerate(shown) if line.startswith("─")), 0)
            panel = shown[rule:]
            assert max(map(len, panel)) < terminal.screen.columns
            # What is printed flows above the panel, and never into it.
            assert not any("│" in line for line in panel), "\n".join(shown)
            assert any("serving 'one'" in line for line in shown[:rule]), "\n".join(shown)
            return all(any(re.fullmatch(one, line) for line in panel) for one in patterns)

        eventually(terminal.shows("serving 'one'", "failed"))
        eventually(lambda: rows(ready, failed))
        terminal.resize(80, 30)
        eventually(terminal.shows("─" * 79))
        eventually(lambda: rows(ready, r"  wrong +failed +.*…"))
        terminal.resize(200, 30)
        eventually(lambda: rows(ready, failed))
        terminal.type(b"q")
        assert wait(process, terminal) == 130


def test_keys_choose_filter_and_trigger(project: Project) -> None:
    project.write("all.yaml", f"{idle('one')}---\n{idle('two')}")
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    terminal = Terminal(120, 30)
    with up_on(terminal, project) as process:
        eventually(terminal.shows("2 ready", "one │ applied", "two │ applied"))
        terminal.type(b"t")
        eventually(terminal.shows("choose a resource first"))
        while not any(line.startswith("▸ one") for line in terminal.lines()):
            terminal.type(b"\x1b[B")
            time.sleep(0.1)
        terminal.type(b"t")
        eventually(terminal.shows("triggered one"))
        terminal.type(b"f")
        eventually(terminal.shows("logs of one only"))
        terminal.type(b"f")
        eventually(lambda: "logs of one only" not in "\n".join(terminal.lines()))
        process.send_signal(signal.SIGINT)
        assert wait(process, terminal) == 130
        attributes = termios.tcgetattr(terminal.slave)
        assert attributes[3] & termios.ICANON, "the terminal was not given back"
        assert attributes[3] & termios.ECHO


def test_a_terminal_that_nobody_reads_does_not_stop_the_engine(project: Project) -> None:
    loud = web(name="loud").replace(
        "command:", "command: [sh, -c, 'yes a long line of output | head -n 200000; sleep 999']\n#"
    )
    project.write("all.yaml", loud)
    project.write("Kappfile", "k8s_yaml('all.yaml')\n")
    terminal = Terminal(80, 24)
    with up_on(terminal, project) as process:
        eventually(lambda: "loud" in project.get("kapp"))
        # The screen is not looked at until now: the pseudo-terminal's buffer is full.
        project.write("more.yaml", idle("more"))
        project.write("Kappfile", "k8s_yaml(['all.yaml', 'more.yaml'])\n")
        eventually(lambda: "Applied" in project.get("kapp", "more"))
        process.send_signal(signal.SIGINT)
        assert wait(process, terminal) == 130
