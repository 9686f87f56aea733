"""The inventory: nothing kapp applied is ever orphaned, nothing foreign is ever touched."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.cluster import pauses
from kapp.cluster.apply import ApplyError, apply
from kapp.cluster.claims import applyset_id
from kapp.cluster.inventory import Inventory, MemberKey, parent_name
from kapp.errors import ClusterError, Unreachable
from kapp.machinery.status import ApiError
from kapp.runtime.client import PatchType

from .world import World, deployment, obj


@pytest.fixture
def world():
    return World()


async def deploy(world, inventory, *objects, resource="web"):
    targets = await world.targets(*objects, resource=resource, inventory=inventory)
    await apply(world.client, targets, record=inventory.record, admit=inventory.admit)
    return {MemberKey.of(t.obj) for t in targets}


def parent(world):
    return world.live("ConfigMap", "kapp-demo")


def test_the_id_is_the_keps():
    # printf '%s' 'name.ns.ConfigMap.' | sha256sum, base64url without padding.
    assert applyset_id("name", "ns") == "applyset-42YS2ob3sik94RyWjkwp4PH1yZS6H5k6StaopNs0l5I-v1"
    assert len(applyset_id("name", "ns")) <= 63


def test_names_of_parents_never_clash():
    assert parent_name("demo") == "kapp-demo"
    names = {parent_name(p) for p in ("Demo", "demo", "de.mo", "de-mo", "x" * 200, "x" * 201, "é")}
    assert len(names) == 7
    assert all(len(name) <= 63 for name in names)


async def test_the_parent_is_what_other_tools_read(world):
    inventory = world.inventory()
    placed = obj("ConfigMap", "b", metadata={"namespace": "other"})
    await deploy(world, inventory, deployment(), obj("Namespace", "n"), placed)
    meta = parent(world)["metadata"]
    assert meta["labels"]["applyset.kubernetes.io/id"] == inventory.id
    assert meta["annotations"] == {
        "applyset.kubernetes.io/tooling": "kapp/v0.1",
        "applyset.kubernetes.io/contains-group-kinds": "ConfigMap,Deployment.apps,Namespace",
        "applyset.kubernetes.io/additional-namespaces": "other",
    }
    assert (
        world.live("Deployment", "web")["metadata"]["labels"]["applyset.kubernetes.io/part-of"]
        == inventory.id
    )


async def test_a_save_that_adds_no_kind_costs_no_request_for_the_parent(world):
    inventory = world.inventory()
    await deploy(world, inventory, deployment())
    world.calls.clear()
    await deploy(world, inventory, deployment(image="b"))
    assert world.calls == [("patch", "Deployment", "web")]


async def test_another_run_keeps_what_the_parent_says(world):
    await deploy(world, world.inventory(), deployment())
    await deploy(world, world.inventory(), obj("ConfigMap", "a"))
    annotations = parent(world)["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps"


async def test_concurrent_records_lose_nothing(world):
    inventory = world.inventory()
    await asyncio.gather(
        deploy(world, inventory, deployment()),
        deploy(world, inventory, obj("Secret", "s")),
        deploy(world, inventory, obj("Service", "s")),
    )
    annotations = parent(world)["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == (
        "Deployment.apps,Secret,Service"
    )


async def test_a_parent_that_is_someone_elses_is_refused(world):
    inventory = world.inventory()
    [target] = await world.targets(obj("ConfigMap", "kapp-demo", data={"precious": "1"}))
    target.obj["metadata"]["labels"] = {}
    await world.client.create(target.resource, target.obj)
    with pytest.raises(ClusterError, match="is not this project's inventory"):
        await deploy(world, inventory, deployment())
    assert world.names("Deployment") == []
    assert parent(world)["data"] == {"precious": "1"}


async def test_a_missing_namespace_of_record_is_made_if_it_is_among_the_objects(world):
    missing = ApiError(404, "NotFound", 'namespaces "default" not found')
    world.faults.append(("patch", "ConfigMap", missing))
    await deploy(world, world.inventory(), obj("Namespace", "default"), deployment())
    assert world.names("Namespace") == ["default"]
    other = World()
    other.faults.append(("patch", "ConfigMap", missing))
    with pytest.raises(ClusterError, match="namespace default does not exist"):
        await deploy(other, other.inventory(), deployment())


async def test_prune_removes_what_left_and_nothing_else(world):
    inventory, foreign = world.inventory(), world.inventory("foreign")
    await deploy(world, foreign, obj("ConfigMap", "foreign"))
    wanted = await deploy(world, inventory, obj("ConfigMap", "stays"))
    keep = {"annotations": {"kapp.dev/down-policy": "keep"}}
    await deploy(
        world,
        inventory,
        obj("ConfigMap", "goes"),
        obj("ConfigMap", "kept", metadata=keep),
        obj("Namespace", "n"),
        resource="old",
    )
    await deploy(world, inventory, obj("ConfigMap", "other"), resource="other")
    done = await inventory.prune(wanted, resources={"web", "old"})
    assert done.deleted == ["ConfigMap/default/goes"]
    assert sorted(kept.object for kept in done.kept) == ["ConfigMap/default/kept", "Namespace/n"]
    assert world.names("ConfigMap") == [
        "foreign",
        "kapp-demo",
        "kapp-foreign",
        "kept",
        "other",
        "stays",
    ]


async def test_nothing_is_applied_while_something_is_pruned(world):
    inventory, events = world.inventory(), []

    async def apply_one():
        async with inventory.applying():
            events.append("applied")

    async with inventory.pruning() as free:
        assert free
        task = asyncio.create_task(apply_one())
        await asyncio.sleep(0.01)
        events.append("pruned")
    await task
    assert events == ["pruned", "applied"]
    async with inventory.applying(), inventory.pruning() as free:
        assert not free


async def test_an_object_that_moved_to_another_resource_stays(world):
    inventory = world.inventory()
    await deploy(world, inventory, obj("ConfigMap", "a"), resource="one")
    wanted = await deploy(world, inventory, obj("ConfigMap", "a"), resource="two")
    assert (await inventory.prune(wanted)).deleted == []
    assert "a" in world.names("ConfigMap")


async def test_an_object_made_anew_by_someone_else_is_not_deleted(world):
    inventory = world.inventory()
    await deploy(world, inventory, obj("ConfigMap", "a"))
    [target] = await inventory.members()

    async def replace(verb, kind_name, name):
        if verb == "list":
            world.hooks.clear()
            await world.local.delete(target.resource, "a", "default")
            stranger = obj("ConfigMap", "a", metadata={"namespace": "default"})
            await world.local.create(target.resource, stranger)

    world.hooks.append(replace)
    await inventory.prune(set())
    assert "applyset.kubernetes.io/part-of" not in (
        world.live("ConfigMap", "a")["metadata"].get("labels") or {}
    )


async def test_what_a_controller_copied_the_label_to_is_left_to_its_owner(world):
    inventory = world.inventory()
    await deploy(world, inventory, deployment())
    owner = world.live("Deployment", "web")
    [copied] = await world.targets(obj("Deployment", "copied", "apps/v1"), inventory=inventory)
    copied.obj["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]
    await world.client.create(copied.resource, copied.obj)
    assert [t.obj["metadata"]["name"] for t in await inventory.members()] == ["web"]


async def test_down_deletes_everything_in_order_and_the_parent_last(world):
    inventory = world.inventory()
    await deploy(world, inventory, deployment(), obj("Secret", "s"), obj("Namespace", "n"))
    await deploy(world, world.inventory("foreign"), obj("ConfigMap", "foreign"))
    world.calls.clear()
    done = await world.inventory().delete_all(delete_namespaces=True)
    assert done.deleted == ["Deployment/default/web", "Secret/default/s", "Namespace/n"]
    assert done.left == []
    assert [c[1:] for c in world.calls if c[0] == "delete"] == [
        ("Deployment", "web"),
        ("Secret", "s"),
        ("Namespace", "n"),
        ("ConfigMap", "kapp-demo"),
    ]
    assert world.names("ConfigMap") == ["foreign", "kapp-foreign"]


async def test_down_keeps_namespaces_and_says_so_until_it_is_told_to_delete_them(world):
    await deploy(world, world.inventory(), obj("Namespace", "n"))
    for _ in range(2):
        done = await world.inventory().delete_all()
        assert [tuple(kept) for kept in done.kept] == [
            ("Namespace/n", "namespaces are kept without --delete-namespaces")
        ]
    assert (await world.inventory().delete_all(delete_namespaces=True)).deleted == ["Namespace/n"]
    assert world.names("ConfigMap") == []


async def test_a_namespace_with_another_project_in_it_is_kept(world):
    await deploy(world, world.inventory(), obj("Namespace", "n"))
    other = world.inventory("other", namespace="n")
    await deploy(world, other, obj("ConfigMap", "a", metadata={"namespace": "n"}))
    done = await world.inventory().delete_all(delete_namespaces=True)
    assert [tuple(kept) for kept in done.kept] == [
        ("Namespace/n", "the project other is in it too")
    ]
    await other.delete_all()
    assert (await world.inventory().delete_all(delete_namespaces=True)).deleted == ["Namespace/n"]


async def test_down_says_what_holds_and_goes_on_next_time(world, monkeypatch):
    monkeypatch.setattr(pauses, "FIRST_S", 0.001)
    inventory = world.inventory()
    held = deployment()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await deploy(world, inventory, held, obj("Secret", "s"))
    steps = []
    done = await inventory.delete_all(timeout_s=0.05, on_progress=steps.append)
    assert [tuple(left) for left in done.left] == [
        ("Deployment/default/web", "waiting for finalizer example.com/hold"),
        ("Secret/default/s", "what may depend on it is still there"),
    ]
    assert [s.state for s in steps] == ["deleting", "waiting"]
    assert world.names("ConfigMap") == ["kapp-demo"]
    resource = next(t.resource for t in await inventory.members() if t.resource.group == "apps")
    live = world.live("Deployment", "web")
    live["metadata"]["finalizers"] = []
    await world.local.update(resource, live)
    assert (await world.inventory().delete_all()).left == []
    assert world.names("Secret") == []


async def test_down_asks_a_cluster_that_is_not_well_again(world, monkeypatch):
    monkeypatch.setattr(pauses, "FIRST_S", 0.001)
    await deploy(world, world.inventory(), deployment(), obj("Secret", "s"))
    busy = ApiError(503, "ServiceUnavailable", "not well")
    for verb, kind in (("get", "ConfigMap"), ("list", "Secret"), ("delete", "Deployment")):
        world.faults += [(verb, kind, busy), (verb, kind, Unreachable("no answer"))]
    world.faults += [("delete", "ConfigMap", busy)]
    steps = []
    done = await world.inventory().delete_all(on_progress=steps.append)
    assert done == (["Deployment/default/web", "Secret/default/s"], [], [])
    assert world.names("ConfigMap") == []
    assert {s.message for s in steps if s.state == "retrying"} == {"not well", "no answer"}


@pytest.mark.parametrize("verb", ["list", "delete"])
async def test_down_ends_in_time_though_the_cluster_never_answers(world, monkeypatch, verb):
    await deploy(world, world.inventory(), deployment())

    async def hang(called, kind, _name):
        if (called, kind) == (verb, "Deployment"):
            await asyncio.Event().wait()

    world.hooks.append(hang)
    down = world.inventory().delete_all(timeout_s=0.05)
    async with asyncio.timeout(20):
        if verb == "list":
            with pytest.raises(Unreachable, match="the cluster does not answer"):
                await down
        else:
            assert [tuple(one) for one in (await down).left] == [
                ("Deployment/default/web", "the cluster does not answer")
            ]


async def test_down_without_waiting_only_asks(world):
    await deploy(world, world.inventory(), deployment(), obj("Secret", "s"))
    world.calls.clear()
    done = await world.inventory().delete_all(wait=False)
    assert len(done.deleted) == 2
    assert not [c for c in world.calls if c[0] == "get" and c[1] != "ConfigMap"]


async def test_down_without_waiting_keeps_the_record_of_what_is_still_there(world):
    held = deployment()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await deploy(world, world.inventory(), held)
    await world.inventory().delete_all(wait=False)
    assert [t.obj["metadata"]["name"] for t in await world.inventory().members()] == ["web"]


async def test_an_object_of_another_project_is_refused_by_its_name(world):
    await deploy(world, world.inventory("theirs"), obj("ConfigMap", "a", data={"k": "theirs"}))
    with pytest.raises(ApplyError, match="ConfigMap/default/a: it belongs to the project theirs"):
        await deploy(world, world.inventory(), obj("ConfigMap", "a", data={"k": "mine"}))
    assert world.live("ConfigMap", "a")["data"] == {"k": "theirs"}
    await world.inventory("theirs").delete_all()
    await deploy(world, world.inventory(), obj("ConfigMap", "a", data={"k": "mine"}))
    assert world.live("ConfigMap", "a")["data"] == {"k": "mine"}


async def test_a_label_whose_parent_is_gone_claims_nothing(world):
    await deploy(world, world.inventory("theirs"), obj("ConfigMap", "a"))
    [config_maps] = {k.resource for k in world.scheme if k.kind == "ConfigMap"}
    await world.local.delete(config_maps, "kapp-theirs", "default")
    wanted = await deploy(world, world.inventory(), obj("ConfigMap", "a"))
    assert {MemberKey.of(t.obj) for t in await world.inventory().members()} == wanted


def hide_parents(world, times, kinds=("ConfigMap", "Secret")):
    """As for an account that may list nothing in all namespaces."""
    for kind in kinds:
        world.faults += [("list", kind, ApiError(403, "Forbidden", "no rights"))] * times


async def test_a_label_whose_parent_cannot_be_looked_for_is_believed_unless_forced(world):
    placed = obj("ConfigMap", "a", metadata={"namespace": "shared"})
    theirs, mine = world.inventory("theirs", namespace="theirs"), world.inventory()
    await deploy(world, theirs, placed)
    hide_parents(world, 1)
    with pytest.raises(ApplyError) as caught:
        await deploy(world, mine, placed)
    assert caught.value.one_line() == (
        f"ConfigMap/shared/a: it is labelled as part of another ApplySet ({theirs.id}, by kapp), "
        "and whether that one still exists cannot be seen: this account may not list ConfigMaps in "
        "all namespaces (if nobody else deploys it, take it over with `kapp trigger web --force`)"
    )
    hide_parents(world, 1)
    targets = await world.targets(placed, inventory=mine)
    forced = partial(mine.admit, force=True)
    await apply(world.client, targets, record=mine.record, admit=forced)
    assert len(await mine.members()) == 1
    assert await theirs.members() == []
    # Its parent is where everybody who may apply the object may look, so force is no use.
    near = world.inventory("near", namespace="shared")
    await deploy(world, near, obj("ConfigMap", "b", metadata={"namespace": "shared"}))
    hide_parents(world, 1)
    targets = await world.targets(
        obj("ConfigMap", "b", metadata={"namespace": "shared"}), inventory=mine
    )
    with pytest.raises(ApplyError, match="it belongs to the project near"):
        await apply(world.client, targets, record=mine.record, admit=forced)


async def test_who_sees_all_config_maps_knows_that_a_label_of_kapps_is_a_remnant(world):
    await deploy(world, world.inventory("theirs"), obj("ConfigMap", "a"), obj("ConfigMap", "b"))
    [config_maps] = {k.resource for k in world.scheme if k.kind == "ConfigMap"}
    await world.local.delete(config_maps, "kapp-theirs", "default")
    hide_parents(world, 1, ["Secret"])
    await deploy(world, world.inventory(), obj("ConfigMap", "a"))
    # By another tool, it may have its parent in a Secret.
    labels = {"applyset.kubernetes.io/part-of": "applyset-x-v1"}
    await world.local.patch(
        config_maps,
        "b",
        obj("ConfigMap", "b", metadata={"labels": labels}),
        PatchType.APPLY,
        "default",
        field_manager="tool",
        force=True,
    )
    hide_parents(world, 1, ["Secret"])
    with pytest.raises(
        ApplyError, match=r"\(applyset-x-v1, by tool\).*may not list Secrets in all"
    ):
        await deploy(world, world.inventory(), obj("ConfigMap", "b"))


async def test_a_limited_account_keeps_what_it_applied_from_the_objects_own_namespace(world):
    placed = obj("ConfigMap", "a", metadata={"namespace": "one"})
    await deploy(world, world.inventory(namespace="one"), placed)
    hide_parents(world, 1)
    await deploy(world, world.inventory(namespace="two"), placed)
    assert len(world.faults) == 2  # there was no need to look
    world.faults.clear()
    assert await world.inventory(namespace="one").members() == []


async def test_a_project_that_moved_to_another_namespace_takes_its_objects_along(world):
    placed = obj("ConfigMap", "a", metadata={"namespace": "fixed"})
    await deploy(world, world.inventory(namespace="one"), placed)
    await deploy(world, world.inventory(namespace="two"), placed)
    assert await world.inventory(namespace="one").members() == []


async def test_a_namespace_that_was_there_before_gets_no_label_and_stays(world):
    [target] = await world.targets(obj("Namespace", "n"))
    existing = obj("Namespace", "n", metadata={"labels": {"team": "theirs"}})
    await world.local.create(target.resource, existing)
    inventory = world.inventory()
    wanted = obj("Namespace", "n", metadata={"labels": {"mesh": "on"}})
    await deploy(world, inventory, wanted)
    assert world.live("Namespace", "n")["metadata"]["labels"] == {"team": "theirs", "mesh": "on"}
    assert "annotations" not in world.live("Namespace", "n")["metadata"]
    done = await inventory.delete_all(delete_namespaces=True)
    assert done == ([], [], [])
    assert world.names("Namespace") == ["n"]


async def test_killed_between_the_namespace_of_record_and_the_parent_down_knows_it(world):
    missing = ApiError(404, "NotFound", 'namespaces "default" not found')
    world.faults += [("patch", "ConfigMap", missing), ("patch", "ConfigMap", Unreachable("killed"))]
    targets = await world.targets(obj("Namespace", "default"))
    with pytest.raises(Unreachable):
        await world.inventory().record(targets)
    assert "labels" not in world.live("Namespace", "default")["metadata"]
    assert [k.object for k in (await world.inventory().delete_all()).kept] == ["Namespace/default"]
    await deploy(world, world.inventory(), obj("Namespace", "default"))
    assert "annotations" in world.live("Namespace", "default")["metadata"]
    done = await world.inventory().delete_all(delete_namespaces=True)
    assert done.deleted == ["Namespace/default"]


async def test_down_of_nothing_is_nothing(world):
    assert await world.inventory().delete_all() == ([], [], [])


async def test_a_projects_inventories_are_found_wherever_they_are(world):
    for namespace in ("one", "two"):
        inventory = world.inventory(namespace=namespace)
        await deploy(world, inventory, obj("Secret", "s"))
    found = await Inventory.find(world.client, world, "demo")
    assert sorted(i.namespace for i in found) == ["one", "two"]
    assert await Inventory.find(world.client, world, "else") == []


@given(st.integers(0, 12))
@settings(max_examples=13, deadline=None)
def test_killed_at_any_moment_down_still_finds_everything(requests):
    """Whatever the number of requests that got through, nothing is left but what was there."""

    async def play():
        world = World()
        inventory = world.inventory()
        objects = [deployment(), obj("Secret", "s"), obj("Namespace", "n"), obj("Service", "x")]
        targets = await world.targets(*objects, inventory=inventory)

        async def kill(verb, kind_name, name):
            if len(world.calls) > requests:
                raise asyncio.CancelledError

        world.hooks.append(kill)
        with suppress(asyncio.CancelledError):
            await apply(world.client, targets, record=inventory.record)
        world.hooks.clear()
        await world.inventory().delete_all(delete_namespaces=True)
        for name in ("Deployment", "Secret", "Namespace", "Service", "ConfigMap"):
            assert world.names(name) == []

    asyncio.run(play())
