"""kustomize(), judged by the real one inside kubectl."""

from __future__ import annotations

import pytest

from kapp.kappfile.kustomizations import inputs_of

from .programs import KUBECTL, runs, tool

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
"""
FILES = {
    "base/kustomization.yaml": (
        "resources: [web.yaml]\n"
        "configMapGenerator:\n- {name: settings, files: [own.txt, other=key.txt], envs: [a.env]}\n"
    ),
    "base/web.yaml": WEB,
    "base/own.txt": "one",
    "base/key.txt": "two",
    "base/a.env": "A=1\n",
    "part/kustomization.yml": "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\n"
    "patches: [{path: replicas.yaml}]\n",
    "part/replicas.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n"
    ),
    "dev/kustomization.yaml": "namePrefix: dev-\nresources: [../base]\ncomponents: [../part]\n",
}
INPUTS = {
    f"{directory}/{name}"
    for directory in ("base", "dev", "part")
    for name in ("kustomization.yaml", "kustomization.yml", "Kustomization")
} | set(FILES)


@pytest.fixture
def overlay(project):
    """A project with the kustomization `dev` and a kubectl that counts its runs."""
    for name, text in FILES.items():
        project.write(name, text)
    directory = project.root / ".bin"
    tool(directory, "kubectl", KUBECTL)
    project.env = {"PATH": f"{directory}:/usr/bin:/bin", "HOME": str(project.root)}
    project.builds = runs(directory, "kubectl")
    return project


def replicas(result):
    return result.resources[0].objects[0]["spec"]["replicas"]


def test_builds(overlay):
    result = overlay.run("k8s_yaml(kustomize('dev'))")
    assert [one.name for one in result.resources] == ["dev-web", "uncategorized"]
    assert replicas(result) == 3
    assert set(result.watched_paths) >= {overlay.root / name for name in INPUTS}
    assert result.watched_trees == ()


def test_paths_start_at_the_file_that_calls(overlay):
    overlay.write("sub/Kappfile", "k8s_yaml(kustomize('../dev'))\n")
    assert overlay.run("include('sub/Kappfile')").resources[0].name == "dev-web"


def test_only_a_changed_input_builds_again(overlay):
    text = "k8s_yaml(kustomize('dev'))\n"
    overlay.run(text)
    overlay.write("base/unrelated.yaml", "a: b\n")
    overlay.run(text + "# edited\n")
    assert overlay.builds() == 1
    for count, name in enumerate(["part/replicas.yaml", "base/key.txt", "base/a.env"], start=2):
        overlay.write(name, FILES[name].replace("3", "4") + "\n")
        result = overlay.run(text)
        assert overlay.builds() == count, name
    assert replicas(result) == 4


def test_a_program_of_ones_own_with_flags(overlay):
    script = tool(overlay.root / "tools", "mine", KUBECTL)
    script.write_text(f'#!/bin/sh\nshift\nexec "{KUBECTL}" kustomize "$@"\n')
    result = overlay.run(
        "k8s_yaml(kustomize('dev', kustomize_bin='tools/mine', flags=['--as-current-user']))"
    )
    assert result.resources[0].name == "dev-web"
    assert overlay.builds() == 0


def test_kustomize_is_preferred_to_kubectl(overlay):
    script = tool(overlay.root / ".bin", "kustomize", KUBECTL)
    script.write_text(
        f'#!/bin/sh\n[ "$1" = build ] || exit 1\nshift\nexec "{KUBECTL}" kustomize "$@"\n'
    )
    overlay.run("k8s_yaml(kustomize('dev'))")
    assert overlay.builds() == 0


def test_without_a_program(overlay):
    overlay.env = {"PATH": "/nonexistent"}
    assert overlay.report("k8s_yaml(kustomize('dev'))") == (
        "Kappfile:1: kustomize: neither `kustomize` nor `kubectl` is installed, or on the PATH\n"
        "    k8s_yaml(kustomize('dev'))\n"
        "hint: https://kubectl.docs.kubernetes.io/installation/kustomize/ says how to install it"
    )
    error = overlay.fails("k8s_yaml(kustomize('dev', kustomize_bin='nope'))")
    assert "there is no program nope" in error.message


def test_a_missing_file_is_waited_for(overlay):
    missing = overlay.root / "part/replicas.yaml"
    missing.unlink()
    error = overlay.fails("k8s_yaml(kustomize('dev'))")
    assert error.message.startswith("kustomize: dev: ")
    assert "replicas.yaml" in error.message
    assert error.location == "Kappfile:1"
    assert missing in error.watched_paths
    assert error.transient


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("resources: [https://example.dev/a.yaml]", True),
        ("resources: ['github.com/o/r//path?ref=v1']", True),
        ("helmCharts: [{name: a, repo: 'https://example.dev'}]", True),
        ("resources: [a.yaml]\npatches: [{patch: 'see https://example.dev'}]", False),
        ("resources: [", False),
        ("[]", False),
    ],
)
def test_remote_inputs_are_told_from_local_ones(project, text, remote):
    project.write("kustomization.yaml", text)
    assert inputs_of(project.root).remote is remote


def test_kustomizations_in_a_circle_end(project):
    project.write("a/kustomization.yaml", "resources: [../b]\n")
    project.write("b/kustomization.yaml", "resources: [../a]\n")
    assert len(inputs_of(project.root / "a").files) == 6
