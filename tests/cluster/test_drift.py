"""Drift: what others did to applied objects, and nothing else.

Judged on real managedFields: the embedded cluster's registry applies and edits the objects.
"""

import asyncio
import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.cluster.drift import changes, is_newer, owned_paths, without_own_fields
from kapp.machinery.objects import Resource
from kapp.machinery.registry import Registry
from kapp.machinery.store import Store
from kapp.minicluster.kinds import new_scheme
from kapp.runtime.client import PatchType
from kapp.runtime.local import LocalClient

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", True)
SECRETS = Resource("", "v1", "secrets", "Secret", True)


def client():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return LocalClient(Registry(new_scheme(), Store(), now=lambda: now))


def deployment():
    web = {
        "name": "web",
        "image": "a",
        "args": ["x", "y"],
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n", "labels": {"app": "web"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [web, {"name": "side", "image": "b"}]},
            },
        },
    }


def simple(kind, **fields):
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "a", "namespace": "n"},
        **fields,
    }


async def applied(api, resource, obj):
    return await api.patch(
        resource,
        obj["metadata"]["name"],
        copy.deepcopy(obj),
        PatchType.APPLY,
        "n",
        field_manager="kapp",
        force=True,
    )


async def edited(api, resource, name, patch, kind=PatchType.STRATEGIC, **more):
    options = {"field_manager": "kubectl-edit", **more}
    return await api.patch(resource, name, patch, kind, "n", **options)


def drift(returned, live):
    """As the engine sees it: the live object from the cache."""
    found = changes(returned, without_own_fields(live), owned_paths(returned))
    return [(c.path, c.wanted, c.live, c.manager) for c in found]


def containers(*items):
    return {"spec": {"template": {"spec": {"containers": list(items)}}}}


IMAGE = '.spec.template.spec.containers[name="web"].image'
ENV = '.spec.template.spec.containers[name="web"].env[name="A"]'
# What is done to the Deployment, and what is drift of it.
EDITS = {
    "image": (containers({"name": "web", "image": "z"}), [(IMAGE, '"a"', '"z"', "kubectl-edit")]),
    "arguments": (
        containers({"name": "web", "args": ["x"]}),
        [(IMAGE.replace("image", "args"), '["x", "y"]', '["x"]', "kubectl-edit")],
    ),
    "replicas": (
        {"spec": {"replicas": 3}},
        [(".spec.replicas", "1", "3", "kubectl-edit")],
    ),
    "variable removed": (
        containers({"name": "web", "env": [{"name": "A", "$patch": "delete"}]}),
        [(ENV, '{"name": "A", "value": "1"}', "(absent)", "")],
    ),
    "container removed": (
        containers({"name": "side", "$patch": "delete"}),
        [('.spec.template.spec.containers[name="side"]', None, "(absent)", "")],
    ),
    "label removed": (
        {"metadata": {"labels": {"app": None}}},
        [(".metadata.labels.app", '"web"', "(absent)", "")],
    ),
    "label added": ({"metadata": {"labels": {"more": "x"}}}, []),
    "container added": (containers({"name": "new", "image": "c"}), []),
    "variable added": (containers({"name": "web", "env": [{"name": "B", "value": "2"}]}), []),
    "restart": (
        {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}},
        [],
    ),
    "defaulted field": ({"spec": {"minReadySeconds": 3}}, []),
}


@pytest.mark.parametrize("name", EDITS)
async def test_an_edit_is_drift_if_it_touches_what_was_applied(name):
    patch, expected = EDITS[name]
    api = client()
    returned = await applied(api, DEPLOYMENTS, deployment())
    live = await edited(api, DEPLOYMENTS, "web", patch)
    shown = [
        (path, None if old is None else want, now, who)
        for (path, want, now, who), (_, old, _, _) in zip(
            drift(returned, live), expected, strict=True
        )
    ]
    assert shown == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)), max_size=5))
def test_drift_is_what_another_apply_would_change(names):
    """The law: there is drift if and only if applying again changes the object; then none is."""

    async def run():
        api = client()
        returned = live = await applied(api, DEPLOYMENTS, deployment())
        for name in names:
            live = await edited(api, DEPLOYMENTS, "web", EDITS[name][0])
        again = await applied(api, DEPLOYMENTS, deployment())
        assert bool(drift(returned, live)) == (
            again["spec"] != live["spec"]
            or again["metadata"].get("labels") != live["metadata"].get("labels")
        )
        assert drift(returned, again) == drift(again, again) == []

    asyncio.run(run())


async def test_a_secret_is_compared_and_not_shown():
    api = client()
    returned = await applied(api, SECRETS, simple("Secret", stringData={"password": "hunter22"}))
    live = await edited(api, SECRETS, "a", {"data": {"password": "b3RoZXI="}}, PatchType.MERGE)
    assert drift(returned, live) == [(".data.password", "(redacted)", "(redacted)", "kubectl-edit")]


async def test_replicas_belong_to_the_autoscaler_once_it_set_them():
    api = client()
    returned = await applied(api, DEPLOYMENTS, deployment())
    scale = {"spec": {"replicas": 5}}
    for manager, expected in (("kube-controller-manager", []), ("kubectl", [".spec.replicas"])):
        scale["spec"]["replicas"] += 1
        await edited(
            api,
            DEPLOYMENTS,
            "web",
            scale,
            PatchType.MERGE,
            subresource="scale",
            field_manager=manager,
        )
        live = await api.get(DEPLOYMENTS, "web", "n")
        assert [one[0] for one in drift(returned, live)] == expected


async def test_what_came_before_the_apply_is_not_newer():
    api = client()
    first = await applied(api, CONFIG_MAPS, simple("ConfigMap", data={"k": "1"}))
    second = await applied(api, CONFIG_MAPS, simple("ConfigMap", data={"k": "2"}))
    assert not is_newer(first, second)
    assert not is_newer(second, second)
    assert is_newer(second, first)


async def test_long_values_are_cut():
    api = client()
    returned = await applied(api, CONFIG_MAPS, simple("ConfigMap", data={"k": "1"}))
    live = await edited(api, CONFIG_MAPS, "a", {"data": {"k": "x" * 500}}, PatchType.MERGE)
    ((_, _, shown, _),) = drift(returned, live)
    assert len(shown) == 60
