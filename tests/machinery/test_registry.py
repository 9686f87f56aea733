"""The REST rules of one object's life."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from kapp.machinery.objects import ObjectKey
from kapp.machinery.options import WriteOptions
from kapp.machinery.status import ApiError

if TYPE_CHECKING:
    from conftest import Setup

TYPED = {"apiVersion": "test.dev/v1", "kind": "Widget"}
OPTIONS = WriteOptions(manager="test")


def test_create_sets_what_the_server_owns(setup: Setup) -> None:
    made = setup.create(
        "a",
        metadata={"uid": "mine", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 7},
        spec={"size": 1},
        status={"phase": "Lies"},
    )
    meta = made["metadata"]
    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert (meta["generation"], meta["resourceVersion"], meta["namespace"]) == (1, "1", "ns")
    assert (made["apiVersion"], made["kind"], "status" in made) == ("test.dev/v1", "Widget", False)
    assert setup.get("a") == made


def refused(code: int, reason: str) -> Any:
    class Refused:
        def __enter__(self) -> None:
            return None

        def __exit__(self, _type: Any, error: Any, _traceback: Any) -> bool:
            assert isinstance(error, ApiError), error
            assert (error.code, error.reason) == (code, reason), error
            return True

    return Refused()


def test_names_are_given_generated_or_refused(setup: Setup) -> None:
    setup.create("a")
    with refused(409, "AlreadyExists"):
        setup.create("a")
    for bad in ("A", "a_b", "-a", "a" * 254, "a/b"):
        with refused(422, "Invalid"):
            setup.create(bad)
    kind = next(iter(setup.registry.scheme))
    with refused(422, "Invalid"):
        setup.registry.create(kind, "ns", {"metadata": {}}, OPTIONS)
    made = setup.registry.create(kind, "ns", {"metadata": {"generateName": "web-"}}, OPTIONS)
    assert re.fullmatch("web-[bcdfghjklmnpqrstvwxz2456789]{5}", made["metadata"]["name"])


def test_a_taken_generated_name_is_tried_again(setup: Setup) -> None:
    suffixes = iter(["one", "one", "one", "two"])
    setup.registry._new_suffix = lambda: next(suffixes)
    kind = next(iter(setup.registry.scheme))
    names = [
        setup.registry.create(kind, "ns", {"metadata": {"generateName": "w-"}}, OPTIONS)[
            "metadata"
        ]["name"]
        for _ in range(2)
    ]
    assert names == ["w-one", "w-two"]


def test_metadata_is_validated(setup: Setup) -> None:
    for meta in (
        {"labels": {"a": "b c"}},
        {"labels": {"-a": "b"}},
        {"labels": {"a": "x" * 64}},
        {"annotations": {"a/b/c": ""}},
        {"annotations": {"a": "x" * (257 << 10)}},
        {"finalizers": ["not qualified"]},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x"}]},
    ):
        with refused(422, "Invalid"):
            setup.create("a", metadata=meta)
    for meta in ({"labels": []}, {"labels": {"a": 1}}, {"annotations": "x"}, {"finalizers": {}}):
        with refused(400, "BadRequest"):
            setup.create("a", metadata=meta)


def test_updates_keep_identity_and_count_generations(setup: Setup) -> None:
    made = setup.create("a", spec={"size": 1})
    changed = setup.update({"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"size": 1}})
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["metadata"]["generation"] == 1
    changed = setup.update({"metadata": {"name": "a"}, "spec": {"size": 2}})
    assert changed["metadata"]["generation"] == 2
    assert "labels" not in changed["metadata"]


def test_stale_and_mistaken_updates_conflict(setup: Setup) -> None:
    old = setup.create("a", spec={"size": 1})
    setup.update({"metadata": {"name": "a"}, "spec": {"size": 2}})
    with refused(409, "Conflict"):
        setup.update(old)
    with refused(409, "Conflict"):
        setup.update({"metadata": {"name": "a", "uid": "another"}})
    with refused(404, "NotFound"):
        setup.update({"metadata": {"name": "b"}})
    with refused(400, "BadRequest"):
        setup.registry.update(
            next(iter(setup.registry.scheme)),
            ObjectKey("ns", "a"),
            {"metadata": {"name": "b"}},
            OPTIONS,
        )


def test_a_write_that_changes_nothing_is_none(setup: Setup) -> None:
    made = setup.create("a", spec={"size": 1})
    setup.pass_time(60)
    again = setup.update({"metadata": {"name": "a"}, "spec": {"size": 1}})
    assert again == made
    assert setup.registry.store.resource_version == 1
    body = {"spec": {"size": 1}}
    kind = next(iter(setup.registry.scheme))
    patched, _ = setup.registry.patch(kind, ObjectKey("ns", "a"), body, "merge", OPTIONS)
    assert patched == made
    applied = {**TYPED, "metadata": {"name": "a"}, "spec": {"size": 1}}
    for _ in range(2):
        setup.pass_time(60)
        setup.registry.patch(kind, ObjectKey("ns", "a"), dict(applied), "apply", OPTIONS)
    assert setup.registry.store.resource_version == 2


def test_spec_and_status_are_written_apart(setup: Setup) -> None:
    made = setup.create("a", spec={"size": 1})
    made["status"] = {"phase": "Up"}
    made["spec"] = {"size": 9}
    made["metadata"]["labels"] = {"x": "y"}
    written = setup.update(made, subresource="status")
    assert (written["spec"], written["status"]) == ({"size": 1}, {"phase": "Up"})
    assert "labels" not in written["metadata"]
    assert written["metadata"]["generation"] == 1
    written = setup.update({"metadata": {"name": "a"}, "spec": {"size": 2}})
    assert (written["spec"], written["status"]) == ({"size": 2}, {"phase": "Up"})
    managers = {m.get("subresource") for m in written["metadata"]["managedFields"]}
    assert managers == {None, "status"}


def test_dry_runs_change_nothing(setup: Setup) -> None:
    kind = next(iter(setup.registry.scheme))
    dry = WriteOptions(manager="test", dry_run=True)
    made = setup.registry.create(kind, "ns", {"metadata": {"name": "a"}}, dry)
    assert made["metadata"]["uid"]
    assert setup.names() == []
    setup.create("a", spec={"size": 1})
    with refused(409, "AlreadyExists"):
        setup.registry.create(kind, "ns", {"metadata": {"name": "a"}}, dry)
    changed = setup.update({"metadata": {"name": "a"}, "spec": {"size": 2}}, dry_run=True)
    assert changed["spec"]["size"] == 2
    assert setup.delete("a", dry_run=True)
    assert setup.get("a")["spec"]["size"] == 1
    assert setup.registry.store.resource_version == 1


def test_admission_may_change_and_refuse(setup: Setup) -> None:
    seen = []

    def admit(kind: Any, operation: str, new: Any, old: Any) -> None:
        seen.append((operation, old is not None))
        if new.get("spec", {}).get("size") == 13:
            raise ApiError(403, "Forbidden", "no")
        new["metadata"].setdefault("labels", {})["admitted"] = "yes"

    setup.registry.admit.append(admit)
    assert setup.create("a")["metadata"]["labels"] == {"admitted": "yes"}
    with refused(403, "Forbidden"):
        setup.create("b", spec={"size": 13})
    setup.update({"metadata": {"name": "a"}, "spec": {"size": 2}})
    setup.delete("a")
    assert seen == [("CREATE", False), ("CREATE", False), ("UPDATE", True), ("DELETE", True)]


def test_apply_creates_owns_and_conflicts(setup: Setup) -> None:
    kind, key = next(iter(setup.registry.scheme)), ObjectKey("ns", "a")

    def apply(manager: str, spec: Any, force: bool = False) -> Any:
        meta = {"name": "a"}
        body = {**TYPED, "metadata": meta, "spec": spec, "status": {"phase": "ignored"}}
        options = WriteOptions(manager=manager, force=force)
        return setup.registry.patch(kind, key, body, "apply", options)

    made, created = apply("one", {"size": 1, "colour": "red"})
    assert created
    assert "status" not in made
    with pytest.raises(ApiError) as conflict:
        apply("two", {"size": 2})
    assert conflict.value.code == 409
    assert [c.field for c in conflict.value.causes] == [".spec.size"]
    taken, created = apply("two", {"size": 2}, force=True)
    assert (taken["spec"], created) == ({"size": 2, "colour": "red"}, False)
    left, _ = apply("one", {})
    assert left["spec"] == {"size": 2}


def test_watching_from_the_start_shows_what_there_is(setup: Setup) -> None:
    setup.create("a", spec={"colour": "red"})
    setup.create("b", spec={"colour": "green"})
    kind = next(iter(setup.registry.scheme))
    watch = setup.registry.watch(kind, resource_version="0", field_selector="spec.colour=red")
    assert [(e.type, e.key.name) for e in watch.take()] == [("ADDED", "a")]
    assert watch.take() == []
    setup.update({"metadata": {"name": "b"}, "spec": {"colour": "red"}})
    assert [(e.type, e.key.name) for e in watch.take()] == [("ADDED", "b")]
    with refused(400, "BadRequest"):
        setup.registry.watch(kind, resource_version="x")
