"""When an input is applied: trigger modes, dependencies, switches."""

from __future__ import annotations

import pytest

from kapp.api.typed import TypedClient, resource_of
from kapp.api.v1alpha1.configmap import ConfigMap
from kapp.api.v1alpha1.kappfile import MAIN, Kappfile
from kapp.api.v1alpha1.kubernetesapply import TRIGGER_ANNOTATION, KubernetesApply
from kapp.api.v1alpha1.kubernetesdiscovery import KubernetesDiscovery
from kapp.api.v1alpha1.podlogstream import PodLogStream
from kapp.api.v1alpha1.portforward import PortForward
from kapp.api.v1alpha1.uiresource import UIResource
from kapp.engine.engine import Engine
from kapp.runtime.client import PatchType

from .conftest import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    Project,
    applied,
    config_map,
    deployment,
    eventually,
    free_port,
    ready,
)


async def trigger(engine: Engine, name: str, value: str) -> None:
    changes = {"metadata": {"annotations": {TRIGGER_ANNOTATION: value}}}
    await engine.client.patch(resource_of(KubernetesApply), name, changes, PatchType.MERGE)


async def switch(engine: Engine, name: str, *, disabled: bool) -> None:
    changes = {"data": {"isDisabled": str(disabled).lower()}}
    await engine.client.patch(resource_of(ConfigMap), f"{name}-disable", changes, PatchType.MERGE)


async def waits(engine: Engine, name: str, reason: str) -> UIResource:
    """The UIResource once it is held up for that reason."""

    async def check() -> UIResource | None:
        found = await TypedClient(engine.client).get(UIResource, name)
        if found is None or found.status.waiting is None:
            return None
        return found if found.status.waiting.reason == reason else None

    return await eventually(check)


async def value(project: Project, name: str) -> str:
    found = await project.live(CONFIG_MAPS, name)
    return str(found["data"]["value"]) if found is not None else ""


@pytest.mark.parametrize("auto_init", [True, False])
@pytest.mark.parametrize("mode", ["AUTO", "MANUAL"])
async def test_trigger_modes(project: Project, mode: str, auto_init: bool) -> None:
    """The table in kapp.controllers.holds: first input, second input, a trigger in between."""
    project.write(
        Kappfile="k8s_yaml('a.yaml')\n"
        f"k8s_resource(objects=['a'], new_name='a', auto_init={auto_init},"
        f" trigger_mode=TRIGGER_MODE_{mode})\n",
        a__yaml=config_map("a", "one"),
    )
    engine = await project.start()
    if auto_init:
        await applied(engine, "a")
        assert await value(project, "a") == "one"
    else:
        held = await waits(engine, "a", "waiting-for-trigger")
        assert held.status.update_status == "pending"
        assert held.status.pending_build_since
        assert await value(project, "a") == ""

    project.write(a__yaml=config_map("a", "two"))
    if mode == "AUTO":
        await eventually(lambda: _is(project, "a", "two"))
        await applied(engine, "a")
        return
    # It waits already, for the first input: the trigger must not come before the second is seen.
    await eventually(lambda: _wants(engine, "a", "two"))
    held = await waits(engine, "a", "waiting-for-trigger")
    assert {one.type: one.status for one in held.status.conditions}["UpToDate"] == "False"
    assert await value(project, "a") == ("one" if auto_init else "")
    await trigger(engine, "a", "1")
    await eventually(lambda: _is(project, "a", "two"))
    await applied(engine, "a")
    project.write(a__yaml=config_map("a", "three"))
    await waits(engine, "a", "waiting-for-trigger")
    assert await value(project, "a") == "two"


async def _wants(engine: Engine, name: str, text: str) -> bool:
    apply = await TypedClient(engine.client).get(KubernetesApply, name)
    return apply is not None and text in apply.spec.yaml


async def _is(project: Project, name: str, wanted: str) -> bool:
    return await value(project, name) == wanted


async def test_dependencies_gate_again_after_a_disable_and_an_enable(project: Project) -> None:
    """tilt-dev/tilt#5908: what depends on another waits for it each time it is started."""
    project.write(
        Kappfile="k8s_yaml(['web.yaml', 'a.yaml'])\n"
        f"k8s_resource('web', port_forwards='{free_port()}:8000')\n"
        "k8s_resource(objects=['a'], new_name='a', resource_deps=['web'])\n",
        web__yaml=deployment("web"),
        a__yaml=config_map("a"),
    )
    engine = await project.start()
    objects = TypedClient(engine.client)
    await ready(engine, "web")
    await ready(engine, "a")

    for name in ("a", "web"):
        await switch(engine, name, disabled=True)
        await eventually(lambda name=name: _is_off(engine, name))
    await eventually(lambda: project.gone(DEPLOYMENTS, "web"))
    await eventually(lambda: project.gone(CONFIG_MAPS, "a"))

    async def nothing_left() -> bool:
        kinds = (KubernetesDiscovery, PortForward, PodLogStream)
        owners = {one.metadata.name for kind in kinds for one in await objects.list(kind)}
        return not {name for name in owners if name.startswith("web")}

    await eventually(nothing_left)

    await switch(engine, "a", disabled=False)
    held = await waits(engine, "a", "waiting-for-dep")
    assert held.status.waiting is not None
    assert [one.name for one in held.status.waiting.on] == ["web"]
    (up_to_date,) = (one for one in held.status.conditions if one.type == "UpToDate")
    assert "kapp enable web" in up_to_date.message
    project.write(a__yaml=config_map("a", "two"))  # a reload switches nothing
    await eventually(lambda: _has_spec(engine, "a", "two"))
    await waits(engine, "a", "waiting-for-dep")
    assert await project.live(CONFIG_MAPS, "a") is None
    assert await _is_off(engine, "web")

    await switch(engine, "web", disabled=False)
    web = await ready(engine, "web")
    a = await applied(engine, "a")
    (condition,) = (one for one in web.status.conditions if one.type == "Ready")
    assert a.status.last_apply_start_time[:19] >= condition.last_transition_time[:19]


async def _is_off(engine: Engine, name: str) -> bool:
    found = await TypedClient(engine.client).get(UIResource, name)
    return (
        found is not None
        and found.status.disable_status is not None
        and found.status.disable_status.disabled
    )


async def _has_spec(engine: Engine, name: str, text: str) -> bool:
    found = await TypedClient(engine.client).get(KubernetesApply, name)
    return found is not None and text in found.spec.yaml


async def test_what_all_may_need_is_applied_first(project: Project) -> None:
    """A Deployment in a Namespace of the same Kappfile is never refused for lack of it."""
    space = f"{project.namespace}-own"
    own = deployment("web").replace("name: web\n", f"name: web\n  namespace: {space}\n", 1)
    project.write(
        Kappfile="k8s_yaml(['web.yaml', 'space.yaml'])\n",
        web__yaml=own,
        space__yaml=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {space}}}\n",
    )
    engine = await project.start()
    ui = await ready(engine, "web")
    assert [one.error for one in ui.status.build_history] == [""]
    await switch(engine, "web", disabled=True)
    await eventually(lambda: _is_off(engine, "web"))
    await project.cluster.client.delete(NAMESPACES, space)


async def test_a_trigger_of_the_kappfile_evaluates_it(project: Project) -> None:
    project.write(Kappfile="k8s_yaml(local('cat a.yaml', quiet=True))\n")
    project.write(a__yaml=config_map("a", "one"))
    engine = await project.start()
    await applied(engine, "uncategorized")
    project.write(a__yaml=config_map("a", "two"))
    changes = {"metadata": {"annotations": {TRIGGER_ANNOTATION: "1"}}}
    await engine.client.patch(resource_of(Kappfile), MAIN, changes, PatchType.MERGE)
    await eventually(lambda: _is(project, "a", "two"))


async def test_what_is_replaced_stays_until_its_replacement_is_applied(project: Project) -> None:
    """But for what is disabled, which replaces nothing."""
    unready = deployment("dep").replace(
        "httpGet: {path: /, port: 8000}", "exec: {command: [cat, /no]}"
    )
    project.write(
        Kappfile="k8s_yaml(['old.yaml', 'extra.yaml'])\n"
        "k8s_resource(objects=['old'], new_name='old')\n"
        "k8s_resource(objects=['extra'], new_name='extra')\n",
        old__yaml=config_map("old"),
        extra__yaml=config_map("extra"),
        new__yaml=config_map("new"),
        dep__yaml=unready,
    )
    engine = await project.start()
    await applied(engine, "old")
    await applied(engine, "extra")
    project.write(
        Kappfile="k8s_yaml(['new.yaml', 'extra.yaml', 'dep.yaml'])\n"
        "k8s_resource(objects=['new'], new_name='new', resource_deps=['dep'])\n"
        "k8s_resource(objects=['extra'], new_name='extra')\n"
    )
    await applied(engine, "dep")
    await switch(engine, "extra", disabled=True)
    await eventually(lambda: project.gone(CONFIG_MAPS, "extra"))
    assert not await project.gone(CONFIG_MAPS, "old")
    project.write(dep__yaml=deployment("dep"))
    await applied(engine, "new")
    await eventually(lambda: project.gone(CONFIG_MAPS, "old"))
