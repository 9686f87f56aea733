"""Every builtin is documented, its example runs, and a wrong use of it is explained."""

from __future__ import annotations

import os
import re

import pytest

from kapp.kappfile import prelude
from kapp.kappfile.builtins.planned import ABSENT, PLANNED
from kapp.kappfile.language import LANGUAGE_NAMES
from kapp.kappfile.registry import BUILTINS, CONSTANTS, starlark_name

from .error_cases import ERRORS, FILES
from .programs import KUBECTL, STAND_IN, tool

prelude.second()  # fills the registry

EXAMPLES = {name: item.example for name, item in (BUILTINS | CONSTANTS).items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(go, name):
    one = (go.root / "kubernetes.yaml").read_text()
    go.write("manifests/one.yaml", one.replace("example-go", "one"))
    go.write("extra.yaml", one.replace("example-go", "extra"))
    go.write("backend/Kappfile", "")
    go.write("lib/Kappfile", "def greet(name):\n    print(name)\n")
    go.write("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n")
    go.write("charts/web/values.yaml", "")
    go.write("charts/web/templates/web.yaml", one.replace("example-go", "web"))
    go.write("values-dev.yaml", "")
    go.write("overlays/dev/kustomization.yaml", "resources: [dev.yaml]\n")
    go.write("overlays/dev/dev.yaml", one.replace("example-go", "dev"))
    tool(go.root / ".bin", "helm", STAND_IN)
    tool(go.root / ".bin", "kubectl", KUBECTL)
    go.run(EXAMPLES[name], env={"PATH": f"{go.root}/.bin:{os.environ['PATH']}"})
    assert re.search(rf"\b{re.escape(name)}\b", EXAMPLES[name])


@pytest.mark.parametrize("name", BUILTINS)
def test_documented(name):
    item = BUILTINS[name]
    assert item.doc
    for parameter in item.parameters:
        assert f"{starlark_name(parameter)}: " in item.doc or name == "link", parameter.name


@pytest.mark.parametrize("name", BUILTINS)
def test_a_wrong_use_is_explained(project, name):
    """With the name, the place, the way there through other files, the line, and what to do."""
    assert name in ERRORS, f"add a wrong use of `{name}` to error_cases.py"
    call, message = ERRORS[name]
    for path, text in FILES.items():
        project.write(f"lib/{path}", text)
    project.write("lib/Kappfile", f"# {name}\n\n{call}\n")
    error = project.fails("def more():\n    include('lib/Kappfile')\n\n\nmore()\n")
    said = error.message.replace(str(project.root), "ROOT")
    assert said.startswith(f"{name}: {message}")
    assert [str(frame) for frame in error.frames] == ["Kappfile:5", "Kappfile:2", "lib/Kappfile:3"]
    assert error.location == "lib/Kappfile:3"
    assert error.source_line == call
    assert error.hint


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
