"""The names `os`, `os.path`, `sys` and `shlex`."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from kapp.kappfile.registry import builtin, constant
from kapp.kappfile.session import Call
from kapp.kappfile.values import Value, string, text

TOPIC = "Operating system"

constant(
    "os.environ",
    topic=TOPIC,
    starlark="_kapp_environ",
    doc="The environment, a dict. A change counts in the file that makes it; `os.putenv` counts "
    "in files loaded later, too.",
    example="print(os.environ.get('HOME'))",
)
constant(
    "os.name",
    topic=TOPIC,
    starlark=f'"{os.name}"',
    doc="The kind of operating system: `posix` or `nt`.",
    example="print(os.name)",
)
constant(
    "sys.argv",
    topic=TOPIC,
    starlark="_kapp_argv",
    doc="The words after `kapp up --`.",
    example="print(sys.argv)",
)
constant(
    "sys.executable",
    topic=TOPIC,
    starlark=f"{sys.executable!r}",
    doc="The path of the program that runs kapp.",
    example="print(sys.executable)",
)


@builtin("os.getcwd", topic=TOPIC, example="print(os.getcwd())")
def getcwd(call: Call) -> str:
    """The directory of the file that is executed, at which paths start."""
    return str(call.session.directory)


@builtin(
    "os.getenv",
    topic=TOPIC,
    example="registry = os.getenv('REGISTRY', 'localhost:5000')",
    starlark="""def {id}(key, default=None):
    if _kapp_type(key) != "string":
        {py}(call_stack(strip_frames=1), key, None)
    return _kapp_environ.get(key, default)
""",
)
def getenv(call: Call, key: Value, default: Value = None) -> None:
    """The value of an environment variable.

    Args:
        key: its name.
        default: returned if it is not set.
    """
    string("key", key)


@builtin(
    "os.putenv",
    topic=TOPIC,
    example="os.putenv('KUBECTL_EXTERNAL_DIFF', 'diff')",
    starlark="""def {id}(key, value):
    {py}("", key, value)
    _kapp_environ[key] = value
""",
)
def putenv(call: Call, key: Value, value: Value) -> None:
    """Set an environment variable for this evaluation; kapp's own environment stays as it is.

    Args:
        key: its name.
        value: a string.
    """
    call.session.env[string("key", key)] = string("value", value)


@builtin(
    "os.unsetenv",
    topic=TOPIC,
    example="os.unsetenv('KUBECTL_EXTERNAL_DIFF')",
    starlark="""def {id}(key):
    {py}("", key)
    _kapp_environ.pop(key, None)
""",
)
def unsetenv(call: Call, key: Value) -> None:
    """Remove an environment variable for this evaluation.

    Args:
        key: its name.
    """
    call.session.env.pop(string("key", key), None)


@builtin("os.path.abspath", topic=TOPIC, example="print(os.path.abspath('src'))")
def abspath(call: Call, path: Value) -> str:
    """The absolute path, without `.` and `..`.

    Args:
        path: starts at the directory of the file that is executed.
    """
    return str(call.session.resolve(string("path", path)))


@builtin("os.path.basename", topic=TOPIC, example="print(os.path.basename('src/main.go'))")
def basename(call: Call, path: Value) -> str:
    """The last part of a path.

    Args:
        path: any path.
    """
    return os.path.basename(string("path", path))


@builtin("os.path.dirname", topic=TOPIC, example="print(os.path.dirname('src/main.go'))")
def dirname(call: Call, path: Value) -> str:
    """A path without its last part.

    Args:
        path: any path.
    """
    return os.path.dirname(string("path", path))


@builtin(
    "os.path.exists",
    topic=TOPIC,
    example="if os.path.exists('local.yaml'):\n    k8s_yaml('local.yaml')",
)
def exists(call: Call, path: Value) -> bool:
    """Whether there is such a file or directory; it is watched, so that an answer stays true.

    Args:
        path: starts at the directory of the file that is executed.
    """
    found = call.session.resolve(string("path", path))
    call.session.watch(found)
    return found.exists()


@builtin("os.path.join", topic=TOPIC, example="print(os.path.join('src', 'main.go'))")
def join(call: Call, path: Value, *paths: Value) -> str:
    """Paths joined by `/`; an absolute one drops those before it.

    Args:
        path: the first part.
        paths: the others.
    """
    return os.path.join(string("path", path), *[string("paths", part) for part in paths])


@builtin("os.path.realpath", topic=TOPIC, example="print(os.path.realpath('src'))")
def realpath(call: Call, path: Value) -> str:
    """The absolute path with every symbolic link followed.

    Args:
        path: starts at the directory of the file that is executed.
    """
    return str(Path(os.path.realpath(call.session.resolve(string("path", path)))))


@builtin("os.path.relpath", topic=TOPIC, example="print(os.path.relpath(os.getcwd() + '/src'))")
def relpath(call: Call, targpath: Value, basepath: Value = "") -> str:
    """A path as seen from a directory.

    Args:
        targpath: the path.
        basepath: the directory; by default that of the file that is executed.
    """
    base = call.session.resolve(string("basepath", basepath))
    return os.path.relpath(call.session.resolve(string("targpath", targpath)), base)


@builtin("shlex.quote", topic=TOPIC, example="print(shlex.quote('a b'))")
def quote(call: Call, s: Value) -> str:
    """A string as one word of a shell command.

    Args:
        s: a string or a blob.
    """
    return shlex.quote(text("s", s))
