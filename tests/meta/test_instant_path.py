"""What `kapp get` and its like import, each a millisecond or more of every call: an allow-list.

Judged by sys.modules, not by a clock. Something new here must be worth it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapp.instance import Instance

_ANSWER = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\x01\x00\x00\x00\x06hello\n\x03\x00\x00\x00\x010"
)
_ALLOWED = {
    "__future__",
    "kapp",
    "kapp.cli",
    "kapp.cli.entry",
    "kapp.cli.instant",
    "kapp.instance",
    # what `import socket` brings
    "_collections",
    "_functools",
    "_operator",
    "_socket",
    "_weakrefset",
    "array",
    "collections",
    "collections.abc",
    "enum",
    "functools",
    "itertools",
    "keyword",
    "math",
    "operator",
    "reprlib",
    "select",
    "selectors",
    "socket",
    "types",
}
_PROGRAM = """
import os, sys  # as every start of Python does
before = set(sys.modules)
sys.argv[0] = "kapp"
from kapp.cli.entry import main
code = main()
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""


def _answer_once(listener: socket.socket, seen: list[bytes]) -> None:
    connection, _ = listener.accept()
    with connection:
        seen.append(connection.recv(65536))
        connection.sendall(_ANSWER)


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    # not tmp_path: a long path costs a hash more, which is not the usual case
    with tempfile.TemporaryDirectory(prefix="kapp") as directory:
        monkeypatch.setenv("KAPP_STATE_DIR", f"{directory}/s")
        Path(directory, "Kappfile").touch()
        instance = Instance(f"{directory}/Kappfile")
        instance.prepare()
        yield instance


@pytest.mark.parametrize(
    "words",
    [
        ["get", "kapp", "-o", "jsonpath={.items[0].spec}"],
        ["describe", "kapp", "web"],
        ["explain", "kapp.spec"],
        ["api-resources"],
    ],
    ids=lambda words: words[0],
)
def test_the_instant_path_imports_next_to_nothing(project: Instance, words: list[str]) -> None:
    seen: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(project.socket)
        listener.listen()
        engine = threading.Thread(target=_answer_once, args=(listener, seen))
        engine.start()
        done = subprocess.run(
            # -S: what the environment imports at start-up (.pth files) is not kapp's
            [sys.executable, "-S", "-c", _PROGRAM, *words],
            cwd=os.path.dirname(project.kappfile),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            capture_output=True,
            text=True,
            timeout=30,
        )
        engine.join()
    assert done.stdout == "hello\n"
    assert done.returncode == 0
    imported = set(done.stderr.split())
    assert sorted(imported - _ALLOWED - set(sys.builtin_module_names)) == []
    body = json.loads(seen[0].partition(b"\r\n\r\n")[2])
    assert [body["command"], *body["args"]] == words
    assert os.path.samefile(body["cwd"], os.path.dirname(project.kappfile))
