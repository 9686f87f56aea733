"""No write to a cluster that is neither local nor allowed, whatever is under way."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapp import yamlio
from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION, KubernetesApply
from kapp.engine.engine import Engine
from kapp.runtime.client import PatchType

from .conftest import CONFIG_MAPS, Project, applied, eventually

ALLOWED = "allow_k8s_contexts('prod')\n"
HELD = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: a, finalizers: [example.com/hold]}
"""


@pytest.fixture
async def production(project: Project, tmp_path: Path) -> AsyncIterator[Project]:
    """The project, by a kubeconfig whose names are no local cluster's."""
    [document] = yamlio.parse(Path(project.kubeconfig).read_text(), project.kubeconfig)
    config = json.loads(json.dumps(document.value))
    config["current-context"] = "prod"
    for kind, names in (("contexts", ("cluster", "user")), ("clusters", ()), ("users", ())):
        [entry] = config[kind]
        entry["name"] = "prod"
        for name in names:
            entry["context"][name] = "prod"
    path = tmp_path / "prod.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    made = Project(project.directory, str(path), project.namespace)
    yield made
    await made.close()
    await made.cluster.close()


async def _allows(engine: Engine, contexts: list[str]) -> None:
    objects = TypedClient(engine.client)

    async def check() -> bool:
        kappfile = await objects.get(Kappfile, MAIN)
        return kappfile is not None and kappfile.status.allowed_contexts == contexts

    await eventually(check)


async def _stands(engine: Engine, reason: str, text: str) -> None:
    objects = TypedClient(engine.client)

    async def check() -> bool:
        apply = await objects.get(KubernetesApply, "uncategorized")
        conditions = apply.status.conditions if apply is not None else []
        return any(one.reason == reason and text in one.message for one in conditions)

    await eventually(check)


async def _trigger(engine: Engine, value: str) -> None:
    annotations = {"annotations": {TRIGGER_ANNOTATION: value}}
    resource = resource_of(KubernetesApply)
    await engine.client.patch(resource, "uncategorized", {"metadata": annotations}, PatchType.MERGE)


async def test_an_allowance_that_is_taken_back_holds_for_what_is_under_way(
    production: Project,
) -> None:
    production.write(Kappfile=f"{ALLOWED}k8s_yaml('a.yaml')\n", a__yaml=HELD)
    engine = await production.start()
    await applied(engine, "uncategorized")
    client, namespace = production.cluster.client, production.namespace
    await client.delete(CONFIG_MAPS, "a", namespace)
    await _trigger(engine, "1")
    await _stands(engine, "Retrying", "the old one is still being deleted")
    production.write(Kappfile="k8s_yaml('a.yaml')\n")
    await _allows(engine, [])
    # The next thing that the run would do is to create it again.
    nothing = {"metadata": {"finalizers": None}}
    await client.patch(CONFIG_MAPS, "a", nothing, PatchType.MERGE, namespace)
    await _stands(engine, "Pending", "the context `prod` is not a local cluster")
    assert await production.live(CONFIG_MAPS, "a") is None
    production.write(Kappfile=f"{ALLOWED}k8s_yaml('a.yaml')\n")
    await eventually(lambda: production.live(CONFIG_MAPS, "a"))
    live = await production.live(CONFIG_MAPS, "a")
    assert live is not None
    await client.patch(CONFIG_MAPS, "a", nothing, PatchType.MERGE, namespace)


async def test_what_is_allowed_from_the_start_is_applied_at_once(production: Project) -> None:
    production.write(
        Kappfile=f"{ALLOWED}k8s_yaml('a.yaml')\n",
        a__yaml=HELD.replace(", finalizers: [example.com/hold]", ""),
    )
    engine = await production.start()
    await applied(engine, "uncategorized")
    logged = b"".join([entry.data async for entry in engine.logs.read(None)])
    assert b"not a local cluster" not in logged
