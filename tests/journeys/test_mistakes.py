"""What a user gets wrong, what kapp says, and that it recovers."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
from typing import Any

import pytest

from kapp import yamlio

from .conftest import KAPP, Project, eventually, free_port, page
from .manifests import web


def _start(project: Project) -> int:
    port = free_port()
    project.write("kubernetes.yaml", web())
    project.write("Kappfile", f"k8s_yaml('kubernetes.yaml')\nport_forward('web', {port})\n")
    return port


def test_a_syntax_error_is_told_and_the_running_version_serves_on(project: Project) -> None:
    port = _start(project)
    up = project.up()
    eventually(lambda: page(port) == "one\n")
    good = project.read("Kappfile")

    project.write("Kappfile", good + "k8s_yaml('kubernetes.yaml'\n")
    eventually(lambda: "Kappfile:3" in up.output)
    assert page(port) == "one\n"
    error = project.get("kappfile", "-o", "jsonpath={.items[0].status.terminated.error}")
    assert "Kappfile:3" in error

    project.write("Kappfile", good)
    project.write("kubernetes.yaml", web("two"))
    eventually(lambda: page(port) == "two\n")
    assert project.get("kappfile", "-o", "jsonpath={.items[0].status.terminated.error}") == ""


def test_a_misspelt_builtin_gets_a_hint(project: Project) -> None:
    _start(project)
    up = project.up()
    project.write("Kappfile", "k8s_yml('kubernetes.yaml')\n")
    eventually(lambda: "did you mean `k8s_yaml`?" in up.output)


def test_an_unknown_field_is_told_everywhere(project: Project) -> None:
    _start(project)
    project.write("kubernetes.yaml", web().replace("  replicas: 1", "  replica: 1"))
    up = project.up()
    eventually(lambda: "spec.replica" in up.output)
    error = eventually(lambda: project.get("kapp", "web", "-o", "jsonpath={.status.error}"))
    assert "Deployment" in error
    assert "web" in error
    assert "spec.replica: unknown field" in error
    assert "Error" in project.get("kapp", "web", "--no-headers")
    ready = ("wait", "--for=condition=Ready", "uiresource/web", "--timeout=1s")
    assert project.run(*ready, check=False).returncode == 1
    project.write("kubernetes.yaml", web())
    project.run("wait", "--for=condition=Ready", "uiresource/web", "--timeout=30s")


def test_an_invalid_name_is_told_everywhere(project: Project) -> None:
    _start(project)
    project.write("kubernetes.yaml", web().replace("name: web\n", "name: Not_a_name\n", 1))
    project.write("Kappfile", "k8s_yaml('kubernetes.yaml')\n")
    project.up()

    def error() -> str:
        items = json.loads(project.get("kapp", "-o", "json"))["items"]
        return "".join(item.get("status", {}).get("error", "") for item in items)

    text = eventually(error)
    assert "Not_a_name" in text
    assert "metadata.name" in text


def test_a_second_up_is_one_sentence_and_exit_1(project: Project) -> None:
    port = _start(project)
    project.up()
    eventually(lambda: page(port) == "one\n")
    second = project.run("up", "--stream", "--namespace", project.namespace, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("error: ")
    assert "already" in second.stderr
    assert page(port) == "one\n"


def test_a_port_in_use_is_told_and_heals(project: Project) -> None:
    port = _start(project)
    with socket.create_server(("127.0.0.1", port)):
        project.up()
        status = "jsonpath={.status.forwardStatuses[0].error}"
        error = eventually(lambda: project.get("pf", "web", "-o", status))
        assert str(port) in error
        assert "in use" in error
    eventually(lambda: page(port) == "one\n")
    eventually(lambda: project.get("pf", "web", "-o", status) == "")


def test_no_kappfile(project: Project) -> None:
    done = project.run("up", check=False)
    assert done.returncode == 2
    assert "there is no Kappfile here" in done.stderr
    assert "hint: " in done.stderr


def test_no_engine(project: Project) -> None:
    _start(project)
    done = project.run("get", "kapp", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no engine runs for ")
    assert "hint: start it with `kapp up`" in done.stderr


def test_a_context_that_may_be_production_is_refused_until_allowed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = _start(project)
    with open(project.cluster_kubeconfig, encoding="utf-8") as file:
        document: Any = yamlio.load(file.read())
    document["current-context"] = document["contexts"][0]["name"] = "prod"
    document["contexts"][0]["context"]["cluster"] = document["clusters"][0]["name"] = "prod"
    project.write("prod.kubeconfig", yamlio.dump(document))
    monkeypatch.setitem(
        project.environment, "KUBECONFIG", str(project.directory / "prod.kubeconfig")
    )

    up = project.up()
    eventually(lambda: "allow_k8s_contexts('prod')" in up.output)
    assert project.kubectl("get", "deployments,configmaps", "-o", "name").split() in (
        [],
        ["configmap/kube-root-ca.crt"],
    )

    project.write("Kappfile", "allow_k8s_contexts('prod')\n" + project.read("Kappfile"))
    eventually(lambda: page(port) == "one\n")
    project.run("down")


def test_a_wrong_path_and_a_wrong_indentation_name_their_line(project: Project) -> None:
    _start(project)
    up = project.up()
    project.write("Kappfile", "k8s_yaml('kubernets.yaml')\n")
    eventually(lambda: "Kappfile:1: k8s_yaml" in up.output and "kubernets.yaml" in up.output)
    project.write("kubernetes.yaml", web().replace("  replicas: 1", " replicas: 1"))
    project.write("Kappfile", "k8s_yaml('kubernetes.yaml')\n")
    eventually(lambda: "kubernetes.yaml:11" in up.output)
    assert "check the indentation" in up.output
    project.write("Kappfile", "x = 1\n  y = 2\n")
    eventually(lambda: "Kappfile:2" in up.output)


def test_an_unknown_resource_gets_a_hint(project: Project) -> None:
    _start(project)
    up = project.up()
    project.write("Kappfile", "k8s_yaml('kubernetes.yaml')\nport_forward('webb', 8000)\n")
    eventually(lambda: "there is no resource `webb`; known resources: `web`" in up.output)
    assert "did you mean `web`?" in up.output


def test_a_disk_that_takes_no_byte_is_named(project: Project) -> None:
    _start(project)

    def take_nothing() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    done = subprocess.run(
        [KAPP, "up", "--stream"],
        cwd=project.directory,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=take_nothing,
    )
    assert done.returncode == 1
    assert project.environment["KAPP_STATE_DIR"] in done.stderr
    assert "cannot be used: File too large" in done.stderr
    assert "hint: set KAPP_STATE_DIR to a directory of your own, on a disk with room" in done.stderr


def _ends_in(project: Project, manifest: str, *words: str) -> None:
    """What `kapp up` says of a manifest names each of the words, and a hint follows."""
    project.write("Kappfile", "k8s_yaml('kubernetes.yaml')\n")
    project.write("kubernetes.yaml", manifest)
    up = project.up()

    def said() -> bool:
        lines = up.output.splitlines()
        found = [at for at, line in enumerate(lines) if all(word in line for word in words)]
        return any("web │ hint: " in line for at in found for line in lines[at + 1 : at + 2])

    try:
        eventually(said)
    except AssertionError as error:
        raise AssertionError(up.output) from error


def test_a_crash_loop_is_said_with_its_exit_code(project: Project) -> None:
    manifest = web().replace("[python3, -u, -c]", "[sh, -c, 'exit 3', ignored]")
    _ends_in(project, manifest, "web │ ", "Pod/web", "exited with code 3")


def test_an_image_that_does_not_exist_is_named(project: Project) -> None:
    image = "registry.invalid/web:nope"
    manifest = re.sub(r"(?m)^( +)image: .*", rf"\1image: {image}", web())
    # Without a command: with one, the embedded cluster needs no image.
    manifest = re.sub(r"(?m)^ +command: .*\n", "", manifest)
    _ends_in(project, manifest, "web │ ", "Pull", image)
