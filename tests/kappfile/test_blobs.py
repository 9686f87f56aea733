"""A blob is its text wherever a builtin is given it, as in a Tiltfile."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    "expression",
    ["str(b)", "b", "'%s' % b", "'%s' % [b][0]", "'{}'.format(b)", "f'{b}'", "str(blob(b))"],
)
def test_text_of_a_blob(project, expression):
    project.write("a.txt", 'hello "world"\n\ttwo\\n')
    result = project.run(f"b = read_file('a.txt')\nprint('<', {expression}, '>')")
    assert result.output == ('< hello "world"\n\ttwo\\n >',)


def test_in_every_argument(project):
    project.write("v", "7")
    (resource,) = project.run(
        "v = read_file('v')\n"
        "k8s_yaml(encode_yaml({'apiVersion': 'v1', 'kind': 'ConfigMap',\n"
        "    'metadata': {'name': 'a-%s' % v}, 'data': {'v': v, 'w': 'v{}'.format(v)}}))\n"
        "k8s_yaml(blob('apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: b%s}' % v))\n"
    ).resources
    assert [one["metadata"]["name"] for one in resource.objects] == ["a-7", "b7"]
    assert resource.objects[0]["data"] == {"v": "7", "w": "v7"}


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_survives(project, text):
    (project.root / "a.txt").write_bytes(text.encode())
    read = text.removeprefix("\ufeff")
    result = project.run("print('%s|%s' % (read_file('a.txt'), read_file('a.txt')))")
    assert result.output == (f"{read}|{read}",)
