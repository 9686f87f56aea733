"""What a project's engine promises, judged by kapp's API and by the cluster."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import aiohttp
import pytest

from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.cluster import Cluster
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.filewatch import FileWatch
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import (
    TRIGGER_ANNOTATION,
    KubernetesApply,
    KubernetesApplySpec,
)
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscovery
from kapp.api.v1alpha1.meta import ObjectMeta
from kapp.api.v1alpha1.podlogstream import PodLogStream
from kapp.api.v1alpha1.portforward import PortForward
from kapp.api.v1alpha1.session import MAIN as SESSION
from kapp.api.v1alpha1.session import Session
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.engine.down import down
from kapp.engine.engine import Engine
from kapp.errors import KappError
from kapp.minicluster import process
from kapp.runtime.client import PatchType

from .conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    Project,
    applied,
    config_map,
    deployment,
    eventually,
    free_port,
    ready,
)


async def get_page(port: int) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://localhost:{port}/") as response,
    ):
        return await response.text()


async def test_a_deployment_is_applied_found_forwarded_and_logged(project: Project) -> None:
    port = free_port()
    project.write(
        Kappfile=f"k8s_yaml('web.yaml')\nport_forward('web', {port}, 8000)\n",
        web__yaml=deployment("web", "hello"),
    )
    engine = await project.start()
    apply = await applied(engine, "web")
    ui = await ready(engine, "web")
    assert await get_page(port) == "hello"

    assert "app.kubernetes.io/managed-by: kapp" in apply.status.result_yaml
    assert "managedFields" not in apply.status.result_yaml
    assert ui.status.endpoint_links[0].url == f"http://localhost:{port}/"
    objects = TypedClient(engine.client)
    counted = await objects.get(KubernetesApply, "web")
    assert counted is not None
    assert counted.status.pods is not None
    assert (counted.status.pods.ready, counted.status.pods.total) == (1, 1)
    (pod,) = (await objects.list(KubernetesDiscovery))[0].status.pods
    assert [one.name for one in await objects.list(PodLogStream)] == [
        f"web-{project.namespace}-{pod.name}"
    ]

    async def logged() -> bool:
        entries = [entry async for entry in engine.logs.read(["web"])]
        return any(b"serving hello" in entry.data for entry in entries)

    await eventually(logged)

    async def targets() -> bool:
        session = await objects.get(Session, SESSION)
        assert session is not None
        states = {target.name: target.state for target in session.status.targets}
        runtime = states.get("web:runtime")
        return runtime is not None and runtime.active is not None and runtime.active.ready

    await eventually(targets)


async def test_a_save_is_applied_and_ports_alone_apply_nothing(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\nk8s_resource(objects=['a'], new_name='a')\n")
    project.write(a__yaml=config_map("a", "one"))
    engine = await project.start()
    first = await applied(engine, "a")
    project.write(a__yaml=config_map("a", "two"))
    second = await applied(engine, "a", after=first.status.applied_input_hash)
    live = await project.live(CONFIG_MAPS, "a")
    assert live is not None
    assert live["data"] == {"value": "two"}

    project.write(
        Kappfile="k8s_yaml('a.yaml')\n"
        f"k8s_resource(objects=['a'], new_name='a', port_forwards={free_port()}, labels=['x'])\n"
    )

    async def forwarded() -> PortForward | None:
        found = await TypedClient(engine.client).get(PortForward, "a")
        return found if found and found.status.forward_statuses else None

    await eventually(forwarded)
    third = await applied(engine, "a")
    assert third.metadata.labels == {"x": "x"}
    assert third.status.last_apply_time == second.status.last_apply_time


async def test_what_leaves_is_deleted_and_what_moves_is_not(project: Project) -> None:
    project.write(
        Kappfile="k8s_yaml('all.yaml')\n"
        "k8s_resource(objects=['stays', 'moves'], new_name='first')\n"
        "k8s_resource(objects=['leaves'], new_name='second')\n",
        all__yaml="---\n".join(map(config_map, ("stays", "moves", "leaves"))),
    )
    engine = await project.start()
    await applied(engine, "first")
    await applied(engine, "second")
    moving = await project.live(CONFIG_MAPS, "moves")
    project.write(all__yaml="---\n".join(map(config_map, ("stays", "moves"))))
    project.write(
        Kappfile="k8s_yaml('all.yaml')\n"
        "k8s_resource(objects=['stays'], new_name='first')\n"
        "k8s_resource(objects=['moves'], new_name='third')\n"
    )
    await applied(engine, "third")
    await eventually(lambda: project.gone(CONFIG_MAPS, "leaves"))
    moved = await project.live(CONFIG_MAPS, "moves")
    assert moving is not None
    assert moved is not None
    assert moved["metadata"]["uid"] == moving["metadata"]["uid"]
    assert await project.live(CONFIG_MAPS, "stays") is not None
    assert await TypedClient(engine.client).get(KubernetesApply, "second") is None


async def test_an_error_keeps_what_runs_and_is_shown(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    await applied(engine, "uncategorized")
    await ready(engine, "uncategorized")
    project.write(Kappfile="k8s_yaml('missing.yaml')\n")
    objects = TypedClient(engine.client)

    async def reported() -> str:
        kappfile = await objects.get(Kappfile, MAIN)
        ended = kappfile.status.terminated if kappfile is not None else None
        return ended.error if ended is not None else ""

    assert "missing.yaml" in await eventually(reported)

    async def not_up_to_date() -> bool:
        ui = await objects.get(UIResource, "uncategorized")
        return ui is not None and {c.status for c in ui.status.conditions} == {"False"}

    await eventually(not_up_to_date)
    assert await project.live(CONFIG_MAPS, "a") is not None
    logged = [entry async for entry in engine.logs.read([MAIN])]
    assert any(b"missing.yaml" in entry.data for entry in logged)

    project.write(missing__yaml=config_map("b"))
    await eventually(lambda: project.gone(CONFIG_MAPS, "a"))
    await ready(engine, "uncategorized")


async def test_an_object_the_cluster_refuses_is_named(project: Project) -> None:
    bad = deployment("web").replace("replicas: 1", "replicas: -1")
    project.write(Kappfile="k8s_yaml('web.yaml')\n", web__yaml=bad)
    engine = await project.start()

    async def refused() -> str:
        apply = await TypedClient(engine.client).get(KubernetesApply, "web")
        return apply.status.error if apply is not None else ""

    error = await eventually(refused)
    assert "Deployment/" in error
    assert "spec.replicas" in error
    project.write(web__yaml=deployment("web"))
    await applied(engine, "web")


async def test_undoing_a_save_that_was_refused_in_part_undoes_the_other_part(
    project: Project,
) -> None:
    good = f"{config_map('a')}---\n{config_map('b')}"
    project.write(Kappfile="k8s_yaml('all.yaml')\n", all__yaml=good)
    engine = await project.start()
    await applied(engine, "uncategorized")

    project.write(all__yaml=f"{config_map('a', 'two')}---\n{config_map('b', '[1]')}")

    async def refused() -> bool:
        apply = await TypedClient(engine.client).get(KubernetesApply, "uncategorized")
        return apply is not None and "ConfigMap" in apply.status.error

    await eventually(refused)
    await eventually(lambda: _has_value(project, "a", "two"))

    project.write(all__yaml=good)
    await eventually(lambda: _has_value(project, "a", "one"))
    apply = await applied(engine, "uncategorized")
    assert apply.status.error == ""


async def _has_value(project: Project, name: str, value: str) -> bool:
    found = await project.live(CONFIG_MAPS, name)
    return found is not None and found["data"]["value"] == value


async def test_disabling_deletes_and_enabling_applies_again(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    await applied(engine, "uncategorized")
    name = "uncategorized-disable"

    async def switch(value: str) -> None:
        await engine.client.patch(
            resource_of(ConfigMap), name, {"data": {"isDisabled": value}}, PatchType.MERGE
        )

    await switch("true")
    await eventually(lambda: project.gone(CONFIG_MAPS, "a"))
    ui = await TypedClient(engine.client).get(UIResource, "uncategorized")
    assert ui is not None
    await switch("false")

    async def back() -> object:
        return await project.live(CONFIG_MAPS, "a")

    await eventually(back)
    await applied(engine, "uncategorized")


async def test_only_selected_resources_are_enabled(project: Project) -> None:
    project.write(
        Kappfile="k8s_yaml('all.yaml')\n"
        "k8s_resource(objects=['a'], new_name='first')\n"
        "k8s_resource(objects=['b'], new_name='second')\n",
        all__yaml="---\n".join(map(config_map, ("a", "b"))),
    )
    engine = await project.start(resources=("second",))
    await applied(engine, "second")
    assert await project.live(CONFIG_MAPS, "a") is None


async def test_a_trigger_restarts_the_pods(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('web.yaml')\n", web__yaml=deployment("web"))
    engine = await project.start()
    first = await applied(engine, "web")
    await engine.client.patch(
        resource_of(KubernetesApply),
        "web",
        {"metadata": {"annotations": {TRIGGER_ANNOTATION: "2026-11-23T18:29:16Z"}}},
        PatchType.MERGE,
    )
    await applied(engine, "web", after=first.status.applied_input_hash)
    live = await project.live(DEPLOYMENTS, "web")
    assert live is not None
    template = live["spec"]["template"]["metadata"]
    assert template["annotations"]["kubectl.kubernetes.io/restartedAt"] == "2026-11-23T18:29:16Z"


async def test_manual_resources_wait_for_a_trigger(project: Project) -> None:
    project.write(
        Kappfile="k8s_yaml('a.yaml')\n"
        "k8s_resource(objects=['a'], new_name='a', auto_init=False,"
        " trigger_mode=TRIGGER_MODE_MANUAL)\n",
        a__yaml=config_map("a"),
    )
    engine = await project.start()

    async def waiting() -> bool:
        ui = await TypedClient(engine.client).get(UIResource, "a")
        return (
            ui is not None
            and ui.status.waiting is not None
            and ui.status.waiting.reason == "waiting-for-trigger"
        )

    await eventually(waiting)
    assert await project.live(CONFIG_MAPS, "a") is None
    await engine.client.patch(
        resource_of(KubernetesApply),
        "a",
        {"metadata": {"annotations": {TRIGGER_ANNOTATION: "1"}}},
        PatchType.MERGE,
    )
    await applied(engine, "a")


async def test_a_dependency_is_waited_for(project: Project) -> None:
    project.write(
        Kappfile="k8s_yaml(['web.yaml', 'a.yaml'])\n"
        "k8s_resource(objects=['a'], new_name='a', resource_deps=['web'])\n",
        web__yaml=deployment("web"),
        a__yaml=config_map("a"),
    )
    engine = await project.start()
    web = await ready(engine, "web")
    a = await applied(engine, "a")
    condition = next(c for c in web.status.conditions if c.type == "Ready")
    assert a.status.last_apply_start_time[:19] >= condition.last_transition_time[:19]


async def test_a_deleted_forward_is_made_again(project: Project) -> None:
    port = free_port()
    project.write(
        Kappfile=f"k8s_yaml('web.yaml')\nport_forward('web', {port}, 8000)\n",
        web__yaml=deployment("web", "hello"),
    )
    engine = await project.start()
    await ready(engine, "web")
    objects = TypedClient(engine.client)
    old = await objects.get(PortForward, "web")
    assert old is not None
    await objects.delete(PortForward, "web")

    async def again() -> bool:
        new = await objects.get(PortForward, "web")
        return (
            new is not None
            and new.metadata.uid != old.metadata.uid
            and bool(new.status.forward_statuses)
            and bool(new.status.forward_statuses[0].addresses)
        )

    await eventually(again)
    assert await get_page(port) == "hello"


async def test_a_text_that_cannot_be_read_keeps_nothing_else_from_being_deleted(
    project: Project,
) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    await applied(engine, "uncategorized")
    objects = TypedClient(engine.client)
    mine = KubernetesApply(
        metadata=ObjectMeta(name="mine"), spec=KubernetesApplySpec(yaml=config_map("mine"))
    )
    await objects.ensure(mine)
    await applied(engine, "mine")
    mine.spec.yaml = "a: [1"
    await objects.ensure(mine)
    project.write(a__yaml=config_map("b"))
    await eventually(lambda: project.gone(CONFIG_MAPS, "a"))
    assert await project.live(CONFIG_MAPS, "mine") is not None


async def test_what_a_kappfile_owns_is_made_again(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    await ready(engine, "uncategorized")
    live = await project.live(CONFIG_MAPS, "a")
    objects = TypedClient(engine.client)
    owned = [
        (KubernetesApply, "uncategorized"),
        (UIResource, "uncategorized"),
        (ConfigMap, "uncategorized-disable"),
        (FileWatch, MAIN),
    ]
    for cls, name in owned:
        await objects.delete(cls, name)
    for cls, name in owned:
        await eventually(lambda cls=cls, name=name: objects.get(cls, name))
    await ready(engine, "uncategorized")
    assert await project.live(CONFIG_MAPS, "a") == live  # it was never deleted

    project.write(a__yaml=config_map("a", "two"))
    await eventually(lambda: _has_value(project, "a", "two"))


async def test_one_engine_for_a_kappfile(project: Project) -> None:
    project.write(Kappfile="")
    await project.start()
    with pytest.raises(KappError, match=f"another engine \\(process {os.getpid()}\\) runs"):
        await project.engine().start()


async def test_it_ends_within_a_second_and_leaves_the_cluster_as_it_is(project: Project) -> None:
    port = free_port()
    project.write(
        Kappfile=f"k8s_yaml('web.yaml')\nport_forward('web', {port}, 8000)\n",
        web__yaml=deployment("web"),
    )
    engine = await project.start(tls=True)
    await ready(engine, "web")
    started = asyncio.get_running_loop().time()
    await engine.close()
    assert asyncio.get_running_loop().time() - started < 0.8
    assert await project.live(DEPLOYMENTS, "web") is not None
    assert not engine.instance.is_running()
    description = engine.instance.describe()
    assert description["project"] == engine.project


async def test_down_stops_the_engine_and_deletes_everything(project: Project) -> None:
    project.write(Kappfile="k8s_yaml('a.yaml')\n", a__yaml=config_map("a"))
    engine = await project.start()
    await applied(engine, "uncategorized")
    running = asyncio.get_running_loop().create_task(_until_stopped(engine))
    (project.directory / "Kappfile").unlink()
    stopped: list[int] = []
    result = await down(project.kappfile, on_stopped=stopped.append)
    await running
    assert result.deleted == [f"ConfigMap/{project.namespace}/a"]
    assert stopped == [os.getpid()]
    assert await project.gone(CONFIG_MAPS, "a")
    assert (await down(project.kappfile)).is_empty


async def _until_stopped(engine: Engine) -> None:
    await engine.wait()
    await engine.close()


async def test_a_new_engine_deletes_what_an_earlier_one_left(project: Project) -> None:
    project.write(
        Kappfile="k8s_yaml('all.yaml')\n",
        all__yaml="---\n".join(map(config_map, ("a", "b"))),
    )
    first = await project.start()
    await applied(first, "uncategorized")
    await first.close()
    project.write(all__yaml=config_map("a"))
    second = await project.start()
    await applied(second, "uncategorized")
    await eventually(lambda: project.gone(CONFIG_MAPS, "b"))
    assert await project.live(CONFIG_MAPS, "a") is not None


async def _unknown(engine: Engine, name: str) -> bool:
    ui = await TypedClient(engine.client).get(UIResource, name)
    found = {one.type: (one.status, one.reason) for one in ui.status.conditions} if ui else {}
    return found == {"UpToDate": ("True", "Applied"), "Ready": ("Unknown", "ClusterAway")}


async def test_a_cluster_that_is_away_is_told_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine starts at once, says what is wrong, and applies when the cluster is back."""
    monkeypatch.setenv("KAPP_STATE_DIR", str(tmp_path / "state"))
    directory = tmp_path / "cluster"
    path = await asyncio.to_thread(process.start, directory)
    await asyncio.to_thread(process.stop, directory)
    project = Project(tmp_path, str(path), "default")
    project.write(
        Kappfile="k8s_yaml(['a.yaml', 'web.yaml'])\n",
        a__yaml=config_map("a"),
        web__yaml=deployment("web"),
    )
    engine = await project.start()
    objects = TypedClient(engine.client)

    async def told() -> bool:
        cluster = await objects.get(Cluster, "default")
        apply = await objects.get(KubernetesApply, "uncategorized")
        return (
            cluster is not None
            and bool(cluster.status.error)
            and apply is not None
            and any(c.reason == "Retrying" for c in apply.status.conditions)
        )

    await eventually(told)
    try:
        await asyncio.to_thread(process.start, directory)
        await applied(engine, "uncategorized")
        await ready(engine, "web")

        async def healed() -> bool:
            cluster = await objects.get(Cluster, "default")
            return cluster is not None and not cluster.status.error

        await eventually(healed)

        # Its state is lost: the same name, another cluster at another address.
        await asyncio.to_thread(process.stop, directory)
        for name in ("web", "uncategorized"):
            await eventually(lambda name=name: _unknown(engine, name))
        await asyncio.to_thread(shutil.rmtree, directory)
        await asyncio.to_thread(process.start, directory)
        renewed = Project(tmp_path, str(path), "default")
        await eventually(lambda: renewed.live(CONFIG_MAPS, "a"))
        await renewed.cluster.close()
        await eventually(healed)
        await ready(engine, "web")
        logged = b"".join([entry.data async for entry in engine.logs.read([MAIN])])
        assert b"was made anew" in logged
        await project.close()
        await project.cluster.close()
    finally:
        await asyncio.to_thread(process.stop, directory)
