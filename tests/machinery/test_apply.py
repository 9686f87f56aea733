"""Server-side apply: ownership, conflicts, pruning, and what managedFields say."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kapp.minicluster
from kapp.machinery import apply as ssa
from kapp.machinery.fieldpath import decode, encode
from kapp.machinery.fieldset import compare, fields_of, merge, remove
from kapp.machinery.fieldtypes import FieldTypes
from kapp.machinery.status import ApiError

_OPENAPI = Path(kapp.minicluster.__file__).parent / "data" / "openapi.json.gz"
SCHEMAS = json.loads(gzip.decompress(_OPENAPI.read_bytes()))
SCHEMAS = SCHEMAS.get("components", {}).get("schemas") or SCHEMAS
DEPLOYMENT = FieldTypes(SCHEMAS["io.k8s.api.apps.v1.Deployment"], SCHEMAS)
CONFIG_MAP = FieldTypes(SCHEMAS["io.k8s.api.core.v1.ConfigMap"], SCHEMAS)
SERVICE = FieldTypes(SCHEMAS["io.k8s.api.core.v1.Service"], SCHEMAS)
CUSTOM = FieldTypes({})
KEYED = FieldTypes(
    {
        "properties": {
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            }
        }
    }
)
T0, T1, T2 = (f"2026-01-01T00:00:0{n}Z" for n in range(3))


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container()]},
            },
            **spec,
        },
    }


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "nginx", "image": "nginx:1", "ports": [{"containerPort": 80}], **fields}


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}


BARE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


def stored(obj: dict[str, Any]) -> dict[str, Any]:
    """The object as a store would hold it: with a uid."""
    obj = copy.deepcopy(obj)
    obj["metadata"]["uid"] = "u-1"
    return obj


def apply(live, applied, manager="kapp", types=DEPLOYMENT, time=T1, version="apps/v1", **kw):
    return ssa.apply(
        live, applied, types=types, manager=manager, api_version=version, time=time, **kw
    )


def update(live, new, manager="kubectl", types=DEPLOYMENT, time=T1, version="apps/v1", **kw):
    return ssa.update(live, new, types=types, manager=manager, api_version=version, time=time, **kw)


def apply_cm(live, applied, manager="kapp", **kw):
    return apply(live, applied, manager, types=CONFIG_MAP, version="v1", **kw)


def update_cm(live, new, manager="kubectl", **kw):
    return update(live, new, manager, types=CONFIG_MAP, version="v1", **kw)


def entry(obj: dict[str, Any], manager: str) -> dict[str, Any]:
    return next(e for e in obj["metadata"]["managedFields"] if e["manager"] == manager)


def managers(obj: dict[str, Any]) -> list[str]:
    return [e["manager"] for e in obj["metadata"].get("managedFields", [])]


def test_what_an_apply_owns_is_written_as_a_real_server_writes_it():
    obj = apply(None, deployment())
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "kapp",
            "operation": "Apply",
            "apiVersion": "apps/v1",
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {
                    "f:selector": {},
                    "f:template": {
                        "f:metadata": {"f:labels": {"f:app": {}}},
                        "f:spec": {
                            "f:containers": {
                                'k:{"name":"nginx"}': {
                                    ".": {},
                                    "f:image": {},
                                    "f:name": {},
                                    "f:ports": {
                                        'k:{"containerPort":80,"protocol":"TCP"}': {
                                            ".": {},
                                            "f:containerPort": {},
                                        }
                                    },
                                }
                            }
                        },
                    },
                },
            },
        }
    ]


def test_what_a_create_owns_has_dots_where_optional_containers_were_added():
    # spec, strategy and template are no pointers in Go, so they exist before the write: no dot.
    new = deployment(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}})
    fields = entry(update(None, new), "kubectl")["fieldsV1"]
    assert fields["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}
    assert "." not in fields["f:spec"]
    assert fields["f:spec"]["f:selector"] == {}
    assert fields["f:spec"]["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}},
        "f:type": {},
    }
    containers = fields["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(containers) == ['k:{"name":"nginx"}']
    assert containers['k:{"name":"nginx"}']["f:ports"].keys() == {
        ".",
        'k:{"containerPort":80,"protocol":"TCP"}',
    }


def test_a_conflict_names_manager_version_and_field():
    live = stored(update(None, deployment(replicas=1), "scaler"))
    with pytest.raises(ApiError) as caught:
        apply(live, deployment(replicas=3))
    assert caught.value.message == (
        'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas'
    )
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.status()["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "scaler" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_grouped_by_manager():
    live = stored(update(None, deployment(replicas=1), "a"))
    live = apply(live, {**deployment(), "spec": {"paused": True}}, "b")
    wanted = deployment(replicas=2, paused=False)
    wanted["spec"]["template"]["spec"]["containers"] = [container(image="nginx:2")]
    with pytest.raises(ApiError) as caught:
        apply(live, wanted)
    assert caught.value.message == (
        "Apply failed with 3 conflicts: "
        'conflicts with "a" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="nginx"].image\n'
        'conflicts with "b":\n'
        "- .spec.paused"
    )


def test_a_conflict_with_a_subresource_says_so():
    live = stored(apply(None, deployment(replicas=1), "other"))
    live = update(live, {**live, "spec": {**live["spec"], "replicas": 5}}, subresource="scale")
    with pytest.raises(ApiError, match='"kubectl" with subresource "scale" using apps/v1'):
        apply(live, deployment(replicas=3))


def test_force_takes_the_field_over():
    live = stored(update(None, deployment(replicas=1), "scaler"))
    obj = apply(live, deployment(replicas=3), force=True, time=T2)
    assert obj["spec"]["replicas"] == 3
    assert "f:replicas" in entry(obj, "kapp")["fieldsV1"]["f:spec"]
    assert "f:replicas" not in entry(obj, "scaler")["fieldsV1"]["f:spec"]
    assert entry(obj, "scaler")["time"] == T1


def test_a_field_that_its_only_owner_drops_is_removed():
    live = stored(apply_cm(None, config_map(a="1", b="2")))
    assert apply_cm(live, config_map(a="1"))["data"] == {"a": "1"}


def test_the_last_field_takes_its_map_with_it():
    live = stored(apply_cm(None, config_map(a="1")))
    assert "data" not in apply_cm(live, {**BARE})


def test_a_field_that_another_applier_owns_too_stays():
    live = stored(apply_cm(None, config_map(a="1", b="2")))
    live = apply_cm(live, config_map(b="2"), "other")
    obj = apply_cm(live, config_map(a="1"))
    assert obj["data"] == {"a": "1", "b": "2"}
    assert entry(obj, "other")["fieldsV1"] == {"f:data": {"f:b": {}}}


def test_a_default_that_nobody_owns_stays():
    live = stored(apply(None, deployment(replicas=1)))
    live["spec"]["revisionHistoryLimit"] = 10
    obj = apply(live, deployment())
    assert "replicas" not in obj["spec"]
    assert obj["spec"]["revisionHistoryLimit"] == 10


def test_a_dropped_list_item_goes_with_the_defaults_in_it_and_leaves_the_others():
    two = deployment()
    two["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "s"})
    live = stored(apply(None, two))
    for item in live["spec"]["template"]["spec"]["containers"]:
        item["imagePullPolicy"] = "Always"
    obj = apply(live, deployment())
    containers = obj["spec"]["template"]["spec"]["containers"]
    assert [c["name"] for c in containers] == ["nginx"]
    assert containers[0]["imagePullPolicy"] == "Always"


def test_an_item_that_only_an_updater_wrote_into_goes_with_its_owner():
    # Whoever owns a field inside an item does not own the item (merge/update.go, addBackOwned…).
    live = stored(apply(None, deployment()))
    changed = copy.deepcopy(live)
    changed["spec"]["template"]["spec"]["containers"][0]["tty"] = True
    live = update(live, changed)
    assert "f:tty" in str(entry(live, "kubectl")["fieldsV1"])
    other = deployment()
    other["spec"]["template"]["spec"]["containers"] = [{"name": "other", "image": "o"}]
    obj = apply(live, other)
    assert obj["spec"]["template"]["spec"]["containers"] == [{"name": "other", "image": "o"}]
    assert managers(obj) == ["kapp"]


@pytest.mark.parametrize("compiled_in", [False, True])
def test_a_map_that_is_applied_as_empty_stays_when_its_fields_go(compiled_in):
    # A compiled-in kind's defaults bring it back, where there is one for the field.
    volumes = [{"name": "v", "emptyDir": {"medium": "Memory"}}]
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["volumes"] = volumes
    live = stored(apply(None, wanted))
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    obj = apply(live, wanted, compiled_in=compiled_in)
    left = {"name": "v"} if compiled_in else {"name": "v", "emptyDir": {}}
    assert obj["spec"]["template"]["spec"]["volumes"] == [left]


def test_an_atomic_field_has_one_owner():
    live = stored(apply(None, deployment()))
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    other["spec"] = {"selector": {"matchLabels": {"b": "c"}}}
    with pytest.raises(ApiError, match=r"\.spec\.selector"):
        apply(live, other, "other")
    obj = apply(live, other, "other", force=True)
    assert obj["spec"]["selector"] == {"matchLabels": {"b": "c"}}


def test_applying_the_same_again_keeps_the_time():
    live = stored(apply(None, deployment(), time=T1))
    assert apply(live, deployment(), time=T2) == live


def test_an_update_that_changes_nothing_keeps_everything():
    live = stored(update(None, deployment(), time=T1))
    assert update(live, live, "other", time=T2) == live


def test_an_update_takes_only_what_it_changed():
    live = stored(apply_cm(None, config_map(a="1", b="2")))
    new = copy.deepcopy(live)
    new["data"]["a"] = "9"
    del new["data"]["b"]
    obj = update_cm(live, new, time=T2)
    assert entry(obj, "kubectl")["fieldsV1"] == {"f:data": {"f:a": {}}}
    assert managers(obj) == ["kubectl"]


def test_an_object_from_before_managed_fields_gets_an_entry_for_what_was_there():
    live = stored(config_map(a="1"))
    assert "managedFields" not in update_cm(live, config_map(a="2"))["metadata"]
    with pytest.raises(ApiError, match="before-first-apply"):
        apply_cm(live, config_map(a="2"))
    obj = apply_cm(live, config_map(a="2"), force=True)
    assert managers(obj) == ["kapp", "before-first-apply"]
    assert entry(obj, "before-first-apply")["fieldsV1"] == {"f:data": {}}


def test_the_status_subresource_has_its_own_entry():
    live = stored(apply(None, deployment()))
    new = copy.deepcopy(live)
    new["status"] = {"replicas": 1}
    obj = update(live, new, "kapp", subresource="status")
    assert obj["metadata"]["managedFields"][-1]["subresource"] == "status"
    # `status` is no pointer, so it is there from the start; here it was added by this write
    assert "f:replicas" in entry_of_status(obj)["f:status"]
    assert managers(obj) == ["kapp", "kapp"]


def entry_of_status(obj):
    return next(
        e["fieldsV1"] for e in obj["metadata"]["managedFields"] if e.get("subresource") == "status"
    )


def test_a_subresource_write_cannot_change_managed_fields():
    live = stored(apply(None, deployment()))
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = [{}]
    assert managers(update(live, new, subresource="status")) == ["kapp"]


def test_one_empty_entry_resets_managed_fields():
    live = stored(apply_cm(None, config_map(a="1")))
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"] = [{}]
    assert "managedFields" not in update_cm(live, new)["metadata"]


def test_malformed_managed_fields_are_replaced_by_the_stored_ones():
    live = stored(apply_cm(None, config_map(a="1")))
    new = copy.deepcopy(live)
    new["metadata"]["managedFields"][0]["operation"] = "Guess"
    assert managers(update_cm(live, new)) == ["kapp"]


def test_entries_are_sorted_by_operation_time_and_manager():
    live = stored(update_cm(None, config_map(a="1"), "z", time=T0))
    live = update_cm(live, {**live, "data": {"a": "1", "b": "2"}}, "y", time=T2)
    live = update_cm(live, {**live, "data": {"a": "1", "b": "2", "c": ""}}, "x", time=T1)
    live = apply_cm(live, config_map(d="4"), "w", time=T2)
    assert managers(live) == ["w", "z", "x", "y"]


def test_many_updaters_are_joined_into_ancient_changes():
    live = stored(update_cm(None, config_map(k="v"), "m00", time="2026-01-01T00:00:00Z"))
    for n in range(1, 15):
        new = copy.deepcopy(live)
        new["data"][f"k{n}"] = "v"
        live = update_cm(live, new, f"m{n:02}", time=f"2026-01-01T00:00:{n:02}Z")
    assert len(managers(live)) == 10
    assert managers(live)[0] == "ancient-changes"
    assert set(entry(live, "ancient-changes")["fieldsV1"]["f:data"]) == {
        *(".", "f:k", "f:k1", "f:k2", "f:k3", "f:k4", "f:k5")
    }


def test_kubectl_may_take_over_what_its_client_side_apply_wrote():
    before = config_map(a="1", b="2")
    created = copy.deepcopy(before)
    created["metadata"]["annotations"] = {ssa.LAST_APPLIED: json.dumps(before)}
    live = stored(update_cm(None, created, "kubectl-client-side-apply"))
    with pytest.raises(ApiError):
        apply_cm(live, config_map(a="9", b="2"), "kapp")
    obj = apply_cm(live, config_map(a="9", b="2"), "kubectl")
    assert obj["data"] == {"a": "9", "b": "2"}
    assert json.loads(obj["metadata"]["annotations"][ssa.LAST_APPLIED])["data"]["a"] == "9"


def test_set_lists_are_owned_value_by_value():
    base = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    one = copy.deepcopy(base)
    one["metadata"]["finalizers"] = ["a.io/x"]
    two = copy.deepcopy(base)
    two["metadata"]["finalizers"] = ["b.io/y"]
    live = apply_cm(stored(apply_cm(None, one)), two, "other")
    assert live["metadata"]["finalizers"] == ["a.io/x", "b.io/y"]
    assert entry(live, "other")["fieldsV1"] == {"f:metadata": {"f:finalizers": {'v:"b.io/y"': {}}}}
    assert apply_cm(live, base)["metadata"]["finalizers"] == ["b.io/y"]


def test_a_missing_key_counts_as_its_default_and_one_without_default_is_an_error():
    ports = [{"port": 80}, {"port": 80, "protocol": "UDP"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
    obj = apply(None, {**service, "spec": {"ports": ports}}, types=SERVICE, version="v1")
    assert len(entry(obj, "kapp")["fieldsV1"]["f:spec"]["f:ports"]) == 2
    with pytest.raises(ApiError, match='omits key field "name"') as caught:
        apply(None, {**BARE, "list": [{"value": 1}]}, types=KEYED)
    assert caught.value.code == 422
    twice = deployment()
    twice["spec"]["template"]["spec"]["containers"] *= 2
    with pytest.raises(ApiError, match='duplicate entries for key \\[name="nginx"\\]'):
        apply(None, twice)


def test_an_apply_may_not_carry_managed_fields():
    with pytest.raises(ApiError, match=r"metadata\.managedFields must be nil"):
        apply(None, {**config_map(), "metadata": {"name": "c", "managedFields": []}})


def test_objects_without_a_schema_have_granular_maps_and_atomic_lists():
    obj = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}}
    live = stored(apply(None, {**obj, "spec": {"a": {"b": 1}, "l": [1]}}, types=CUSTOM))
    live = apply(live, {**obj, "spec": {"a": {"c": 2}}}, "other", types=CUSTOM)
    assert live["spec"] == {"a": {"b": 1, "c": 2}, "l": [1]}
    with pytest.raises(ApiError, match=r"\.spec\.l"):
        apply(live, {**obj, "spec": {"l": [2]}}, "other", types=CUSTOM)
    assert entry(update(None, {**obj, "spec": {"a": 1}}, types=CUSTOM), "kubectl")["fieldsV1"] == {
        "f:spec": {".": {}, "f:a": {}}
    }


def test_inputs_are_left_alone_and_not_shared():
    live = stored(apply(None, deployment(replicas=1)))
    wanted = deployment(replicas=2)
    before = copy.deepcopy((live, wanted))
    obj = apply(live, wanted)
    obj["spec"]["template"]["metadata"]["labels"]["app"] = "changed"
    obj["metadata"]["labels"]["app"] = "changed"
    assert (live, wanted) == before


def test_the_applied_order_wins_where_two_orders_disagree():
    def with_env(*names: str) -> dict[str, Any]:
        obj = deployment()
        env = [{"name": name, "value": "v"} for name in names]
        obj["spec"]["template"]["spec"]["containers"][0]["env"] = env
        return obj

    def names(obj: dict[str, Any]) -> list[str]:
        env = obj["spec"]["template"]["spec"]["containers"][0]["env"]
        return [item["name"] for item in env]

    live = stored(apply(None, with_env("a", "b", "c")))
    live = apply(live, with_env("x", "a"), "other")
    assert set(names(live)) == {"x", "a", "b", "c"}
    assert names(apply(live, with_env("c", "b", "a"))) == ["x", "c", "b", "a"]


def test_repeated_items_of_old_objects_stay_until_one_is_applied():
    old = deployment()
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "B", "value": "3"}]
    old["spec"]["template"]["spec"]["containers"][0]["env"] = twice
    live = stored(update(None, old))
    live = apply(live, deployment(replicas=2))
    live = apply(live, deployment(replicas=2, paused=True))
    live = apply(live, deployment(replicas=2))
    assert live["spec"]["template"]["spec"]["containers"][0]["env"] == twice
    wanted = deployment()
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "9"}]
    live = apply(live, wanted, force=True)
    assert live["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "A", "value": "9"},
        {"name": "B", "value": "3"},
    ]


JSON = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), JSON, max_size=4)


@given(OBJECTS)
@settings(max_examples=60, deadline=None)
def test_field_sets_survive_encoding(value):
    paths = fields_of(value, CUSTOM)
    assert decode(encode(paths)) == paths


@given(OBJECTS, OBJECTS)
@settings(max_examples=60, deadline=None)
def test_merging_makes_the_applied_fields_true_and_is_idempotent(old, new):
    merged = merge(old, new, CUSTOM)
    assert merge(merged, new, CUSTOM) == merged
    assert compare(merged, merged, CUSTOM) == (set(), set())
    assert fields_of(new, CUSTOM) <= fields_of(merged, CUSTOM) | fields_of(new, CUSTOM)
    assert (remove(merged, fields_of(merged, CUSTOM), CUSTOM) or {}) == {}


@given(OBJECTS, OBJECTS)
@settings(max_examples=60, deadline=None)
def test_applying_one_thing_after_another_leaves_only_the_other(first, second):
    def whole(spec):
        return {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec}

    live = stored(apply(None, whole({"k": 0, **first}), types=CUSTOM))
    live = apply(live, whole({"k": 0, **second}), types=CUSTOM, time=T2)
    fresh = apply(None, whole({"k": 0, **second}), types=CUSTOM, time=T2)
    mine = entry(live, "kapp")["fieldsV1"]
    assert mine == entry(fresh, "kapp")["fieldsV1"]
    again = apply(live, whole({"k": 0, **second}), types=CUSTOM)
    assert again == live


@pytest.mark.parametrize(
    "fields", [{"f:spec": 5}, {"x": {}}, {"f:spec": {"nonsense": {}}}, {"": {}}, {"f:spec": None}]
)
def test_managed_fields_that_are_malformed_do_not_count(fields: Any) -> None:
    entry = {
        "manager": "liar",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    new = {"metadata": {"name": "a", "managedFields": [entry]}, "data": {"a": "b"}}
    made = ssa.update(
        None, new, types=FieldTypes({}, {}), manager="me", api_version="v1", time="now"
    )
    assert [e["manager"] for e in made["metadata"]["managedFields"]] == ["me"]


def test_a_stored_item_without_its_key_refuses_an_apply() -> None:
    whole = {"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "x"}}
    live = stored({**whole, "list": [{}]})
    with pytest.raises(ApiError) as caught:
        apply(live, whole, types=KEYED)
    assert caught.value.code == 422
    assert "omits key field" in caught.value.message
