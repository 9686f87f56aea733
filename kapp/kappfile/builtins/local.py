"""Builtins that run programs on this machine."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import shlex
from pathlib import Path

from kapp.kappfile import commands
from kapp.kappfile.context import check_context
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import (
    Value,
    blob_value,
    boolean,
    optional_string,
    string_dict,
    strings,
    text,
    wrong,
)

TOPIC = "Local"


def command_line(argument: str, value: Value) -> list[str]:
    """The words to run: a string goes to the shell, a list is taken as it is."""
    if isinstance(value, str) and value.strip():
        return ["sh", "-c", value]
    if isinstance(value, list) and value:
        return strings(argument, value)
    raise wrong(argument, "a command: a string for the shell, or a list of words", value)


@builtin(
    "local",
    topic=TOPIC,
    returns_struct=True,
    example="version = str(local('echo 1.2', quiet=True)).strip()",
)
def local(
    call: Call,
    command: Value,
    quiet: Value = False,
    command_bat: Value = "",
    echo_off: Value = False,
    env: Value = None,
    dir_: Value = "",
    stdin: Value = None,
) -> Value:
    """Run a command now and return what it prints, as a blob. A failure of it is an error.

    Files that it reads are not watched: name them with `watch_file`. Refused, like every write,
    for a context that is no local cluster and not allowed.

    Args:
        command: a string for the shell, or a list of words.
        quiet: do not print its output.
        command_bat: the command on Windows, where kapp does not run.
        echo_off: do not print the command.
        env: variables added to the environment.
        dir: where it runs; by default the directory of the file that is executed.
        stdin: a string or a blob that it reads.
    """
    session = call.session
    refusal = check_context(session.context, session.declared.settings.allowed_contexts)
    if refusal is not None:
        raise KappfileError(refusal.message, hint=refusal.hint)
    words = command_line("command", command)
    shown = command if isinstance(command, str) else shlex.join(words)
    if not boolean("echo_off", echo_off):
        session.print(f"local: {shown}")
    session.renders.wait()  # it may write what they read
    directory = session.resolve(optional_string("dir", dir_))
    done = commands.run(
        words,
        directory=directory,
        env=session.env | string_dict("env", env or {}),
        stdin=None if stdin is None else text("stdin", stdin),
        cancelled=session.cancelled,
    )
    if not boolean("quiet", quiet) or done.code:
        for line in (done.stdout + done.stderr).splitlines():
            session.print(f" → {line}")
    if done.code:
        raise _failed(shown, done, directory)
    return blob_value(done.stdout)


def _failed(shown: str, done: commands.Completed, directory: Path) -> KappfileError:
    ending = f"exit code {done.code}" if done.code > 0 else f"signal {-done.code}"
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return KappfileError(
        f"`{shown}` failed with {ending}" + (f": {said[-1].strip()}" if said else ""),
        hint=f"it ran in {directory}",
    )
