"""The HTTP client: requests it makes, and every failure as ApiError or Unreachable."""

import asyncio
import json
import ssl

import pytest
from aiohttp import web

from kapp.errors import Unreachable
from kapp.machinery.objects import Resource
from kapp.machinery.status import ApiError, gone, not_found
from kapp.runtime.addresses import environment_proxy, is_loopback
from kapp.runtime.client import PatchType

from .httpserver import remote, self_signed, serving
from .scripted import CONFIG_MAPS, config_map

NODES = Resource("", "v1", "nodes", "Node", False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", True)


async def collect(stream):
    return [event async for event in stream]


async def test_each_verb_sends_what_kubernetes_expects():
    seen = []

    async def handler(request):
        body = await request.read()
        seen.append(
            (request.method, request.path_qs, request.content_type, json.loads(body or "null"))
        )
        return web.json_response({"kind": "ConfigMap", "metadata": {"name": "a"}})

    obj = config_map("a", 1)
    async with serving(handler) as url, remote(url) as client:
        await client.get(CONFIG_MAPS, "a", "ns")
        await client.create(CONFIG_MAPS, obj, field_manager="me")
        await client.update(CONFIG_MAPS, obj, subresource="status")
        await client.patch(
            DEPLOYMENTS,
            "a",
            {"x": 1},
            PatchType.APPLY,
            "ns",
            field_manager="kapp",
            force=True,
            dry_run=True,
            field_validation="Strict",
        )
        await client.delete(
            NODES, "a", "ignored", propagation="Foreground", uid="u1", grace_period_s=0
        )
    assert seen[0][:2] == ("GET", "/api/v1/namespaces/ns/configmaps/a")
    post = "/api/v1/namespaces/default/configmaps?fieldManager=me"
    assert seen[1] == ("POST", post, "application/json", obj)
    assert seen[2][:2] == ("PUT", "/api/v1/namespaces/default/configmaps/a/status")
    deployment = "/apis/apps/v1/namespaces/ns/deployments/a"
    assert seen[3] == (
        "PATCH",
        f"{deployment}?fieldManager=kapp&force=true&dryRun=All&fieldValidation=Strict",
        "application/apply-patch+yaml",
        {"x": 1},
    )
    assert seen[4][:2] == ("DELETE", "/api/v1/nodes/a")
    assert seen[4][3]["propagationPolicy"] == "Foreground"
    assert seen[4][3]["preconditions"] == {"uid": "u1"}
    assert seen[4][3]["gracePeriodSeconds"] == 0


def page(items, version, token=""):
    return web.json_response(
        {
            "kind": "ConfigMapList",
            "metadata": {"resourceVersion": version, "continue": token},
            "items": items,
        }
    )


async def test_list_joins_pages_and_names_the_kind_of_items():
    seen = []

    async def handler(request):
        seen.append(dict(request.query))
        if "continue" not in request.query:
            return page([{"metadata": {"name": "a"}}], "7", "next")
        return page([{"metadata": {"name": "b"}}], "7")

    async with serving(handler) as url, remote(url) as client:
        listed = await client.list(CONFIG_MAPS, label_selector="a=b", field_selector="c=d")
    assert [o["metadata"]["name"] for o in listed.items] == ["a", "b"]
    assert listed.items[0]["kind"] == "ConfigMap"
    assert listed.items[0]["apiVersion"] == "v1"
    assert listed.resource_version == "7"
    both = {"labelSelector": "a=b", "fieldSelector": "c=d", "limit": "500"}
    assert seen == [both, {**both, "continue": "next"}]


async def test_a_page_that_expired_starts_over_unpaged():
    seen = []

    async def handler(request):
        seen.append(dict(request.query))
        if "continue" in request.query:
            return web.json_response(gone("expired").status(), status=410)
        if "limit" in request.query:
            return page([{"metadata": {"name": "stale"}}], "1", "next")
        return page([{"metadata": {"name": "a"}}], "9")

    async with serving(handler) as url, remote(url) as client:
        listed = await client.list(CONFIG_MAPS)
    assert [o["metadata"]["name"] for o in listed.items] == ["a"]
    assert seen[-1] == {}


def watch_server(*chunks):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0)
        return response

    return handler


async def test_watch_splits_lines_however_they_arrive():
    lines = b"".join(
        json.dumps({"type": "ADDED", "object": config_map(f"é{i}" * 50, i)}).encode() + b"\n"
        for i in range(20)
    )
    for size in (1000, 7, len(lines)):
        chunks = [lines[at : at + size] for at in range(0, len(lines), size)]
        async with serving(watch_server(*chunks)) as url, remote(url) as client:
            events = await collect(client.watch(CONFIG_MAPS, resource_version="1"))
        assert [e.object["metadata"]["resourceVersion"] for e in events] == [
            str(i) for i in range(20)
        ]


async def test_an_error_in_the_stream_is_raised():
    error = json.dumps({"type": "ERROR", "object": gone("too old").status()}).encode() + b"\n"
    async with serving(watch_server(error)) as url, remote(url) as client:
        with pytest.raises(ApiError) as e:
            await collect(client.watch(CONFIG_MAPS, resource_version="1"))
    assert (e.value.code, e.value.reason) == (410, "Expired")


async def test_half_a_line_at_the_end_is_a_broken_watch():
    async with serving(watch_server(b'{"type": "ADD')) as url, remote(url) as client:
        with pytest.raises(Unreachable, match="middle of a line"):
            await collect(client.watch(CONFIG_MAPS, resource_version="1"))


async def test_a_connection_cut_in_a_watch_is_unreachable():
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n')
        request.transport.abort()
        return response

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(Unreachable, match="broke"):
            await collect(client.watch(CONFIG_MAPS, resource_version="1"))


async def test_status_errors_keep_reason_details_and_retry_after():
    async def handler(request):
        status = not_found("configmaps", "a").status()
        return web.json_response(status, status=404, headers={"Retry-After": "3"})

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(ApiError) as e:
            await client.get(CONFIG_MAPS, "a", "default")
    assert (e.value.code, e.value.reason, e.value.retry_after_s) == (404, "NotFound", 3)
    assert e.value.details["name"] == "a"


@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", "", "[]", '{"kind":"Other"}'])
async def test_errors_that_are_no_status_still_have_a_code(body):
    async def handler(request):
        return web.Response(text=body, status=503)

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(ApiError) as e:
            await client.get(CONFIG_MAPS, "a", "default")
    assert (e.value.code, e.value.reason) == (503, "ServiceUnavailable")


@pytest.mark.parametrize("body", ["hello", "[1]", '{"half":'])
async def test_a_server_that_is_no_api_server_is_said_so(body):
    async def handler(request):
        return web.Response(text=body)

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(Unreachable, match="does not speak the Kubernetes API"):
            await client.get(CONFIG_MAPS, "a", "default")


async def test_nothing_listening_is_unreachable_in_plain_words():
    async with serving(ok) as url:
        pass
    async with remote(url) as client:
        with pytest.raises(Unreachable, match=f"cannot connect to {url}: connection refused"):
            await client.get(CONFIG_MAPS, "a", "default")


async def test_a_server_that_hangs_is_given_up():
    async def handler(request):
        await asyncio.sleep(60)

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(Unreachable, match="did not answer in time"):
            await client.transport.request("GET", "/", timeout_s=0.05)


async def test_a_silent_watch_is_given_up(monkeypatch):
    monkeypatch.setattr("kapp.runtime.remote._WATCH_SLACK_S", 0.05)

    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(Unreachable, match="did not answer in time"):
            await collect(client.watch(CONFIG_MAPS, resource_version="1", timeout_s=0))


async def test_an_apply_on_a_dead_kept_connection_is_sent_again():
    requests = 0

    async def handler(request):
        nonlocal requests
        await request.read()
        requests += 1
        if requests == 2:
            request.transport.abort()
        return web.json_response({"kind": "ConfigMap"})

    async with serving(handler) as url, remote(url) as client:
        for _ in range(2):
            await client.patch(CONFIG_MAPS, "a", {}, PatchType.APPLY, "default")
        assert requests == 3
        requests = 1
        with pytest.raises(Unreachable):
            await client.patch(CONFIG_MAPS, "a", [], PatchType.JSON, "default")


async def test_authorization_is_refreshed_once_after_a_401():
    asked = []

    async def authorize(refresh):
        asked.append(refresh)
        return {"Authorization": "Bearer new" if refresh else "Bearer old"}

    async def handler(request):
        if request.headers["Authorization"] != "Bearer new":
            return web.json_response({}, status=401)
        if "ws" in request.path:
            ws = web.WebSocketResponse(protocols=["v5"])
            await ws.prepare(request)
            await ws.close()
            return ws
        return web.json_response({"kind": "ConfigMap"})

    async with serving(handler) as url, remote(url, authorize=authorize) as client:
        await client.get(CONFIG_MAPS, "a", "default")
        assert asked == [False, True]
        opened = await client.transport.ws_connect("/ws", protocols=["v5"])
        assert opened.protocol == "v5"
        await opened.close()


async def test_a_websocket_is_acceptable_whatever_its_type():
    async def handler(request):
        # kube-apiserver hands upgrades on to the kubelet, which answers 406 to all but this.
        if request.headers["Accept"] != "*/*":
            return web.Response(status=406)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.close()
        return ws

    async with serving(handler) as url, remote(url) as client:
        await (await client.transport.ws_connect("/x")).close()


async def test_a_refused_websocket_is_an_api_error():
    async def handler(request):
        return web.json_response({}, status=403)

    async with serving(handler) as url, remote(url) as client:
        with pytest.raises(ApiError) as e:
            await client.transport.ws_connect("/x")
    assert (e.value.code, e.value.reason) == (403, "Forbidden")


async def ok(request):
    return web.json_response({"kind": "ConfigMap", "metadata": {"name": "over the socket"}})


async def test_over_tls_with_its_own_authority_and_name(tmp_path):
    server, cert, _ = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=cert)
    async with serving(ok, ssl_context=server) as url:
        async with remote(url, ssl=trusting, server_hostname="kapp.test") as client:
            await client.get(CONFIG_MAPS, "a", "default")
        async with remote(url) as client:
            with pytest.raises(Unreachable, match="is not trusted"):
                await client.get(CONFIG_MAPS, "a", "default")
        async with remote(url, ssl=trusting, server_hostname="else.test") as client:
            with pytest.raises(Unreachable, match="is not trusted"):
                await client.get(CONFIG_MAPS, "a", "default")


async def test_a_closed_client_says_so():
    client = remote("http://127.0.0.1:1")
    await client.close()
    with pytest.raises(Unreachable, match="is closed"):
        await client.get(CONFIG_MAPS, "a", "default")


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://10.0.0.1:6443", "http://proxy:3128"),
        ("http://10.0.0.1", "http://plain:80"),
        ("https://127.0.0.1:6443", ""),
        ("https://localhost:6443", ""),
        ("https://[::1]:6443", ""),
        ("https://kapp.localhost", ""),
        ("https://api.internal:6443", ""),
    ],
)
def test_proxies_from_the_environment(monkeypatch, url, proxy):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("http_proxy", "http://plain:80")
    monkeypatch.setenv("no_proxy", ".internal")
    assert environment_proxy(url) == proxy


def test_loopback_is_known_without_a_lookup():
    assert is_loopback("127.1.2.3")
    assert not is_loopback("localhost.example.com")
