"""The documents' Kappfiles, evaluated."""

from __future__ import annotations

import os
import re

import pytest

from kapp.kappfile import prelude
from kapp.kappfile.registry import BUILTINS
from tests.documents import blocks, inline

from .programs import KUBECTL, STAND_IN, tool

prelude.second()  # fills the registry

_CALL = re.compile(r"([a-z_0-9]+(?:\.[a-z_]+)?)\((.*)\)")
_SNIPPETS = [(block.document, block.text) for block in blocks() if block.language == "python"]
_CALLS = [
    (document, code)
    for document, code in inline()
    if (match := _CALL.fullmatch(code)) and match[1] in BUILTINS
]
# A snippet that continues one before it: what it takes for granted.
_BEFORE = {"port_forward(": "k8s_yaml('web.yaml')\n", "k8s_resource(": "k8s_yaml('web.yaml')\n"}


@pytest.mark.parametrize(("document", "text"), _SNIPPETS)
def test_a_kappfile_of_the_documents_runs(go, document: str, text: str) -> None:
    _run(go, text)


@pytest.mark.parametrize(("document", "code"), _CALLS)
def test_a_call_in_a_sentence_is_one(go, document: str, code: str) -> None:
    match = _CALL.fullmatch(code)
    parameters = {parameter.name for parameter in BUILTINS[match[1]].parameters}
    if re.fullmatch(r"[a-z_0-9]+(=…)?(, [a-z_0-9]+(=…)?)*", match[2]):  # names of parameters only
        assert {name.removesuffix("=…") for name in match[2].split(", ")} <= parameters
        return
    before = next((text for start, text in _BEFORE.items() if code.startswith(start)), "")
    _run(go, before + code)


def _run(go, text: str) -> None:
    one = (go.root / "kubernetes.yaml").read_text()
    go.write("web.yaml", one.replace("example-go", "web"))
    go.write("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-config}\n")
    go.write("charts/db/Chart.yaml", "apiVersion: v2\nname: db\nversion: 0.1.0\n")
    go.write("charts/db/values.yaml", "")
    go.write("charts/db/templates/db.yaml", one.replace("example-go", "db"))
    go.write("values-dev.yaml", "")
    go.write("overlays/dev/kustomization.yaml", "resources: [dev.yaml]\n")
    go.write("overlays/dev/dev.yaml", one.replace("example-go", "dev"))
    tool(go.root / ".bin", "helm", STAND_IN)
    tool(go.root / ".bin", "kubectl", KUBECTL)
    result = go.run(text, env={"PATH": f"{go.root}/.bin:{os.environ['PATH']}"})
    assert not result.warnings
