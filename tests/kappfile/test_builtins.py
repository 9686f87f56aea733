"""Every builtin is documented and its example runs."""

from __future__ import annotations

import os
import re

import pytest

from kapp.kappfile import prelude
from kapp.kappfile.builtins.planned import ABSENT, PLANNED
from kapp.kappfile.language import LANGUAGE_NAMES
from kapp.kappfile.registry import BUILTINS, CONSTANTS, starlark_name

prelude.second()  # fills the registry

EXAMPLES = {name: item.example for name, item in (BUILTINS | CONSTANTS).items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(go, name):
    one = (go.root / "kubernetes.yaml").read_text()
    go.write("manifests/one.yaml", one.replace("example-go", "one"))
    go.write("extra.yaml", one.replace("example-go", "extra"))
    go.write("backend/Kappfile", "")
    go.write("lib/Kappfile", "def greet(name):\n    print(name)\n")
    go.run(EXAMPLES[name], env={"PATH": os.environ["PATH"]})
    assert re.search(rf"\b{re.escape(name)}\b", EXAMPLES[name])


@pytest.mark.parametrize("name", BUILTINS)
def test_documented(name):
    item = BUILTINS[name]
    assert item.doc
    for parameter in item.parameters:
        assert f"{starlark_name(parameter)}: " in item.doc or name == "link", parameter.name


def test_constants_are_documented():
    assert all(item.doc for item in CONSTANTS.values())


def test_a_name_is_either_there_or_missing():
    assert not set(PLANNED) & set(ABSENT)
    assert not (set(PLANNED) | set(ABSENT)) & set(BUILTINS)


@pytest.mark.parametrize("name", [*PLANNED, *ABSENT])
def test_a_missing_builtin_says_so_when_called_only(project, name):
    assert project.run(f"x = {name}").resources == ()
    error = project.fails(f"{name}('a', b=1)")
    assert re.fullmatch(rf"`{re.escape(name)}` is not part of kapp( yet)?", error.message)
    assert error.location == "Kappfile:1"


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("k8s_yaml", "yaml, allow_duplicates=False"),
        ("os.path.join", "path, *paths"),
        ("trigger_mode", "trigger_mode"),
        ("listdir", "directory, recursive=False"),
        (
            "k8s_kind",
            "kind, api_version='', *, image_json_path=[], image_object=None, pod_readiness=''",
        ),
    ],
)
def test_signature(name, signature):
    assert BUILTINS[name].signature == signature


@pytest.mark.parametrize("name", [name for name in LANGUAGE_NAMES if name != "load"])
def test_names_of_the_language_are_there(project, name):
    project.run(f"x = {name}")
