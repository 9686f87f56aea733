"""`kapp logs` in all its flags, in a pipe and on a terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import DEADLINE_S, KAPP, Project, Up, eventually
from .terminal import Terminal

_WEB = r"""
import os, sys, time
sys.stdout.buffer.write(
    b"\x1b[31mred\n\x1b[2Jcleared\n10%\r100%\nbad \xff utf-8\n"
    b"ERROR: no\n  because\nINFO: yes\n" + b"x" * 300 + b"\ndone\n"
)
sys.stdout.flush()
said = set()
while True:
    new = sorted(set(os.listdir("say")) - said)
    said.update(new)
    for name in new:
        print("said", name, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def up(project: Project) -> Up:
    """An engine with two resources that have printed."""
    project.write("web.py", _WEB)
    project.write("say/hello", "")
    project.write(
        "Kappfile",
        """
        local_resource('web', serve_cmd=['python3', 'web.py'])
        local_resource('database', serve_cmd='echo ready; sleep 3600')
        """,
    )
    made = project.up()
    eventually(lambda: "said hello" in made.output and "ready" in made.output)
    return made


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(100, 40)
    yield made
    made.close()


def logs(project: Project, *arguments: str) -> list[str]:
    """What `kapp logs ARGUMENTS…` writes into a pipe."""
    done = subprocess.run(
        [KAPP, "logs", *arguments],
        cwd=project.directory,
        env=project.environment,
        capture_output=True,
        timeout=DEADLINE_S,
        check=True,
    )
    return done.stdout.decode().split("\n")[:-1]


def test_in_a_pipe(project: Project, up: Up) -> None:
    del up
    both = logs(project)
    assert "\x1b" not in "".join(both)
    assert "     web │ red" in both
    assert "     web │ bad \ufffd utf-8" in both
    assert "     web │ " + "x" * 300 in both
    assert "database │ ready" in both
    web = logs(project, "web")
    assert web[-1] == "said hello"
    assert logs(project, "web", "database", "--file", "Kappfile") == both
    assert [json.loads(line)["message"] for line in logs(project, "web", "--json")] == web

    assert logs(project, "--tail", "2", "web") == ["done", "said hello"]
    assert logs(project, "--tail", "0", "web") == []
    assert logs(project, "--tail", "-1", "web") == web
    bad = ["ERROR: no", "  because"]
    assert logs(project, "--level", "error", "web") == bad
    assert logs(project, "--level", "error", "--tail", "1", "web") == bad[1:]
    assert logs(project, "--level", "debug", "web") == web
    assert logs(project, "--since", "1h", "web") == web
    assert logs(project, "--since", "0s", "web") == []
    stamped = logs(project, "--timestamps", "web")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in stamped)
    assert [line[25:] for line in stamped] == web


def test_a_reader_that_has_seen_enough(project: Project, up: Up) -> None:
    del up
    with subprocess.Popen(
        [KAPP, "logs", "-f", "web"],
        cwd=project.directory,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"running: python3 web.py\n"
        process.stdout.close()
        project.write("say/more", "")
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr.read() == b""


def test_on_a_terminal(project: Project, up: Up, terminal: Terminal) -> None:
    command = [KAPP, "logs", "-f", "--tail", "8"]
    process = terminal.run(command, project.directory, project.environment)
    try:
        eventually(terminal.shows("said hello"))
        project.write("say/goodbye", "")
        eventually(terminal.shows("web │ said goodbye"))

        up.interrupt()
        eventually(
            terminal.shows("the engine ended; its logs are followed again once `kapp up` runs")
        )
        project.up()
        eventually(terminal.shows("the engine runs again", "│ cleared", "│ 100%"))
        eventually(lambda: terminal.lines() and terminal.bytes.count(b"said goodbye") == 2)
        assert b"\x1b[31mred\x1b[0m" in terminal.bytes
        assert b"\x1b[2J" not in terminal.bytes
        assert "web\x1b[0m │ ".encode() in terminal.bytes
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        terminal.lines()
        assert b"Traceback" not in terminal.bytes
    finally:
        process.kill()
        process.wait()
