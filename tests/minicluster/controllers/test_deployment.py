import asyncio

import pytest

from kapp.machinery.objects import find_condition, name_of
from kapp.machinery.status import ApiError
from kapp.minicluster.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kapp.runtime.client import PatchType

from .conftest import deployment, template

REVISION = "deployment.kubernetes.io/revision"


def condition(obj, kind):
    found = find_condition(obj["status"]["conditions"], kind)
    return found and (found["status"], found["reason"])


async def sizes(world):
    return {
        s["metadata"]["annotations"][REVISION]: s["spec"]["replicas"]
        for s in await world.items(REPLICA_SETS)
    }


async def test_a_deployment_becomes_available(world):
    await world.deploy(replicas=3)

    found = await world.rolled_out()

    assert found["status"]["readyReplicas"] == 3
    assert condition(found, "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(found, "Progressing") == ("True", "NewReplicaSetAvailable")
    assert found["metadata"]["annotations"][REVISION] == "1"
    (replica_set,) = await world.items(REPLICA_SETS)
    value = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert name_of(replica_set) == f"web-{value}"
    pods = await world.items(PODS)
    assert {p["metadata"]["labels"]["pod-template-hash"] for p in pods} == {value}
    assert all(name_of(p).startswith(f"web-{value}-") for p in pods)
    assert len(pods) == 3
    assert await world.reasons(kind="Deployment", name="web") == ["ScalingReplicaSet"]


async def test_a_rolling_update_never_has_too_few_pods(world):
    await world.deploy(replicas=3)
    await world.rolled_out()
    least = 3

    async def watch():
        nonlocal least
        while True:
            pods = await world.items(PODS)
            ready = [p for p in pods if find_condition(p["status"].get("conditions"), "Ready")]
            least = min(least, len([p for p in ready if "deletionTimestamp" not in p["metadata"]]))
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await world.change("web", {"template": template("web:2")})
    found = await world.rolled_out()
    watcher.cancel()

    assert least >= 3
    assert found["metadata"]["annotations"][REVISION] == "2"
    assert await sizes(world) == {"1": 0, "2": 3}

    async def only_new():
        return {p["spec"]["containers"][0]["image"] for p in await world.items(PODS)} == {"web:2"}

    await world.until(only_new)


async def test_undo_reuses_the_old_replica_set(world):
    await world.deploy()
    await world.rolled_out()
    await world.change("web", {"template": template("web:2")})
    await world.rolled_out()
    await world.change("web", {"template": template("web:1")})
    found = await world.rolled_out()

    assert found["metadata"]["annotations"][REVISION] == "3"
    sets = await world.items(REPLICA_SETS)
    assert sorted(s["metadata"]["annotations"][REVISION] for s in sets) == ["2", "3"]
    again = next(s for s in sets if s["spec"]["replicas"])
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


async def test_history_is_kept_up_to_its_limit(world):
    await world.deploy(revisionHistoryLimit=1)
    for number in range(2, 5):
        await world.rolled_out()
        await world.change("web", {"template": template(f"web:{number}")})
    await world.rolled_out()

    async def trimmed():
        return sorted(await sizes(world)) == ["3", "4"]

    await world.until(trimmed)


async def test_recreate_waits_until_the_old_pods_are_gone(world):
    await world.deploy(replicas=2, strategy={"type": "Recreate"})
    await world.rolled_out()
    images = set()
    seen = []

    async def watch():
        while True:
            images.clear()
            images.update(p["spec"]["containers"][0]["image"] for p in await world.items(PODS))
            seen.append(len(images))
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await world.change("web", {"template": template("web:2")})
    await world.rolled_out()
    watcher.cancel()

    assert max(seen) == 1
    assert images == {"web:2"}


async def test_without_surge_the_old_pod_is_gone_before_the_new_one_starts(world):
    world.may_surge = False
    await world.deploy(replicas=1)
    await world.rolled_out()
    most = 0

    async def watch():
        nonlocal most
        while True:
            most = max(most, len(await world.items(PODS)))
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await world.change("web", {"template": template("web:2")})
    await world.rolled_out()
    watcher.cancel()
    assert most == 1


async def test_a_paused_deployment_scales_but_does_not_roll(world):
    await world.deploy()
    await world.rolled_out()
    await world.change("web", {"paused": True, "template": template("web:2"), "replicas": 2})

    async def scaled():
        return await sizes(world) == {"1": 2}

    await world.until(scaled)
    await world.change("web", {"paused": False})
    await world.rolled_out()
    assert await sizes(world) == {"1": 0, "2": 2}


async def test_a_rollout_that_gets_nowhere_says_so(world):
    await world.deploy(replicas=1)
    await world.rolled_out()
    await world.change("web", {"template": template("broken:2"), "progressDeadlineSeconds": 1})

    async def timed_out():
        found = await world.client.get(DEPLOYMENTS, "web", "default")
        return condition(found, "Progressing") == ("False", "ProgressDeadlineExceeded") and found

    found = await world.until(timed_out)
    # The old pod still serves.
    assert condition(found, "Available") == ("True", "MinimumReplicasAvailable")
    assert await sizes(world) == {"1": 1, "2": 1}


async def test_deleting_takes_everything_along(world):
    await world.deploy(replicas=2)
    await world.rolled_out()
    await world.client.delete(DEPLOYMENTS, "web", "default")

    async def gone():
        return not await world.items(PODS) and not await world.items(REPLICA_SETS)

    await world.until(gone)


async def test_orphaned_replica_sets_are_adopted_again(world):
    await world.deploy()
    await world.rolled_out()
    await world.client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")
    (before,) = await world.items(REPLICA_SETS)
    assert "ownerReferences" not in before["metadata"]

    created = await world.deploy()
    await world.rolled_out()

    (after,) = await world.items(REPLICA_SETS)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]


async def test_the_selector_cannot_change(world):
    await world.deploy()
    with pytest.raises(ApiError) as e:
        await world.change("web", {"selector": {"matchLabels": {"app": "other"}}})
    assert e.value.code == 422
    assert {c.field for c in e.value.causes} == {"spec.selector", "spec.template.metadata.labels"}


async def test_many_deployments_at_once(world):
    for number in range(30):
        await world.client.create(DEPLOYMENTS, deployment(f"web-{number}", replicas=2))
    for number in range(30):
        await world.rolled_out(f"web-{number}")
    assert len(await world.items(PODS)) == 60


async def test_scaling_down_takes_the_least_useful_pods(world):
    await world.deploy(replicas=3)
    await world.rolled_out()
    pods = await world.items(PODS)
    cheap = name_of(pods[1])
    await world.client.patch(
        PODS,
        cheap,
        {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}},
        PatchType.MERGE,
        "default",
    )
    await world.change("web", {"replicas": 2})

    async def two():
        found = await world.items(PODS)
        return len(found) == 2 and found

    left = await world.until(two)
    assert cheap not in {name_of(p) for p in left}
