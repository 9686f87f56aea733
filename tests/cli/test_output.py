"""Whole outputs of commands that need no engine, without colour: what a user reads.

Those that need one are told by tests/journeys.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from kapp import __version__
from kapp.instance import Instance


class Shell:
    """A new user's shell: an empty home, no kubeconfig, no state."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "project"
        self.directory.mkdir()
        self.state = root / "state"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KAPP_", "KUBE", "XDG_"))},
            "HOME": str(root),
            "KAPP_STATE_DIR": str(self.state),
            "COLUMNS": "80",
        }

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `kapp ARGUMENTS…`."""
        done = subprocess.run(
            [sys.executable, "-m", "kapp", *arguments],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_version(shell: Shell) -> None:
    python = f"python {platform.python_version()} on {platform.system().lower()}"
    assert shell.run("version") == (
        0,
        (
            f"kapp {__version__} (kapp.dev, the continuous deployer; not Carvel's kapp)\n"
            f"{python}/{platform.machine()}\n"
        ),
        "",
    )


def test_list_without_projects(shell: Shell) -> None:
    assert shell.run("list") == (0, "", "no project has been run yet; start one with `kapp up`\n")


def test_list_shows_what_kill_9_left_as_stopped(shell: Shell, monkeypatch) -> None:
    monkeypatch.setenv("KAPP_STATE_DIR", str(shell.state))
    instance = Instance("/src/web/Kappfile")
    instance.prepare()
    cluster = {"kubeconfig": "/k", "context": "kind-dev", "namespace": "team"}
    instance.write_description({"kappfile": "/src/web/Kappfile", "pid": 1, "cluster": cluster})
    assert shell.run("list") == (
        0,
        (
            "PROJECT             STATE     PID   CLUSTER    NAMESPACE\n"
            "/src/web/Kappfile   Stopped   -     kind-dev   team\n"
        ),
        "",
    )


NO_KAPPFILE = (
    "error: there is no Kappfile here or in a directory above\n"
    "hint: name one with -f PATH, or change to the project's directory\n"
)
NO_ENGINE = (
    "error: no engine runs, and there is no Kappfile here or above\n"
    "hint: start one with `kapp up`, or name a Kappfile with -f PATH\n"
)
NEVER_RAN = "error: the embedded cluster has never run\nhint: start it with `kapp cluster start`\n"
NO_VALUE = "error: option -f requires a value\nhint: name a Kappfile: -f PATH\n"
MISTAKES = [
    (["up"], 2, NO_KAPPFILE),
    (["down"], 2, NO_KAPPFILE),
    (["up", "-f", "nope"], 2, "error: there is no file nope\nhint: name a Kappfile with -f PATH\n"),
    (["get", "kapp"], 1, NO_ENGINE),
    (["logs"], 1, NO_ENGINE),
    (["kubeconfig"], 1, NO_ENGINE),
    (["get", "kapp", "-f"], 1, NO_VALUE),
    (["nope"], 2, "error: no such command 'nope'\nhint: see `kapp --help`\n"),
    (["up", "--nope"], 2, "error: no such option: --nope\nhint: see `kapp up --help`\n"),
    (["cluster", "kubeconfig"], 1, NEVER_RAN),
    (["cluster", "logs"], 1, NEVER_RAN),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "stderr"), MISTAKES, ids=lambda v: str(v)[:30])
def test_mistakes(shell: Shell, arguments: list[str], code: int, stderr: str) -> None:
    assert shell.run(*arguments) == (code, "", stderr)


def test_an_unknown_cluster(shell: Shell) -> None:
    (shell.directory / "Kappfile").touch()
    assert shell.run("up", "--cluster", "nope") == (
        2,
        "",
        (
            "error: unknown cluster 'nope'\n"
            "hint: `--cluster embedded` is the only one with a name; choose others with --context\n"
        ),
    )


def test_an_unknown_context(shell: Shell) -> None:
    (shell.directory / "Kappfile").touch()
    code, stdout, stderr = shell.run("up", "--context", "nope")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("error: there is no context 'nope'")
    assert stderr.endswith("\nhint: known contexts: none\n")


def test_down_of_a_project_that_never_ran(shell: Shell) -> None:
    (shell.directory / "Kappfile").touch()
    kappfile = shell.directory.resolve() / "Kappfile"
    assert shell.run("down") == (
        0,
        "",
        f"nothing to delete: kapp has not run {kappfile} on this machine\n",
    )


def test_cluster_status_and_stop_when_it_does_not_run(shell: Shell) -> None:
    hint = "hint: start it with `kapp cluster start`\n"
    assert shell.run("cluster", "status") == (1, "state:   stopped\n", hint)
    assert shell.run("cluster", "stop") == (0, "", "the embedded cluster is not running\n")


@pytest.mark.parametrize("words", [[], ["--help"], ["up", "--help"], ["get", "--help"]], ids=str)
def test_help_needs_no_colour_and_fits(shell: Shell, words: list[str]) -> None:
    code, stdout, stderr = shell.run(*words)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("Usage: kapp")
    assert "\x1b" not in stdout
    assert max(map(len, stdout.splitlines())) <= 80


def test_completion_of_an_unknown_shell(shell: Shell) -> None:
    assert shell.run("completion", "tcsh") == (
        2,
        "",
        "error: there is no completion for 'tcsh'\nhint: there is one for bash, zsh, fish\n",
    )


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_scripts_call_kapp(shell: Shell, name: str) -> None:
    code, script, _ = shell.run("completion", name)
    assert code == 0
    assert "_KAPP_COMPLETE" in script
