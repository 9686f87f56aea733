"""Builtins that make manifests with the programs `helm` and `kustomize`."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

import os
import re
import shutil
from functools import partial
from pathlib import Path

from kapp.kappfile import charts, commands, kustomizations
from kapp.kappfile.errors import KappfileError
from kapp.kappfile.registry import builtin
from kapp.kappfile.renders import Render
from kapp.kappfile.session import Call, Session
from kapp.kappfile.trees import walk
from kapp.kappfile.values import (
    Value,
    blob_value,
    boolean,
    optional_string,
    pending_blob,
    string,
    strings,
)

TOPIC = "Kubernetes"

DEFAULT_RELEASE = "chart"
"""The release's name where none is given, as in Tilt: the same each time."""

_MISSING_SUBCHART = re.compile(r"missing in charts/ directory|helm dependency")


def _program(session: Session, name: str) -> str:
    """The absolute path of a program, or "" if there is none."""
    return shutil.which(name, path=session.env.get("PATH", "")) or ""


def _rendered(session: Session, render: Render) -> Value:
    for path in render.files:
        session.watch(path)
    found = session.renders.start(render)
    return pending_blob(found) if isinstance(found, int) else blob_value(found, render.source)


def _last_words(done: commands.Completed) -> str:
    """What a program said last, without what it calls it."""
    lines = [line.strip() for line in done.stderr.strip().splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if line.lower().startswith("error"):
            return " ".join(lines[index:]).split(": ", 1)[-1]
    return lines[-1] if lines else f"exit code {done.code}"


@builtin(
    "helm",
    topic=TOPIC,
    returns_struct=True,
    example=(
        "k8s_yaml(helm('charts/web', name='web', namespace='demo',\n"
        "    values=['values-dev.yaml'], set=['replicas=1']))"
    ),
)
def helm(
    call: Call,
    paths: Value,
    name: Value = "",
    namespace: Value = "",
    values: Value = (),
    set_: Value = (),
    kube_version: Value = "",
    skip_crds: Value = False,
) -> Value:
    """The manifests of a Helm chart, a blob, as `helm template` makes them, without its tests.

    The program `helm` (3.1 or newer) is needed. Several charts are rendered at once, and only when
    something changed: the chart, its charts of this machine, or the values. All these are watched.

    Args:
        paths: the directory of the chart; one path.
        name: of the release; `chart` by default.
        namespace: of the release, and of every object that names none.
        values: a file of values, or a list of files; a later one overrides an earlier one.
        set: `'key=value'`, or a list of these.
        kube_version: the Kubernetes version that the chart is told.
        skip_crds: leave the directory `crds` out.
    """
    session = call.session
    chart = session.directory_of("paths", paths)
    session.watch_tree(chart)
    if not (chart / "Chart.yaml").is_file():
        raise KappfileError(
            f"{session.display(chart)} is no chart: there is no Chart.yaml in it",
            hint="name the directory of a chart; charts of a repository are fetched by `helm pull`",
        )
    into = optional_string("namespace", namespace)
    command = [optional_string("name", name) or DEFAULT_RELEASE, str(chart)]
    command += ["--namespace", into] if into else []
    command += ["--kube-version", string("kube_version", kube_version)] if kube_version else []
    command += [] if boolean("skip_crds", skip_crds) else ["--include-crds"]
    files, remote = _value_files(session, values)
    for file in files:
        command += ["--values", file]
    for setting in strings("set", set_):
        command += ["--set", setting]
    program = _program(session, "helm")
    if not program:
        raise KappfileError(
            "the program `helm` is not installed, or not on the PATH",
            hint="https://helm.sh/docs/intro/install/ says how to install it",
        )
    for dependency in charts.local_dependencies(chart):
        session.watch_tree(dependency)
    shown = session.display(chart)
    return _rendered(
        session,
        Render(
            builtin="helm",
            source=f"helm {shown}",
            argv=(program, "template", *command),
            directory=session.directory,
            env=dict(session.env),
            files=(*walk(chart), *map(Path, files if not remote else ())),
            pure=not remote,
            frames=call.frames,
            failure=partial(_helm_failed, shown),
            finish=partial(_finished, into),
        ),
    )


def _value_files(session: Session, values: Value) -> tuple[list[str], bool]:
    """The absolute paths of values files; and whether one is a URL, which helm takes as well."""
    found: list[str] = []
    remote = False
    for value in strings("values", values):
        if "://" in value:
            remote = True
            found.append(value)
            continue
        path = session.resolve(value)
        session.watch(path)
        if not path.is_file():
            raise session.missing(path)
        found.append(str(path))
    return found, remote


def _finished(namespace: str, text: str) -> str:
    kept = charts.without_tests(text)
    return charts.in_namespace(kept, namespace) if namespace else kept


def _helm_failed(shown: str, done: commands.Completed) -> KappfileError:
    said = _last_words(done)
    hint = ""
    if _MISSING_SUBCHART.search(said):
        hint = f"run `helm dependency build {shown}`"
    return KappfileError(f"{shown}: {said}", hint=hint, transient=True)


@builtin(
    "kustomize",
    topic=TOPIC,
    returns_struct=True,
    example="k8s_yaml(kustomize('overlays/dev'))",
)
def kustomize(call: Call, paths: Value, kustomize_bin: Value = None, flags: Value = ()) -> Value:
    """The manifests that kustomize builds, a blob.

    The program `kustomize` is needed, or else `kubectl`. Several are built at once, and only when a
    file that they are made of changed; these are watched. What is remote is fetched each time.

    Args:
        paths: the directory of the kustomization; one path.
        kustomize_bin: the program, in place of `kustomize`.
        flags: arguments for it.
    """
    session = call.session
    directory = session.directory_of("paths", paths)
    inputs = kustomizations.inputs_of(directory)
    for path in inputs.files:
        session.watch(path)
    shown = session.display(directory)
    if kustomizations.find(directory) is None:
        raise KappfileError(
            f"{shown} is no kustomization: there is no kustomization.yaml in it",
            hint="name the directory of a kustomization.yaml",
            transient=True,
        )
    added = strings("flags", flags)
    return _rendered(
        session,
        Render(
            builtin="kustomize",
            source=f"kustomize {shown}",
            # kustomize mends no absolute paths: kubernetes-sigs/kustomize issue 2789
            argv=(
                *_kustomize(session, optional_string("kustomize_bin", kustomize_bin)),
                *added,
                os.path.relpath(directory, session.directory),
            ),
            directory=session.directory,
            env=dict(session.env),
            files=tuple(inputs.files),
            pure=not inputs.remote and not any("plugin" in flag for flag in added),
            frames=call.frames,
            failure=partial(_kustomize_failed, shown),
        ),
    )


def _kustomize(session: Session, chosen: str) -> list[str]:
    if chosen:
        path = session.resolve(chosen)
        program = _program(session, str(path)) or (_program(session, chosen) if chosen else "")
        if not program:
            raise KappfileError(f"`kustomize_bin`: there is no program {chosen} (or {path})")
        return [program, "build"]
    program = _program(session, "kustomize")
    if program:
        return [program, "build"]
    program = _program(session, "kubectl")
    if program:
        return [program, "kustomize"]
    raise KappfileError(
        "neither `kustomize` nor `kubectl` is installed, or on the PATH",
        hint="https://kubectl.docs.kubernetes.io/installation/kustomize/ says how to install it",
    )


def _kustomize_failed(shown: str, done: commands.Completed) -> KappfileError:
    return KappfileError(f"{shown}: {_last_words(done)}", transient=True)
