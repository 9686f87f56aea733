"""What stands between `kapp up` and its first apply: no more than what the engine is made of.

Judged by what is loaded, not by a clock.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

# The packages of `dependencies` in pyproject.toml that an engine cannot do without, and theirs.
# Typer alone would cost a fifth of a second, cryptography a tenth.
_ALLOWED = {
    "kapp",
    "aiohttp",
    "aiohappyeyeballs",
    "aiosignal",
    "attr",
    "frozenlist",
    "idna",
    "msgspec",
    "multidict",
    "propcache",
    "typing_extensions",
    "yaml",
    "yarl",
}
_PROGRAM = """
import gc, json, os, sys
before = set(sys.modules)
environment = dict(os.environ)
from kapp.cli import outcome, running, showing, upoptions
assert upoptions.parse(["--stream", "web", "--", "--word"]) is not None
from kapp import quickstart
quickstart.begin()
import kapp.engine.engine
collected = gc.isenabled()
quickstart.end()
import ssl
from aiohttp.connector import _SSL_CONTEXT_VERIFIED as theirs
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "collected": [collected, gc.isenabled()],
    "unchanged": environment == dict(os.environ),
    "trusted": [len(one.get_ca_certs()) for one in (theirs, ssl.create_default_context())],
}))
"""


@pytest.fixture(scope="module")
def begun() -> Mapping[str, Any]:
    """What a process has loaded that is about to run an engine."""
    # Isolated from the environment, and from what pytest and its plugins have imported.
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_an_engine_is_made_of_few_packages(begun: Mapping[str, Any]) -> None:
    own = {name for name in begun["modules"] if not _is_part_of_python(name)}
    assert own - _ALLOWED == set()


def _is_part_of_python(name: str) -> bool:
    # Extension modules made by Cython leave a name of its version.
    return name in sys.stdlib_module_names or name.startswith(("_cython_", "cython_"))


def test_no_garbage_is_looked_for_while_modules_are_read(begun: Mapping[str, Any]) -> None:
    assert begun["collected"] == [False, True]


def test_the_systems_authorities_are_left_to_those_who_ask(begun: Mapping[str, Any]) -> None:
    theirs, ours = begun["trusted"]
    assert theirs == 0
    assert begun["unchanged"]
    # A connection whose kubeconfig names no authority trusts those of the system, as before.
    assert (ours > 0) == _system_has_authorities()


def _system_has_authorities() -> bool:
    return bool(ssl.create_default_context().get_ca_certs())
