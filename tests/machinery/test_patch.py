"""The three patch types; kubectl's own implementation judges strategic merge patches."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kapp.minicluster
from kapp.machinery import strategic
from kapp.machinery.fieldtypes import FieldTypes
from kapp.machinery.patch import MAX_JSON_PATCH_OPERATIONS, json_patch, merge_patch
from kapp.machinery.status import ApiError

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
_OPENAPI = Path(kapp.minicluster.__file__).parent / "data" / "openapi.json.gz"
SCHEMAS = json.loads(gzip.decompress(_OPENAPI.read_bytes()))
SCHEMAS = SCHEMAS.get("components", {}).get("schemas") or SCHEMAS
DEPLOYMENT = FieldTypes(SCHEMAS["io.k8s.api.apps.v1.Deployment"], SCHEMAS)

BASE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "w", "labels": {"a": "1"}, "finalizers": ["x.io/a", "x.io/b"]},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {
                        "name": "a",
                        "image": "a:1",
                        "args": ["x"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"containerPort": 80}, {"containerPort": 81}],
                    },
                    {"name": "b", "image": "b:1"},
                    {"name": "c", "image": "c"},
                ],
                "volumes": [
                    {"name": "v", "emptyDir": {"medium": "Memory"}},
                    {"name": "w", "hostPath": {"path": "/x"}},
                ],
                "nodeSelector": {"k": "v"},
                "tolerations": [{"key": "k"}],
                "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["h"]}],
                "imagePullSecrets": [{"name": "p"}],
            },
        },
    },
}


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": spec}}}


def named(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


PATCHES: list[Any] = [
    {"spec": {"replicas": 3}},
    {"metadata": {"labels": {"a": None, "c": "3"}}},
    pod(containers=[{"name": "a", "image": "a:2"}]),
    pod(containers=[{"name": "d", "image": "d"}]),
    pod(containers=[{"name": "c", "image": "c2"}, {"name": "a", "image": "a2"}]),
    pod(containers=[{"name": "b", "$patch": "delete"}]),
    pod(containers=[{"$patch": "replace"}, {"name": "z", "image": "z"}]),
    {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
    {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}},
    pod(
        **{
            "$setElementOrder/containers": named("c", "a", "b"),
            "containers": [{"name": "a", "image": "n"}],
        }
    ),
    pod(**{"$setElementOrder/containers": named("c", "a")}),
    pod(
        **{
            "$setElementOrder/containers": named("n", "c", "a"),
            "containers": [{"name": "n", "image": "n"}],
        }
    ),
    {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x.io/a"]}},
    {"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}},
    {"metadata": {"finalizers": ["x.io/c"]}},
    {
        "metadata": {
            "$setElementOrder/finalizers": ["x.io/c", "x.io/b"],
            "$deleteFromPrimitiveList/finalizers": ["x.io/a"],
            "finalizers": ["x.io/c"],
        }
    },
    pod(volumes=[{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/y"}}]),
    pod(volumes=[{"name": "v", "emptyDir": None, "hostPath": {"path": "/y"}}]),
    pod(tolerations=[{"key": "q"}]),
    pod(nodeSelector={"$patch": "replace", "z": "z"}),
    pod(nodeSelector={"$patch": "delete"}),
    pod(nodeSelector=None, containers=None),
    pod(containers=[{"name": "a", "args": ["y"], "env": [{"name": "B", "value": "9"}]}]),
    pod(
        containers=[
            {
                "name": "a",
                "env": [{"name": "A", "$patch": "delete"}],
                "ports": [{"containerPort": 80, "name": "h"}, {"containerPort": 9}],
            }
        ]
    ),
    pod(
        containers=[
            {
                "name": "a",
                "$setElementOrder/ports": [{"containerPort": 81}, {"containerPort": 80}],
                "ports": [{"containerPort": 81, "name": "q"}],
            }
        ]
    ),
    pod(imagePullSecrets=named("q"), hostAliases=[{"ip": "1.2.3.4", "hostnames": ["i"]}]),
    pod(containers=[]),
    pod(initContainers=[{"name": "i", "$patch": "delete"}, {"name": "j", "image": "j"}]),
    pod(affinity={"nodeAffinity": None}),
    pod(securityContext={"$patch": "replace", "runAsUser": 1}),
]

REFUSED: list[Any] = [
    pod(containers=[{"image": "x"}]),
    {"spec": {"strategy": {"$patch": "nope"}}},
    pod(containers=[{"name": "a", "$patch": "merge"}]),
    pod(containers=[{"name": "a", "$patch": "nope"}]),
    {"spec": {"strategy": {"$retainKeys": ["a"], "type": "Recreate"}}},
    pod(
        **{
            "$setElementOrder/containers": named("c"),
            "containers": [{"name": "a", "image": "n"}],
        }
    ),
]


async def kubectl_patch(directory: Path, patches: list[Any]) -> list[tuple[str, str]]:
    """What kubectl's own strategic merge makes of the base object, without a cluster."""
    file = directory / "base.json"
    file.write_text(json.dumps(BASE))
    running = asyncio.Semaphore(4)

    async def one(patch: Any) -> tuple[str, str]:
        async with running:
            process = await asyncio.create_subprocess_exec(
                *(KUBECTL, "patch", "--local", "-f", str(file), "--type=strategic"),
                *("-o", "json", "-p", json.dumps(patch)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
        return out.decode(), err.decode()

    return list(await asyncio.gather(*map(one, patches)))


def without_empty(value: Any) -> Any:
    """Without what a typed printer adds or drops: empty containers, nulls, the status."""
    if isinstance(value, dict):
        kept = {name: without_empty(item) for name, item in value.items() if name != "status"}
        return {name: item for name, item in kept.items() if item not in ({}, [], None)}
    return [without_empty(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
async def test_strategic_patches_do_what_kubectl_does(tmp_path):
    printed = await kubectl_patch(tmp_path, PATCHES)
    expected = {
        json.dumps(p): json.loads(out) for p, (out, _) in zip(PATCHES, printed, strict=True)
    }
    ours = {json.dumps(patch): strategic.merge(BASE, patch, DEPLOYMENT) for patch in PATCHES}
    assert without_empty(ours) == without_empty(expected)


async def test_senseless_strategic_patches_are_refused_in_the_words_of_kubectl(tmp_path):
    said = [err.removeprefix("error: ") for _, err in await kubectl_patch(tmp_path, REFUSED)]

    def ours(patch: Any) -> str:
        with pytest.raises(ApiError) as caught:
            strategic.merge(BASE, patch, DEPLOYMENT)
        assert caught.value.code == 400
        return caught.value.message.rstrip() + "\n"

    assert list(map(ours, REFUSED)) == [text.rstrip() + "\n" for text in said]


@pytest.mark.parametrize("merge", [merge_patch, lambda o, p: strategic.merge(o, p, DEPLOYMENT)])
def test_a_patch_must_be_an_object(merge):
    with pytest.raises(ApiError) as caught:
        merge(BASE, [1])
    assert caught.value.code == 400


def test_inputs_are_left_alone_and_not_shared():
    patch = pod(containers=[{"name": "a", "env": [{"name": "Z", "value": "z"}]}], nodeName="n")
    before = copy.deepcopy((BASE, patch))
    for result in (strategic.merge(BASE, patch, DEPLOYMENT), merge_patch(BASE, patch)):
        result["spec"]["template"]["spec"]["containers"][0]["env"].clear()
        result["metadata"]["labels"].clear()
    assert (BASE, patch) == before


# RFC 7386, appendix A; an API server takes objects only at the top, so each stands in a field.
RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("original", "patch", "result"), RFC_7386)
def test_merge_patches_follow_the_rfc(original, patch, result):
    assert merge_patch({"x": original}, {"x": patch}) == {"x": result}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)
MAPS = st.dictionaries(st.text("abc", max_size=1), JSON, max_size=3)


@given(MAPS, MAPS)
@settings(max_examples=60, deadline=None)
def test_a_merge_patch_applied_twice_changes_nothing_more(original, patch):
    once = merge_patch(original, patch)
    assert merge_patch(once, patch) == once
    assert merge_patch(original, {}) == original


def test_json_patches_are_applied_in_order():
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 2},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "x.io/c"},
        {"op": "remove", "path": "/metadata/labels/a"},
        {"op": "copy", "from": "/spec/replicas", "path": "/metadata/labels/n"},
        {"op": "add", "path": "/metadata/labels/a~1b", "value": "slash"},
    ]
    result = json_patch(BASE, operations)
    assert result["spec"]["replicas"] == 5
    assert result["metadata"]["finalizers"] == ["x.io/a", "x.io/b", "x.io/c"]
    assert result["metadata"]["labels"] == {"n": 5, "a/b": "slash"}
    assert BASE["spec"]["replicas"] == 2


def test_to_a_json_patch_a_map_has_every_key():
    operations = [
        {"op": "replace", "path": "/spec/paused", "value": True},
        {"op": "test", "path": "/spec/nothing", "value": None},
        {"op": "copy", "from": "/spec/nothing", "path": "/spec/replicas"},
    ]
    result = json_patch(BASE, operations)
    assert (result["spec"]["paused"], result["spec"]["replicas"]) == (True, None)


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "test", "path": "/spec/replicas", "value": 3}], 422),
        ([{"op": "remove", "path": "/spec/nothing"}], 422),
        ([{"op": "replace", "path": "/a/b", "value": 1}], 422),
        ([{"op": "add", "path": "/metadata/finalizers/9", "value": 1}], 422),
        ([{"op": "add", "path": "/metadata/finalizers/x", "value": 1}], 422),
        ([{"op": "copy", "from": "/nothing/at/all", "path": "/x"}], 422),
        ([{"op": "move", "from": "/nothing", "path": "/x"}], 422),
        ([{"op": "test", "path": "/nothing", "value": 1}], 422),
        ([{"op": "add", "path": "no-slash", "value": 1}], 422),
        ([{"op": "add", "path": "/x"}], 400),
        ([{"op": "move", "path": "/x"}], 400),
        ([{"op": "explode", "path": "/x"}], 422),
        ([{"op": "add", "value": 1}], 400),
        ({"op": "add"}, 400),
        ([1], 400),
        ([{"op": "replace", "path": "", "value": 1}], 400),
        ([{"op": "test", "path": "", "value": 1}] * (MAX_JSON_PATCH_OPERATIONS + 1), 413),
    ],
)
def test_json_patches_that_do_not_fit_are_refused(operations, code):
    with pytest.raises(ApiError) as caught:
        json_patch(BASE, operations)
    assert caught.value.code == code


def test_json_patch_copies_only_so_much() -> None:
    original = {"metadata": {"name": "a"}, "data": {"x": "y" * 1000}}
    double = {"op": "copy", "from": "/data", "path": ""}
    patch = [{**double, "path": f"/data/x{n}"} for n in range(40)]
    with pytest.raises(ApiError) as caught:
        json_patch(original, patch)
    assert (caught.value.code, caught.value.reason) == (413, "RequestEntityTooLarge")
    assert json_patch(original, patch[:3])["data"]["x2"]["x1"]["x0"] == original["data"]


@pytest.mark.parametrize("op", [[], {}, None, 5, "copy", "move", "add"])
def test_json_patch_with_an_operation_that_is_none(op: Any) -> None:
    with pytest.raises(ApiError) as caught:
        json_patch({}, [{"op": op, "path": "/a"}])
    assert caught.value.code == 400
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1}, [{"op": "copy", "path": "/b", "from": 5}])
    assert caught.value.code == 400
