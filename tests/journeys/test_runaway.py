"""Kappfiles without end or measure: the engine goes on, and the next save mends all."""

from __future__ import annotations

import time

import pytest

from .conftest import Project, Up, eventually

GOOD = "local_resource('mine', 'echo hello from mine')\n"
RUNAWAYS = {
    "loops": "def f():\n    for i in range(2000000000):\n        pass\nf()\n",
    "prints": "def f():\n    for i in range(2000000000):\n        print('x' * 1000)\nf()\n",
    "allocates": (
        "x = []\ndef f():\n    for i in range(2000000000):\n        x.append('x' * 999)\nf()\n"
    ),
    "waits": "local('sleep 1000')\n",
    "floods": "local('yes', quiet=True)\n",
}


def evaluating(project: Project) -> bool:
    return "Evaluating" in project.run("get", "kappfiles", check=False).stdout


def says_hello(project: Project, up: Up) -> None:
    eventually(lambda: "hello from mine" in up.output)


@pytest.mark.parametrize("name", ["loops", "prints", "allocates", "waits", "floods"])
def test_the_engine_answers_and_the_next_save_recovers(project: Project, name: str) -> None:
    project.write("Kappfile", GOOD)
    up = project.up()
    says_hello(project, up)
    project.write("Kappfile", RUNAWAYS[name] + GOOD)
    eventually(lambda: evaluating(project) or "Error" in project.get("kappfiles"))
    for _ in range(3):  # it answers, and other resources live on
        started = time.monotonic()
        assert "mine" in project.get("uiresources")
        assert time.monotonic() - started < 10  # a guard against a hang: it takes a tenth
    count = up.output.count("hello from mine")
    project.run("trigger", "mine")
    eventually(lambda: up.output.count("hello from mine") > count)
    project.write("Kappfile", GOOD.replace("hello", "hello again"))
    eventually(lambda: "hello again from mine" in up.output)
    assert up.interrupt() < 10


def test_ctrl_c_ends_an_endless_first_evaluation(project: Project) -> None:
    project.write("Kappfile", RUNAWAYS["loops"])
    up = project.up()
    eventually(lambda: evaluating(project))
    up.interrupt()
    assert up.process.returncode == 130


def test_a_save_ends_an_endless_first_evaluation(project: Project) -> None:
    project.write("lib.star", RUNAWAYS["loops"] + "x = 1\n")
    project.write("Kappfile", "load('lib.star', 'x')\n" + GOOD)
    up = project.up()
    eventually(lambda: evaluating(project))
    project.write("lib.star", "x = 1\n")
    says_hello(project, up)


def test_recursion_without_end_is_an_error_with_its_place(project: Project) -> None:
    project.write("Kappfile", "def f():\n    return f()\nf()\n")
    up = project.up()
    eventually(lambda: "calls are nested over 1000 deep" in up.output)
    assert "Kappfile:2" in up.output
    project.write("Kappfile", GOOD)
    says_hello(project, up)
