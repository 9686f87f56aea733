"""Builds the Kubernetes programs, the pause program and helm, once for each release and source."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from .layout import HELM_SOURCES, PROGRAMS, SOURCES, Cache, kubernetes_version

_VERSION_PACKAGE = "k8s.io/component-base/version"


def ensure(cache: Cache) -> Path:
    """The folder with kube-apiserver and the like; made if it is not there yet.

    Raises subprocess.CalledProcessError when the build fails; its output went to stderr.
    """
    target = cache.binaries
    if target.exists():
        return target
    print(f"building Kubernetes {kubernetes_version()} once; this takes some minutes", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as scratch:
        made = Path(scratch, "made")
        made.mkdir()
        _compile(made / "kube", ".", _version_flags(), {})
        # Without C, the pause program needs nothing of its image.
        _compile(made / "pause", "./pause", [], {"CGO_ENABLED": "0"})
        for name in PROGRAMS:
            (made / name).symlink_to("kube")
        made.rename(target)
    return target


def ensure_helm(cache: Cache) -> Path:
    """The program helm; made if it is not there yet. Raises as `ensure` does."""
    target = cache.helm
    if not target.exists():
        print("building helm once", flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as scratch:
            made = Path(scratch, "helm")
            _compile(made, "helm.sh/helm/v3/cmd/helm", [], {}, HELM_SOURCES)
            made.rename(target)
    return target


def _compile(
    output: Path,
    package: str,
    linker_flags: list[str],
    environment: dict[str, str],
    sources: Path = SOURCES,
) -> None:
    flags = " ".join(["-s", "-w", *linker_flags])
    arguments = ["-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(output), package]
    subprocess.run(
        ["nice", "go", "build", *arguments],
        cwd=sources,
        env={**os.environ, "GOFLAGS": "-mod=readonly", **environment},
        check=True,
    )


def _version_flags() -> list[str]:
    """What `make` sets in Kubernetes: clients refuse a server of the version v0.0.0."""
    version = kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return [f"-X={_VERSION_PACKAGE}.{name}={value}" for name, value in values.items()]
