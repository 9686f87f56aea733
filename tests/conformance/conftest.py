"""kapp's API, an embedded cluster and, with KAPP_TEST_KUBECONFIG, a real one, a worker's own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .subjects import DEADLINE_S, Subject

REAL_KUBECONFIG = os.environ.get("KAPP_TEST_KUBECONFIG", "")
KAPP = str(Path(sys.executable).parent / "kapp")
_GROUP = "kapp.dev"
_VERSION = "v1alpha1"


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    # Paths of sockets are short, pytest's own temporary paths are not.
    with tempfile.TemporaryDirectory(prefix="kapp-") as path:
        yield Path(path)


class Kapp(NamedTuple):
    """The kapp command in a project's directory."""

    project: Path
    environment: dict[str, str]

    def __call__(
        self, *arguments: str, stdin: str = "", editor: str = "false"
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [KAPP, *arguments],
            cwd=self.project,
            env={**self.environment, "KUBE_EDITOR": editor},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )


@pytest.fixture(scope="session")
def kapp(directory: Path) -> Kapp:
    """In a project with an empty Kappfile, with an embedded cluster of its own."""
    project = directory / "project"
    project.mkdir()
    (project / "Kappfile").touch()
    environment = {
        "HOME": str(directory),
        "KAPP_STATE_DIR": str(directory / "s"),
        "KAPP_CLUSTER": "embedded",
        # kubectl is not needed for anything
        "PATH": os.defpath,
    }
    return Kapp(project, environment)


@pytest.fixture(scope="session")
def kubeconfigs(directory: Path, kapp: Kapp) -> Iterator[dict[str, Path]]:
    """Those of a running engine, and of its embedded cluster."""
    assert not kapp("cluster", "start").returncode
    with (directory / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [KAPP, "up", "--stream"],
            cwd=kapp.project,
            env=kapp.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + DEADLINE_S
        while (found := kapp("kubeconfig")).returncode:
            assert up.poll() is None, (directory / "up.log").read_text()
            assert time.monotonic() < deadline, found.stderr
            time.sleep(0.05)
        embedded = kapp("cluster", "kubeconfig").stdout.strip()
        yield {"kapp": Path(found.stdout.strip()), "embedded": Path(embedded)}
    finally:
        up.terminate()
        up.wait(DEADLINE_S)
        kapp("cluster", "stop")


@pytest.fixture(scope="session")
def subjects(directory: Path, kubeconfigs: dict[str, Path]) -> Iterator[dict[str, Subject]]:
    """What there is to compare, by name."""
    namespace = f"conformance-{uuid.uuid4().hex[:8]}"

    def subject(name: str, kubeconfig: Path, group: str = "", version: str = "v1") -> Subject:
        home = directory / name
        home.mkdir()
        place = "" if group else namespace
        return Subject(name, kubeconfig, home, group, version, place, builtin=not group)

    # Of this worker alone: such a kind has no namespaces, and workers use the same names.
    group = f"{namespace}.{_GROUP}"
    found = [
        subject("kapp", kubeconfigs["kapp"], _GROUP, _VERSION),
        subject("embedded", kubeconfigs["embedded"]),
        subject("defined", kubeconfigs["embedded"], group, _VERSION),
    ]
    if REAL_KUBECONFIG:
        real = Path(REAL_KUBECONFIG)
        found.append(subject("real", real))
        found.append(subject("custom", real, group, _VERSION))
    clusters = [one for one in found if one.builtin]
    custom = [one for one in found if one.name in ("defined", "custom")]
    definition = f"customresourcedefinitions/configmaps.{group}"
    try:
        for one in clusters:
            _must(one, "create", "namespace", namespace)
        for one in custom:
            _must(one, "create", "-f", "-", stdin=_custom_kind(group))
            _must(one, "wait", definition, "--for=condition=Established", "--timeout=30s")
        yield {one.name: one for one in found}
    finally:
        for one in custom:
            one.kubectl("delete", definition, "--wait=false")
        for one in clusters:
            one.kubectl("delete", "namespace", namespace, "--wait=false")


def _must(subject: Subject, *arguments: str, stdin: str = "") -> None:
    done = subject.kubectl(*arguments, stdin=stdin)
    assert not done.returncode, f"{subject.name}: {arguments}: {done.stderr}"


def _custom_kind(group: str) -> str:
    """A CustomResourceDefinition in the shape of kapp's ConfigMap."""
    import json

    from kapp.api.v1alpha1 import configmap

    kind = configmap.kind()
    schema = {**kind.schema, "properties": {**kind.schema["properties"]}}
    schema["properties"]["metadata"] = {"type": "object"}
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{kind.plural}.{group}"},
            "spec": {"group": group, "names": names, "scope": "Cluster", "versions": [version]},
        }
    )
