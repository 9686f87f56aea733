"""Finalizers, grace periods, and owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.machinery.objects import controller_reference
from kapp.machinery.status import ApiError

if TYPE_CHECKING:
    from conftest import Setup


def owned_by(*owners: Any, block: bool = True) -> dict[str, Any]:
    references = [
        {**controller_reference(o), "controller": False, "blockOwnerDeletion": block}
        for o in owners
    ]
    return {"ownerReferences": references}


def test_finalizers_hold_an_object(setup: Setup) -> None:
    made = setup.create("a", setup.guarded)
    assert made["metadata"]["finalizers"] == ["test.dev/guard"]
    assert not setup.delete("a", setup.guarded)
    held = setup.get("a", setup.guarded)
    assert held["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert held["metadata"]["generation"] == 2
    held["metadata"]["finalizers"].append("test.dev/another")
    with pytest.raises(ApiError, match="no new finalizers can be added"):
        setup.update(held, setup.guarded)
    held["metadata"]["finalizers"] = []
    setup.update(held, setup.guarded)
    assert setup.names(setup.guarded) == []


def test_deleting_again_changes_nothing(setup: Setup) -> None:
    setup.create("a", setup.guarded)
    setup.delete("a", setup.guarded)
    version = setup.registry.store.resource_version
    setup.pass_time(10)
    assert not setup.delete("a", setup.guarded)
    assert setup.registry.store.resource_version == version


def test_grace_runs_until_the_agent_deletes(setup: Setup) -> None:
    setup.create("a", setup.agent, spec={"size": 30})
    assert not setup.delete("a", setup.agent)
    marked = setup.get("a", setup.agent)["metadata"]
    assert marked["deletionTimestamp"] == "2026-01-01T00:00:30Z"
    assert marked["deletionGracePeriodSeconds"] == 30
    setup.pass_time(1)
    assert not setup.delete("a", setup.agent, grace_period_s=60)
    assert setup.get("a", setup.agent)["metadata"]["deletionGracePeriodSeconds"] == 30
    assert not setup.delete("a", setup.agent, grace_period_s=5)
    assert setup.get("a", setup.agent)["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:06Z"
    assert setup.delete("a", setup.agent, grace_period_s=0)
    assert setup.names(setup.agent) == []
    setup.create("b", setup.agent, spec={"size": 0})
    assert setup.delete("b", setup.agent)


def test_preconditions(setup: Setup) -> None:
    made = setup.create("a")
    for wrong in ({"uid": "x"}, {"resource_version": "99"}):
        with pytest.raises(ApiError) as conflict:
            setup.delete("a", **wrong)
        assert conflict.value.code == 409
    assert setup.delete("a", uid=made["metadata"]["uid"])
    with pytest.raises(ApiError) as missing:
        setup.delete("a")
    assert missing.value.code == 404


def test_dependents_go_with_their_last_owner(setup: Setup) -> None:
    one, two = setup.create("one"), setup.create("two")
    child = setup.create("child", metadata=owned_by(one, two))
    setup.create("grandchild", metadata=owned_by(child))
    setup.delete("one")
    assert setup.names() == ["child", "grandchild", "two"]
    assert [r["name"] for r in setup.get("child")["metadata"]["ownerReferences"]] == ["two"]
    setup.delete("two")
    assert setup.names() == []


def test_orphans_stay(setup: Setup) -> None:
    one = setup.create("one")
    setup.create("child", metadata=owned_by(one))
    setup.delete("one", propagation="Orphan")
    assert setup.names() == ["child"]
    assert "ownerReferences" not in setup.get("child")["metadata"]


@pytest.mark.parametrize("blocking", [True, False])
def test_foreground_deletion_waits_for_blocking_dependents(setup: Setup, blocking: bool) -> None:
    owner = setup.create("owner")
    setup.create("child", setup.guarded, metadata=owned_by(owner, block=blocking))
    setup.create("free", metadata=owned_by(owner, block=False))
    assert not setup.delete("owner", propagation="Foreground")
    if not blocking:
        assert setup.names() == []
        return
    assert setup.names() == ["owner"]
    assert setup.get("owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    child = setup.get("child", setup.guarded)
    child["metadata"]["finalizers"] = []
    setup.update(child, setup.guarded)
    assert (setup.names(), setup.names(setup.guarded)) == ([], [])


def test_foreground_without_dependents_is_at_once(setup: Setup) -> None:
    setup.create("a")
    assert setup.delete("a", propagation="Foreground")


def test_a_child_of_an_owner_that_has_gone_goes_too(setup: Setup) -> None:
    owner = setup.create("owner")
    setup.delete("owner")
    setup.create("child", metadata=owned_by(owner))
    assert setup.names() == []
    foreign = {**owner, "kind": "Elsewhere"}
    setup.create("child", metadata=owned_by(foreign))
    assert setup.names() == ["child"]


def test_long_chains_do_not_exhaust_the_stack(setup: Setup) -> None:
    last = setup.create("w0")
    for index in range(1, 1500):
        last = setup.create(f"w{index}", metadata=owned_by(last))
    setup.delete("w0")
    assert setup.names() == []


def test_cycles_end(setup: Setup) -> None:
    one = setup.create("one")
    two = setup.create("two", metadata=owned_by(one))
    one["metadata"].update(owned_by(two))
    setup.update(one)
    setup.delete("one")
    assert setup.names() == []


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_nothing_outlives_all_its_owners(new_setup: Callable[[], Setup], data: Any) -> None:
    setup = new_setup()
    owners: dict[str, set[str]] = {}
    alive: dict[str, Any] = {}
    for index in range(data.draw(st.integers(1, 12))):
        name = f"w{index:02}"
        parents = data.draw(st.sets(st.sampled_from(sorted(alive)))) if alive else set()
        alive[name] = setup.create(name, metadata=owned_by(*[alive[p] for p in sorted(parents)]))
        owners[name] = parents
    policies = st.sampled_from(["Background", "Foreground"])
    for name in data.draw(st.lists(st.sampled_from(sorted(alive)), unique=True)):
        if name not in alive:
            continue
        setup.delete(name, propagation=data.draw(policies))
        gone = {name}
        while more := {
            n
            for n in alive
            if n not in gone
            and owners[n]
            and owners[n] & gone
            and not (owners[n] & alive.keys() - gone)
        }:
            gone |= more
        for n in gone:
            del alive[n]
        assert setup.names() == sorted(alive)
    for name in alive:
        references = setup.get(name)["metadata"].get("ownerReferences") or []
        assert {r["name"] for r in references} == owners[name] & alive.keys()


def test_a_grace_period_beyond_all_dates_or_below_zero(setup: Setup) -> None:
    setup.create("a", setup.agent, spec={"size": 10**15})
    assert not setup.delete("a", setup.agent, grace_period_s=10**17)
    assert not setup.delete("a", setup.agent, grace_period_s=-1)
    assert setup.get("a", setup.agent)["metadata"]["deletionGracePeriodSeconds"] == 1
