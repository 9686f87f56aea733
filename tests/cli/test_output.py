"""The command as a process of its own, which most of tests/cli/snapshots/ is not typed into."""

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
# One for each way that `kapp/cli/entry.py` takes.
MISTAKES = [
    (["up"], 2, NO_KAPPFILE),
    (["get", "kapp"], 1, NO_ENGINE),
    (["logs"], 1, NO_ENGINE.replace("-f", "--file")),
]


@pytest.mark.parametrize(("arguments", "code", "stderr"), MISTAKES, ids=lambda v: str(v)[:30])
def test_mistakes(shell: Shell, arguments: list[str], code: int, stderr: str) -> None:
    assert shell.run(*arguments) == (code, "", stderr)


@pytest.mark.parametrize("words", [[], ["--help"], ["up", "--help"], ["get", "--help"]], ids=str)
def test_help_needs_no_colour_and_fits(shell: Shell, words: list[str]) -> None:
    code, stdout, stderr = shell.run(*words)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("Usage: kapp")
    assert "\x1b" not in stdout
    assert max(map(len, stdout.splitlines())) <= 80
