"""The store against a dict, and what a watch promises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.machinery.objects import ObjectKey
from kapp.machinery.status import ApiError
from kapp.machinery.store import MAX_DEPTH, Change, Store
from kapp.machinery.watchlog import Watch

KEYS = [ObjectKey(ns, name) for ns in ("a", "b") for name in ("x", "y")]
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "replace", "remove"]),
        st.sampled_from(["widgets", "notes"]),
        st.sampled_from(KEYS),
        st.integers(0, 9),
    ),
    max_size=40,
)


def obj(key: ObjectKey, value: int) -> dict[str, Any]:
    meta = {"namespace": key.namespace, "name": key.name, "uid": f"u{key}"}
    return {"metadata": meta, "value": value}


def run(store: Store, operation: str, resource: str, key: ObjectKey, value: int) -> bool:
    """Whether the store accepted it."""
    refusal = 0
    try:
        if operation == "remove":
            store.remove(resource, key)
        else:
            getattr(store, operation)(resource, key, obj(key, value))
    except ApiError as error:
        refusal = error.code
    assert refusal in (0, 409 if operation == "create" else 404)
    return not refusal


def contents(store: Store, resource: str, **at: int) -> dict[ObjectKey, Any]:
    return {key: entry.object()["value"] for key, entry in store.list(resource, **at)}


@settings(max_examples=60, deadline=None)
@given(OPERATIONS)
def test_the_store_is_a_dict_with_versions(operations: list[Any]) -> None:
    store, model, version = Store(), {}, 0
    past: dict[int, dict[Any, int]] = {}
    for operation, resource, key, value in operations:
        expected = ((resource, key) in model) == (operation != "create")
        assert run(store, operation, resource, key, value) == expected
        if expected:
            version += 1
            model.pop((resource, key), None)
            if operation != "remove":
                model[resource, key] = value
        assert store.resource_version == version
        past[version] = dict(model)
    for resource in ("widgets", "notes"):
        for at, then in past.items():
            listed = {key: value for (r, key), value in then.items() if r == resource}
            if at:
                assert contents(store, resource, at=at) == listed
    for key in KEYS:
        entry = store.get("widgets", key)
        assert (entry.object()["value"] if entry else None) == model.get(("widgets", key))


def replay(watch: Watch, state: dict[ObjectKey, Any]) -> None:
    last = 0
    while events := watch.take():
        for event in events:
            assert event.resource_version > last
            last = event.resource_version
            assert event.object()["metadata"]["resourceVersion"] == str(last)
            if event.type == "DELETED":
                del state[event.key]
            else:
                assert (event.key in state) == (event.type == "MODIFIED")
                state[event.key] = event.object()["value"]


@settings(max_examples=60, deadline=None)
@given(OPERATIONS, st.integers(0, 40), st.sampled_from(["", "a"]))
def test_list_and_watch_replay_to_the_list(
    operations: list[Any], split: int, namespace: str
) -> None:
    store = Store()
    for operation in operations[:split]:
        run(store, *operation)
    state = {key: entry.object()["value"] for key, entry in store.list("widgets", namespace)}
    version = store.resource_version
    early = store.watch("widgets", namespace)
    for operation in operations[split:]:
        run(store, *operation)
    late = store.watch("widgets", namespace, version)
    finally_ = {key: entry.object()["value"] for key, entry in store.list("widgets", namespace)}
    for watch in (early, late):
        replayed = dict(state)
        replay(watch, replayed)
        assert replayed == finally_


def test_what_is_stored_cannot_be_changed_from_outside() -> None:
    store, key = Store(), KEYS[0]
    mine = obj(key, 1)
    returned = store.create("widgets", key, mine)
    mine["value"] = returned["value"] = 2
    entry = store.get("widgets", key)
    assert entry is not None
    entry.object()["value"] = 3
    assert entry.object()["value"] == 1
    assert "resourceVersion" not in mine["metadata"]


def test_the_log_is_bounded_and_overtaken_watches_end_with_410() -> None:
    store, key = Store(history_events=10, history_bytes=1 << 20), KEYS[0]
    store.create("widgets", key, obj(key, 0))
    slow, quiet = store.watch("widgets", since=0), store.watch("notes", since=0)
    for value in range(50):
        store.replace("widgets", key, obj(key, value))
    assert len(store._log("widgets")._events) <= 20
    assert slow.take() == []
    assert slow.closed
    assert slow.error is not None
    assert slow.error.code == 410
    assert not quiet.closed
    with pytest.raises(ApiError) as old:
        store.watch("widgets", since=1)
    assert old.value.code == 410
    with pytest.raises(ApiError) as too_old_list:
        store.list("widgets", at=1)
    assert too_old_list.value.code == 410
    with pytest.raises(ApiError) as future:
        store.watch("widgets", since=1000)
    assert future.value.code == 504
    assert len(store.watch("widgets", since=store.resource_version - 10).take()) == 10


def test_the_log_is_bounded_in_bytes() -> None:
    store, key = Store(history_events=1000, history_bytes=10_000), KEYS[0]
    store.create("widgets", key, obj(key, 0))
    for _ in range(100):
        store.replace("widgets", key, {**obj(key, 0), "fill": "x" * 1000})
    log = store._log("widgets")
    assert sum(len(event.body) for event in log._events) <= 20_000
    store.replace("widgets", key, {**obj(key, 0), "fill": "x" * 50_000})
    assert len(log._events) == 1


def test_a_watch_is_woken_once_and_only_after_it_was_empty() -> None:
    store, key, wakes = Store(), KEYS[0], []
    watch = store.watch("widgets")
    watch.on_wake = lambda: wakes.append(1)
    store.create("widgets", key, obj(key, 0))
    assert wakes == []
    assert len(watch.take()) == 1
    assert watch.take() == []
    for value in range(3):
        store.replace("widgets", key, obj(key, value))
    assert wakes == [1]
    assert len(watch.take()) == 3
    watch.close()
    assert watch.take() == []
    assert watch.error is None


def test_watches_share_encoded_lines() -> None:
    store, key = Store(), KEYS[0]
    one, two, other = (store.watch("widgets", ns) for ns in ("", "", "a"))
    store.create("widgets", key, obj(key, 0))
    chunk = one.take_lines()
    assert two.take_lines() is chunk
    assert other.take_lines() == chunk
    assert chunk.startswith(b'{"type":"ADDED","object":{')
    assert chunk.endswith(b"}\n")


def test_the_journal_restores_a_store() -> None:
    store, changes = Store(), list[Change]()
    store.journal = changes.append
    for value, key in enumerate(KEYS):
        store.create("widgets", key, obj(key, value))
    store.remove("widgets", KEYS[0])
    saved = {}
    for resource, event in changes:
        saved[resource, event.key] = event.body
        if event.type == "DELETED":
            del saved[resource, event.key]
    restored = Store()
    restored.load([(*where, body) for where, body in saved.items()], store.resource_version)
    assert contents(restored, "widgets") == contents(store, "widgets")
    assert restored.resource_version == store.resource_version
    with pytest.raises(ApiError) as old:
        restored.watch("widgets", since=1)
    assert old.value.code == 410
    with pytest.raises(ValueError, match="not empty"):
        restored.load([], 1)


def test_an_object_that_could_not_be_read_everywhere_is_refused() -> None:
    store = Store()
    nested: Any = {}
    for _ in range(MAX_DEPTH):
        nested = [nested]
    obj = {"metadata": {"name": "a"}, "spec": nested}
    with pytest.raises(ApiError) as caught:
        store.create("widgets", ObjectKey("", "a"), obj)
    assert caught.value.code == 400
    assert (store.resource_version, store.list("widgets")) == (0, [])
    store.create("widgets", ObjectKey("", "a"), {**obj, "spec": nested[0][0]})
