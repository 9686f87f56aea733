# ruff: noqa: ISC004 -- each text is one item, a line of it on a line

from __future__ import annotations

import os
import time

import pytest

from kapp.kappfile import commands
from kapp.kappfile.context import KubeContextInfo

ENV = {"PATH": os.environ["PATH"]}


def test_output_is_returned_and_printed(project):
    result = project.run(
        "out = str(local('echo one; echo two >&2'))\nprint(out == 'one\\n', type(local(['true'])))",
        env=ENV,
    )
    assert result.output == (
        "local: echo one; echo two >&2",
        " → one",
        " → two",
        "local: true",
        "True blob",
    )


def test_words_directory_environment_and_input(project):
    project.write("sub/x", "")
    result = project.run(
        "print(local(['cat'], quiet=True, echo_off=True, stdin=blob('hello')))\n"
        "print(local('pwd; echo $A', dir='sub', env={'A': 'b c'}, quiet=True, echo_off=True))\n",
        env=ENV,
    )
    assert result.output == ("hello", f"{project.root}/sub\nb c\n")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("local('echo why >&2; exit 3')", "`echo why >&2; exit 3` failed with exit code 3: why"),
        ("local('kill -9 $$')", "`kill -9 $$` failed with signal 9"),
        ("local(['no-such-program'])", "there is no program `no-such-program`"),
        ("local('')", "`command` must be a command: a string for the shell, or a list of words, "
         "not a string"),
    ],
)  # fmt: skip
def test_failures(project, call, message):
    project.write("Kappfile", call)
    with pytest.raises(Exception, match="local") as caught:
        project.run(env=ENV)
    assert str(caught.value) == f"Kappfile:1: local: {message}"


def test_no_directory(project):
    error = project.fails("local('true', dir='nope')")
    assert str(error) == f"Kappfile:1: local: there is no directory {project.root}/nope"


def test_not_for_a_context_that_is_not_allowed(project):
    project.context = KubeContextInfo("prod")
    assert project.report("local('true')") == (
        "Kappfile:1: local: the context `prod` is not a local cluster, so kapp does not write to "
        "it\n    local('true')\n"
        "hint: if that is intended, add allow_k8s_contexts('prod') to the Kappfile"
    )
    project.run("allow_k8s_contexts('prod')\nlocal('true')", env=ENV)


def test_a_cancelled_command_is_stopped_with_its_children(project):
    asked = []

    def cancelled():
        asked.append(1)
        return (project.root / "started").exists()

    before = time.monotonic()
    with pytest.raises(Exception, match="cancelled") as caught:
        project.run("local('(touch started; sleep 60) & sleep 60')", env=ENV, cancelled=cancelled)
    assert caught.value.cancelled
    assert time.monotonic() - before < 30


def test_endless_output_is_stopped(project, monkeypatch):
    monkeypatch.setattr(commands, "MAX_OUTPUT_BYTES", 1 << 20)
    project.write("Kappfile", "local('yes')")
    with pytest.raises(Exception, match="printed over 1 MiB"):
        project.run(env=ENV)
