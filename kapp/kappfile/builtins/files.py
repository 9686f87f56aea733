"""Builtins that read and watch files."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import os
from pathlib import Path

from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import UNSET, Value, blob_value, boolean, is_unset, string, text

TOPIC = "Files"

MAX_LISTED_ENTRIES = 100_000
"""More than any honest source tree below a Kappfile; `listdir('/', recursive=True)` must end."""


@builtin(
    "read_file",
    topic=TOPIC,
    returns_struct=True,
    example="version = str(read_file('VERSION', default='dev')).strip()",
)
def read_file(call: Call, file_path: Value, default: Value = UNSET) -> Value:
    """The contents of a file, as a blob; a change of the file evaluates the Kappfile again.

    `str(blob)` is its text.

    Args:
        file_path: a path that starts at the directory of the file that is executed.
        default: the contents if there is no such file; without it, that is an error.
    """
    session = call.session
    path = session.resolve(string("file_path", file_path))
    if not is_unset(default) and not path.exists():
        session.watch(path)
        return None if default is None else blob_value(text("default", default))
    return blob_value(session.read(path))


@builtin("watch_file", topic=TOPIC, example="watch_file('settings')")
def watch_file(call: Call, file_path: Value) -> None:
    """Evaluate the Kappfile again when this changes.

    Args:
        file_path: a file, or a directory, which is watched with everything below it.
    """
    path = call.session.resolve(string("file_path", file_path))
    call.session.watch(path)
    if path.is_dir():
        call.session.watch_tree(path)


@builtin("listdir", topic=TOPIC, example="manifests = listdir('manifests')")
def listdir(call: Call, directory: Value, recursive: Value = False) -> list[str]:
    """The absolute paths of the files in a directory, sorted; the directory is watched.

    Args:
        directory: a path that starts at the directory of the file that is executed.
        recursive: also the files in all directories below it.
    """
    session = call.session
    path = session.directory_of("directory", directory)
    session.watch(path)
    if not boolean("recursive", recursive):
        return sorted(str(entry) for entry in path.iterdir() if not entry.is_dir())
    session.watch_tree(path)
    found: list[str] = []
    for parent, directories, names in os.walk(path):
        directories.sort()
        found += [str(Path(parent, name)) for name in names]
        if len(found) > MAX_LISTED_ENTRIES:
            raise KappfileError(f"{path} holds over {MAX_LISTED_ENTRIES} files")
    return sorted(found)


@builtin(
    "blob",
    topic=TOPIC,
    returns_struct=True,
    example="k8s_yaml(blob('{apiVersion: v1, kind: Namespace, metadata: {name: demo}}'))",
)
def blob(call: Call, contents: Value) -> Value:
    """Text that is contents and not a path, for `k8s_yaml` and others.

    Args:
        contents: a string, or a blob.
    """
    return blob_value(text("contents", contents))
