"""What `kapp trigger` deletes, restarts and leaves alone."""

import pytest

from kapp.cluster.apply import apply
from kapp.cluster.rerun import RESTARTED_AT, Rerun, is_made_anew

from .world import World, deployment, obj

KEPT = {"annotations": {"kapp.dev/down-policy": "keep"}}


@pytest.fixture
def world():
    return World()


async def trigger(world, *objects, force=False, delete=True):
    targets = await world.targets(*objects)
    rerun = Rerun(world.client, targets, trigger="now", force=force)
    await rerun.prepare(delete=delete)
    applied = await apply(world.client, targets, record=world.inventory().record)
    await rerun.restart(applied)


def calls(world, verb):
    return [f"{kind}/{name}" for v, kind, name in world.calls if v == verb]


def restarted(world, name="web"):
    template = world.live("Deployment", name)["spec"]["template"]
    return (template["metadata"].get("annotations") or {}).get(RESTARTED_AT)


async def test_a_workload_that_did_not_change_is_restarted(world):
    await trigger(world, deployment(), obj("ConfigMap", "a"))
    assert restarted(world) is None, "it was created"
    await trigger(world, deployment(), obj("ConfigMap", "a"))
    assert restarted(world) == "now"
    assert calls(world, "delete") == []


async def test_a_workload_that_the_apply_changes_rolls_out_once(world):
    await trigger(world, deployment())
    changed = deployment()
    changed["spec"]["replicas"] = 3
    await trigger(world, changed)
    assert restarted(world) is None


async def test_jobs_run_again(world):
    job = obj("Job", "load", "batch/v1", spec={"template": {"spec": {"containers": []}}})
    await trigger(world, job)
    before = world.live("Job", "load")["metadata"]["uid"]
    await trigger(world, job, obj("ConfigMap", "a"))
    assert world.live("Job", "load")["metadata"]["uid"] != before
    assert calls(world, "delete") == ["Job/load"]


async def test_force_makes_anew_what_holds_nothing_of_others(world):
    """tilt-dev/tilt#6411, #5169: a forced update deleted CRDs, and data of volume claims."""
    objects = [
        obj("Namespace", "space"),
        obj("ConfigMap", "kept", metadata=KEPT),
        obj("ConfigMap", "a"),
        deployment(),
    ]
    await trigger(world, *objects)
    await trigger(world, *objects, force=True)
    assert sorted(calls(world, "delete")) == ["ConfigMap/a", "Deployment/web"]
    assert restarted(world) is None


@pytest.mark.parametrize(
    "kind", ["CustomResourceDefinition", "PersistentVolumeClaim", "PersistentVolume"]
)
def test_what_data_hangs_on_is_never_made_anew(kind):
    assert not is_made_anew(obj(kind, "a"), force=True)


async def test_a_second_attempt_deletes_nothing_again(world):
    await trigger(world, obj("ConfigMap", "a"), force=True)
    before = world.live("ConfigMap", "a")["metadata"]["uid"]
    await trigger(world, obj("ConfigMap", "a"), force=True, delete=False)
    assert world.live("ConfigMap", "a")["metadata"]["uid"] == before
