"""Discovery: aggregated and legacy, read again on a miss, and what is not there."""

import pytest
from aiohttp import web

from kapp.cluster import mapping as module
from kapp.cluster.mapping import NoSuchKind, RestMapping
from kapp.errors import ClusterError
from kapp.machinery.objects import GroupVersionKind, Resource
from tests.runtime.httpserver import remote, serving

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
WIDGET = GroupVersionKind("example.com", "v1", "Widget")


class Api:
    """Groups by name to versions to resources (plural, kind, namespaced); how it is asked."""

    def __init__(self, *, aggregated):
        self.aggregated = aggregated
        self.groups = {
            "": {"v1": [("pods", "Pod", True), ("namespaces", "Namespace", False)]},
            "apps": {"v1": [("deployments", "Deployment", True)]},
        }
        self.stale = set()
        self.paths = []

    async def handle(self, request):
        self.paths.append(request.path)
        if request.path in ("/api", "/apis"):
            names = [n for n in self.groups if bool(n) == (request.path == "/apis")]
            if self.aggregated and "as=APIGroupDiscoveryList" in request.headers["Accept"]:
                return web.json_response(self.discovery(names))
            return web.json_response(self.legacy(names))
        parts = request.path.split("/")[2:]
        group, version = ("", parts[0]) if len(parts) == 1 else parts
        if group in self.stale:
            return web.json_response({}, status=503)
        resources = [
            {"name": plural, "kind": kind, "namespaced": namespaced}
            for plural, kind, namespaced in self.groups[group][version]
        ]
        resources.append({"name": "pods/log", "kind": "Pod", "namespaced": True})
        return web.json_response({"kind": "APIResourceList", "resources": resources})

    def discovery(self, names):
        items = []
        for name in names:
            versions = [
                {
                    "version": version,
                    "freshness": "Stale" if name in self.stale else "Current",
                    "resources": [
                        {
                            "resource": plural,
                            "responseKind": {"kind": kind},
                            "scope": "Namespaced" if namespaced else "Cluster",
                        }
                        for plural, kind, namespaced in resources
                        if name not in self.stale
                    ],
                }
                for version, resources in self.groups[name].items()
            ]
            items.append({"metadata": {"name": name}, "versions": versions})
        return {"kind": "APIGroupDiscoveryList", "items": items}

    def legacy(self, names):
        if names == [""]:
            return {"kind": "APIVersions", "versions": list(self.groups[""])}
        return {
            "kind": "APIGroupList",
            "groups": [
                {
                    "name": name,
                    "versions": [{"version": v} for v in reversed(self.groups[name])],
                    "preferredVersion": {"version": next(iter(self.groups[name]))},
                }
                for name in names
            ],
        }


@pytest.fixture(params=[True, False], ids=["aggregated", "legacy"])
async def world(request):
    api = Api(aggregated=request.param)
    async with serving(api.handle) as url, remote(url) as client:
        yield api, RestMapping(client)


async def test_kinds_are_found_and_asked_for_once(world):
    api, mapping = world
    assert mapping.find(DEPLOYMENT) is None
    found = await mapping.resource_for(DEPLOYMENT)
    assert found == Resource("apps", "v1", "deployments", "Deployment", True)
    namespace = await mapping.resource_for(GroupVersionKind("", "v1", "Namespace"))
    assert not namespace.namespaced
    assert len(api.paths) == (2 if api.aggregated else 4)


async def test_a_kind_that_came_later_is_found_on_a_miss_but_not_asked_for_all_the_time(
    world, monkeypatch
):
    api, mapping = world
    with pytest.raises(NoSuchKind, match=r"no kind Widget in example.com/v1") as e:
        await mapping.resource_for(WIDGET)
    assert "CustomResourceDefinition" in e.value.hint
    asked = len(api.paths)
    api.groups["example.com"] = {"v1": [("widgets", "Widget", True)]}
    with pytest.raises(NoSuchKind):
        await mapping.resource_for(WIDGET)
    assert len(api.paths) == asked
    monkeypatch.setattr(module, "REFRESH_INTERVAL_S", 0)
    assert (await mapping.resource_for(WIDGET)).plural == "widgets"


async def test_hints_tell_what_there_is(world):
    _, mapping = world
    with pytest.raises(NoSuchKind) as e:
        await mapping.resource_for(DEPLOYMENT._replace(version="v1beta1"))
    assert e.value.hint == "the cluster serves Deployment as apps/v1"
    with pytest.raises(NoSuchKind) as e:
        await mapping.resource_for(GroupVersionKind("apps", "v1", "Deploymnet"))
    assert "kubectl api-resources" in e.value.hint


async def test_a_kind_in_the_version_the_server_prefers(world):
    api, mapping = world
    api.groups["example.com"] = {
        "v1": [("widgets", "Widget", True)],
        "v1beta1": [("widgets", "Widget", True)],
    }
    found = await mapping.resource_of_kind("example.com", "Widget")
    assert found.version == "v1"
    assert await mapping.resource_of_kind("", "Widget") is None


async def test_a_group_whose_server_is_down_hides_only_itself_and_is_not_taken_for_gone(world):
    api, mapping = world
    api.groups["metrics.example.com"] = {"v1": [("metrics", "Metric", True)]}
    api.stale.add("metrics.example.com")
    assert (await mapping.resource_for(DEPLOYMENT)).plural == "deployments"
    with pytest.raises(ClusterError, match="does not answer"):
        await mapping.resource_of_kind("metrics.example.com", "Metric")
