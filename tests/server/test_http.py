"""The API over real sockets: bodies, media types, streams, watches, closing."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from kapp.machinery.objects import ObjectKey
from kapp.machinery.paging import write_token
from kapp.server.http import MAX_BODY_BYTES, end

if TYPE_CHECKING:
    from conftest import Running

WIDGETS = "/apis/test.dev/v1/namespaces/default/widgets"


def widget(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


@asynccontextmanager
async def watching(
    running: Running, path: str = WIDGETS, *, accept: str = "*/*", **query: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    headers = {"Authorization": f"Bearer {running.token}", "Accept": accept}
    async with running.session.get(
        f"{running.url}{path}", params={"watch": "1", **query}, headers=headers
    ) as response:
        yield response


async def next_event(response: aiohttp.ClientResponse) -> dict[str, Any]:
    async with asyncio.timeout(10):
        found: dict[str, Any] = json.loads(await response.content.readline())
        return found


async def test_bodies_are_limited_and_understood(running: Running) -> None:
    status, answer, _ = await running.request(
        "POST", WIDGETS, raw=io.BytesIO(b"x" * (MAX_BODY_BYTES + 1))
    )
    assert (status, answer["reason"]) == (413, "RequestEntityTooLarge")
    for raw, content_type, expected in (
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/vnd.kubernetes.protobuf", 415),
        (b"{}", "application/json", 422),
        (b'{"metadata":[]}', "application/json", 400),
        (b'{"metadata":{"name":5}}', "application/json", 400),
        (b'{"metadata":{"name":"a","labels":{"a":1}}}', "application/json", 400),
        (b'{"metadata":{"name":"a"},"spec":5}', "application/json", 422),
        (b'{"metadata":{"name":"a"},"spec":{"size":"x"}}', "application/json", 422),
        (b'{"kind":"Pod","metadata":{"name":"a"}}', "application/json", 400),
        (b'{"metadata":{"name":"a","namespace":"other"}}', "application/json", 400),
    ):
        status, answer, _ = await running.request(
            "POST", WIDGETS, raw=raw, content_type=content_type
        )
        assert (status, answer["kind"]) == (expected, "Status"), (raw[:80], answer)


async def test_duplicate_and_unknown_fields(running: Running) -> None:
    raw = b'{"metadata":{"name":"a"},"spec":{"size":1,"size":2,"foo":{"bar":1}}}'
    status, answer, _ = await running.request("POST", WIDGETS, raw=raw, fieldValidation="Strict")
    assert status == 400
    assert 'strict decoding error: duplicate field "spec.size"' in answer["message"]
    status, answer, headers = await running.request("POST", WIDGETS, raw=raw)
    assert status == 201
    assert answer["spec"] == {"size": 2}
    assert headers.getall("Warning") == [
        '299 - "duplicate field \\"spec.size\\""',
        '299 - "unknown field \\"spec.foo\\""',
    ]
    status, answer, headers = await running.request(
        "PUT", f"{WIDGETS}/a", raw=raw, fieldValidation="Ignore"
    )
    assert (status, "Warning" in headers) == (200, False)


async def test_methods_and_paths_that_are_not_there(running: Running) -> None:
    for method, path, expected in (
        ("GET", "/apis/test.dev/v1/gadgets", 404),
        ("GET", "/apis/test.dev/v2/widgets", 404),
        ("GET", "/apis/other.dev", 404),
        ("GET", "/openapi/v4", 404),
        ("GET", f"{WIDGETS}/one/nothing", 404),
        ("GET", "/", 404),
        ("POST", "/version", 405),
        ("PUT", WIDGETS, 405),
        ("POST", f"{WIDGETS}/one", 405),
        ("POST", "/apis/test.dev/v1/widgets", 405),
    ):
        body = widget("x") if method == "POST" else None
        status, answer, _ = await running.request(method, path, body)
        assert (status, answer["kind"]) == (expected, "Status"), (method, path)


async def test_not_acceptable(running: Running) -> None:
    status, answer, _ = await running.request("GET", WIDGETS, headers={"Accept": "text/html"})
    assert (status, answer["reason"]) == (406, "NotAcceptable")


async def test_pages_are_consistent(running: Running) -> None:
    for index in range(5):
        await running.request("POST", WIDGETS, widget(f"w{index}", size=index))
    _, first, _ = await running.request("GET", WIDGETS, limit="2")
    assert first["metadata"]["remainingItemCount"] == 3
    await running.request("DELETE", f"{WIDGETS}/w3")
    await running.request("POST", WIDGETS, widget("w2x"))
    names, token = [item["metadata"]["name"] for item in first["items"]], first
    while cursor := token["metadata"].get("continue"):
        _, token, _ = await running.request("GET", WIDGETS, **{"limit": "2", "continue": cursor})
        names += [item["metadata"]["name"] for item in token["items"]]
        assert token["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert names == ["w0", "w1", "w2", "w3", "w4"]
    status, _, _ = await running.request("GET", WIDGETS, **{"continue": "nonsense"})
    assert status == 400


async def test_a_watch_continues_a_list(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", size=1))
    _, listed, _ = await running.request("GET", WIDGETS)
    version = listed["metadata"]["resourceVersion"]
    await running.request("PUT", f"{WIDGETS}/a", widget("a", size=2))
    async with watching(running, resourceVersion=version) as response:
        event = await next_event(response)
        assert (event["type"], event["object"]["spec"]["size"]) == ("MODIFIED", 2)
        await running.request("DELETE", f"{WIDGETS}/a")
        event = await next_event(response)
        assert (event["type"], event["object"]["spec"]["size"]) == ("DELETED", 2)
        assert int(event["object"]["metadata"]["resourceVersion"]) > int(version) + 1


async def test_initial_events_end_with_a_bookmark(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", size=1))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    async with watching(running, allowWatchBookmarks="true", **query) as response:
        assert (await next_event(response))["type"] == "ADDED"
        bookmark = await next_event(response)
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    status, answer, _ = await running.request(
        "GET", WIDGETS, watch="true", sendInitialEvents="true"
    )
    assert (status, answer["reason"]) == (422, "Invalid")


async def test_selectors_turn_changes_into_coming_and_going(running: Running) -> None:
    async with watching(running, fieldSelector="spec.colour=red") as response:
        await running.request("POST", WIDGETS, widget("a", colour="green"))
        await running.request("PUT", f"{WIDGETS}/a", widget("a", colour="red"))
        await running.request("PUT", f"{WIDGETS}/a", widget("a", colour="red", size=1))
        await running.request("PUT", f"{WIDGETS}/a", widget("a", colour="green"))
        await running.request("DELETE", f"{WIDGETS}/a")
        await running.request("POST", WIDGETS, widget("b", colour="red"))
        events = [await next_event(response) for _ in range(4)]
    assert [(e["type"], e["object"]["metadata"]["name"]) for e in events] == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
    ]
    assert events[2]["object"]["spec"] == {"colour": "red", "size": 1}


async def test_table_events(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", size=1))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    async with watching(running, accept=accept) as response:
        first = (await next_event(response))["object"]
        await running.request("PUT", f"{WIDGETS}/a", widget("a", size=2))
        second = (await next_event(response))["object"]
    assert [c["name"] for c in first["columnDefinitions"]] == ["Name", "Size", "Colour", "Age"]
    assert second["columnDefinitions"] == []
    assert second["rows"][0]["cells"][:2] == ["a", 2]
    assert second["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_metadata_only(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", size=1))
    accept = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
    _, found, _ = await running.request("GET", f"{WIDGETS}/a", headers=accept)
    assert (found["kind"], "spec" in found) == ("PartialObjectMetadata", False)
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    _, found, _ = await running.request("GET", WIDGETS, headers=accept)
    assert (found["kind"], len(found["items"])) == ("PartialObjectMetadataList", 1)


async def test_a_watch_ends_at_its_timeout_with_a_bookmark(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    async with watching(
        running, timeoutSeconds="1", allowWatchBookmarks="1", resourceVersion="1"
    ) as response:
        event = await next_event(response)
        assert (event["type"], event["object"]["metadata"]) == (
            "BOOKMARK",
            {"resourceVersion": "1"},
        )
        assert await response.content.read() == b""


async def test_too_old_and_too_new_versions(running: Running) -> None:
    for index in range(2100):
        await running.request("POST", WIDGETS, widget("a")) if not index else None
        note = {"apiVersion": "test.dev/v1", "kind": "Widget", "metadata": {"name": "a"}}
        key = next(iter(running.registry.store._objects["widgets.test.dev"]))
        running.registry.store.replace(
            "widgets.test.dev", key, {**note, "metadata": {**note["metadata"], "uid": "u"}}
        )
    status, answer, _ = await running.request("GET", WIDGETS, watch="1", resourceVersion="1")
    # A stream of one event: that is where clients look for it.
    assert (status, answer["type"]) == (200, "ERROR")
    assert (answer["object"]["code"], answer["object"]["reason"]) == (410, "Expired")
    status, answer, _ = await running.request("GET", WIDGETS, watch="1", resourceVersion="99999")
    assert (status, answer["reason"]) == (504, "Timeout")


async def test_a_watcher_that_does_not_read_is_told_in_the_stream(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    store = running.registry.store
    key = next(iter(store._objects["widgets.test.dev"]))
    obj = running.registry.get(next(iter(running.registry.scheme)), key)
    obj["metadata"]["annotations"] = {"fill": "x" * 100_000}
    async with watching(running, resourceVersion="1") as response:
        # Far more than any socket buffers hold, written while the client does not read.
        for _ in range(20):
            for _ in range(20):
                store.replace("widgets.test.dev", key, obj)
            await asyncio.sleep(0)
        last = {}
        async with asyncio.timeout(20):
            while line := await _long_line(response):
                last = json.loads(line)
    assert (last["type"], last["object"]["code"]) == ("ERROR", 410)


async def test_every_watcher_gets_every_event_in_order_however_they_come(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    store = running.registry.store
    key = next(iter(store._objects["widgets.test.dev"]))
    obj = running.registry.get(next(iter(running.registry.scheme)), key)
    chance = random.Random(7)
    # Lone events and bursts, and pauses on both sides of what events share a write within; less
    # in all than the log keeps, so that no watcher is too slow.
    bursts = [chance.choice([1, 1, 3, 40]) for _ in range(60)]
    written: list[int] = []

    async def write() -> None:
        for burst in bursts:
            for _ in range(burst):
                obj["metadata"]["annotations"] = {"fill": "x" * chance.choice([10, 1000, 10_000])}
                stored = store.replace("widgets.test.dev", key, obj)
                written.append(int(stored["metadata"]["resourceVersion"]))
            await asyncio.sleep(chance.choice([0, 0, 0.003, 0.02, 0.06]))

    async def read(response: aiohttp.ClientResponse) -> list[int]:
        versions: list[int] = []
        text = b""
        while len(versions) < sum(bursts):
            *lines, text = (text + await response.content.readany()).split(b"\n")
            objects = [json.loads(line)["object"] for line in lines]
            versions += [int(one["metadata"]["resourceVersion"]) for one in objects]
        return versions

    async with AsyncExitStack() as watches:
        responses = [await watches.enter_async_context(watching(running)) for _ in range(10)]
        for response in responses:
            assert (await next_event(response))["type"] == "ADDED"
        async with asyncio.timeout(60):
            _, *seen = await asyncio.gather(write(), *map(read, responses))
    assert all(versions == written for versions in seen)


async def _long_line(response: aiohttp.ClientResponse) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        chunk = await response.content.readany()
        if not chunk:
            break
        line += chunk
    return line.rstrip(b"\n").rpartition(b"\n")[2]


async def test_a_closed_connection_ends_its_watch(running: Running) -> None:
    async with watching(running) as response:
        assert len(running.server._watches) == 1
        response.close()
        async with asyncio.timeout(5):
            while running.server._watches:
                await asyncio.sleep(0.005)
    log = running.registry.store._logs["widgets.test.dev"]
    assert not log._watches
    assert not log._waiting


@pytest.mark.parametrize("turns", range(6))
async def test_the_end_closes_what_was_just_accepted(turns: int) -> None:
    """Nobody is left waiting for an answer, however far asyncio is with the connection."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with socket.create_connection(runner.addresses[0][:2], timeout=10) as client:
        for _ in range(turns):
            await asyncio.sleep(0)
        await end(runner)
        client.setblocking(False)
        with suppress(ConnectionResetError):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_closing_ends_open_watches_within_half_a_second(running: Running) -> None:
    async with watching(running) as first, watching(running, "/api/v1/notes") as second:
        started = asyncio.get_running_loop().time()
        await running.server.close()
        assert asyncio.get_running_loop().time() - started < 0.5
        assert await first.content.read() == b""
        assert await second.content.read() == b""


async def test_subresource_streams(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    status, text, _ = await running.request("GET", f"{WIDGETS}/a/log")
    assert (status, text) == (200, b"log of a")
    status, _, _ = await running.request("GET", f"{WIDGETS}/b/log")
    assert status == 404


async def test_a_failing_handler_is_a_status_not_a_disaster(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    running.registry.admit.append(broken)
    status, answer, _ = await running.request("POST", WIDGETS, widget("a"))
    assert (status, answer["reason"]) == (500, "InternalError")
    assert "secret" not in json.dumps(answer)
    assert "request failed" in caplog.text


async def test_fast_events_share_writes_and_keep_their_order(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    client = running.registry
    kind = next(iter(client.scheme))
    async with watching(running, resourceVersion="1") as response:
        for size in range(300):
            store = client.store
            key = next(iter(store._objects["widgets.test.dev"]))
            obj = client.get(kind, key)
            obj["spec"] = {"size": size}
            store.replace("widgets.test.dev", key, obj)
            if size % 7 == 0:
                await asyncio.sleep(0)
        sizes = [(await next_event(response))["object"]["spec"]["size"] for _ in range(300)]
    assert sizes == list(range(300))


def test_tls_contexts_refuse_old_protocols(certificate: tuple[Any, Any]) -> None:
    from kapp.server.tls import server_context

    assert server_context(*certificate).minimum_version == ssl.TLSVersion.TLSv1_2


async def test_yaml_both_ways(running: Running) -> None:
    text = b"metadata:\n  name: a\nspec:\n  size: 3\n"
    accept = {"Accept": "application/yaml"}
    for _ in range(2):  # what the parser keeps must not be what the server changes
        status, answer, headers = await running.request(
            "POST", WIDGETS, raw=text, content_type="application/yaml", headers=accept, dryRun="All"
        )
        assert (status, headers["Content-Type"]) == (201, "application/yaml")
        assert b"  size: 3\n" in answer
    status, answer, _ = await running.request(
        "PATCH",
        f"{WIDGETS}/a",
        raw=b"apiVersion: test.dev/v1\nkind: Widget\n" + text,
        content_type="application/apply-patch+yaml",
        fieldManager="me",
    )
    assert (status, answer["spec"]) == (201, {"size": 3})
    _, answer, _ = await running.request("GET", WIDGETS, headers=accept)
    assert answer.startswith(b"apiVersion: test.dev/v1\nitems:\n- apiVersion: test.dev/v1\n")
    status, answer, _ = await running.request(
        "POST", WIDGETS, raw=b"a: [", content_type="application/yaml"
    )
    assert (status, answer["reason"]) == (400, "BadRequest")


async def test_discovery_in_all_its_forms(running: Running) -> None:
    for version in ("v2", "v2beta1"):
        accept = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        for path, group in (("/api", ""), ("/apis", "test.dev")):
            _, found, headers = await running.request("GET", path, headers={"Accept": accept})
            assert found["apiVersion"] == f"apidiscovery.k8s.io/{version}"
            assert headers["Content-Type"].startswith(accept.partition(";as")[0])
            assert [item["metadata"].get("name", "") for item in found["items"]] == [group]
    _, found, _ = await running.request("GET", "/api")
    assert found["versions"] == ["v1"]
    _, found, _ = await running.request("GET", "/apis")
    assert [group["name"] for group in found["groups"]] == ["test.dev"]
    _, found, _ = await running.request("GET", "/apis/test.dev")
    assert found["preferredVersion"] == {"groupVersion": "test.dev/v1", "version": "v1"}
    _, found, _ = await running.request("GET", "/apis/test.dev/v1")
    names = [resource["name"] for resource in found["resources"]]
    assert names == ["widgets", "widgets/status", "widgets/scale", "widgets/log"]
    _, found, _ = await running.request("GET", "/api/v1")
    assert [resource["name"] for resource in found["resources"]] == ["notes"]


async def test_openapi_is_complete(running: Running) -> None:
    _, index, _ = await running.request("GET", "/openapi/v3")
    assert list(index["paths"]) == ["apis/test.dev/v1", "api/v1"]
    for entry in index["paths"].values():
        path, _, digest = entry["serverRelativeURL"].partition("?hash=")
        _, document, headers = await running.request("GET", path)
        assert headers["ETag"] == f'"{digest}"'
        schemas = document["components"]["schemas"]
        references = {
            part.partition('"')[0]
            for part in json.dumps(document).split("#/components/schemas/")[1:]
        }
        assert references <= schemas.keys()


async def test_scale(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", replicas=2, selector={"app": "web"}))
    _, scale, _ = await running.request("GET", f"{WIDGETS}/a/scale")
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 2},
        {"replicas": 0, "selector": "app=web"},
    )
    _, answer, _ = await running.request(
        "PATCH",
        f"{WIDGETS}/a/scale",
        {"spec": {"replicas": 5}},
        content_type="application/merge-patch+json",
    )
    assert answer["spec"] == {"replicas": 5}
    status, _, _ = await running.request("PUT", f"{WIDGETS}/a/scale", scale)
    assert status == 409
    status, _, _ = await running.request("PUT", f"{WIDGETS}/a/scale", {"spec": {"replicas": -1}})
    assert status == 422


async def test_deleting_over_http(running: Running) -> None:
    _, made, _ = await running.request("POST", WIDGETS, widget("a"))
    body = {"preconditions": {"uid": "another"}}
    status, _, _ = await running.request("DELETE", f"{WIDGETS}/a", body)
    assert status == 409
    status, _, _ = await running.request("DELETE", f"{WIDGETS}/a", propagationPolicy="Never")
    assert status == 422
    status, _, _ = await running.request("DELETE", f"{WIDGETS}/a", dryRun="Some")
    assert status == 422
    status, answer, _ = await running.request("DELETE", f"{WIDGETS}/a")
    assert (status, answer["details"]["uid"]) == (200, made["metadata"]["uid"])
    for name, colour in (("a", "red"), ("b", "green")):
        await running.request("POST", WIDGETS, widget(name, colour=colour))
    _, answer, _ = await running.request("DELETE", WIDGETS, fieldSelector="spec.colour=red")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["a"]
    _, answer, _ = await running.request("GET", "/apis/test.dev/v1/widgets")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["b"]


async def test_patch_options(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a"))
    apply, merge = "application/apply-patch+yaml", "application/merge-patch+json"
    for content_type, query, expected in (
        (apply, {}, 422),
        (merge, {"force": "true"}, 422),
        (merge, {"fieldManager": "x" * 129}, 422),
        (merge, {"fieldValidation": "Sometimes"}, 422),
        ("application/strategic-merge-patch+json", {}, 415),
        ("application/json", {}, 415),
    ):
        status, _, _ = await running.request(
            "PATCH", f"{WIDGETS}/a", {}, content_type=content_type, headers={}, **query
        )
        assert status == expected, (content_type, query)
    _, answer, _ = await running.request(
        "PATCH",
        f"{WIDGETS}/a",
        {"spec": {"size": 1}},
        content_type=merge,
        headers={"User-Agent": "tool/1.2 (linux)"},
    )
    assert answer["metadata"]["managedFields"][-1]["manager"] == "tool"


async def test_idle_watches_get_bookmarks(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kapp.server.watch._BOOKMARK_S", 0.02)
    await running.request("POST", WIDGETS, widget("a"))
    async with watching(running, allowWatchBookmarks="true", resourceVersion="1") as response:
        await running.request("POST", "/api/v1/notes", {"metadata": {"name": "n"}})
        async with asyncio.timeout(5):
            while True:
                event = await next_event(response)
                assert event["type"] == "BOOKMARK"
                if event["object"]["metadata"] == {"resourceVersion": "2"}:
                    break


async def test_an_object_may_be_called_like_a_stream(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("log", size=1))
    status, answer, _ = await running.request("PUT", f"{WIDGETS}/log", widget("log", size=2))
    assert (status, answer["spec"]) == (200, {"size": 2})
    status, _, _ = await running.request("DELETE", f"{WIDGETS}/log", {"dryRun": ["All"]})
    assert status == 200
    status, _, _ = await running.request("GET", f"{WIDGETS}/log")
    assert status == 200  # the options in the body were read: it is still there


async def test_numbers_are_what_go_reads(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("one"))
    for text, expected in (
        ("0", 200),
        ("-1", 200),
        ("1_0", 400),
        (" 5", 400),
        ("\N{ARABIC-INDIC DIGIT FIVE}", 400),
        ("1.0", 400),
        ("9" * 19, 400),
        ("9" * 5000, 400),
    ):
        status, answer, _ = await running.request("GET", WIDGETS, limit=text)
        assert (text, status) == (text, expected)
        assert status != 200 or [item["metadata"]["name"] for item in answer["items"]] == ["one"]
    status, _, _ = await running.request("GET", WIDGETS, watch="1", timeoutSeconds="1" + "0" * 400)
    assert status == 400
    status, _, _ = await running.request("GET", WIDGETS, resourceVersion="9" * 5000)
    assert status == 400


async def test_list_options_that_do_not_go_together(running: Running) -> None:
    for query, sentence in (
        ({"resourceVersionMatch": "Exact"}, "unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, 'for resourceVersion "0"'),
        ({"resourceVersionMatch": "Soon", "resourceVersion": "1"}, 'value: "Soon"'),
        ({"sendInitialEvents": "true"}, "sendInitialEvents is forbidden for list"),
        ({"watch": "1", "sendInitialEvents": "true"}, "resourceVersionMatch to NotOlderThan"),
        (
            {"watch": "1", "resourceVersionMatch": "NotOlderThan"},
            "forbidden for watch unless sendInitialEvents is provided",
        ),
        (
            {"watch": "1", "resourceVersionMatch": "Exact", "sendInitialEvents": "false"},
            'supported values: "NotOlderThan"',
        ),
    ):
        status, answer, _ = await running.request("GET", WIDGETS, **query)
        assert (status, answer["reason"]) == (422, "Invalid"), query
        assert sentence in answer["message"]


async def test_a_token_of_a_server_that_ran_before_has_expired(running: Running) -> None:
    for name in ("a", "b", "c"):
        await running.request("POST", WIDGETS, widget(name))
    token = write_token(running.registry.store.resource_version + 1, ObjectKey("default", "a"))
    status, answer, _ = await running.request("GET", WIDGETS, **{"continue": token})
    assert (status, answer["reason"]) == (410, "Expired")


async def test_a_collection_across_namespaces_is_only_read(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("keep"))
    everywhere = "/apis/test.dev/v1/widgets"
    for method in ("DELETE", "POST"):
        status, _, _ = await running.request(method, everywhere, widget("x"))
        assert status == 405
    status, answer, _ = await running.request("GET", everywhere)
    assert (status, len(answer["items"])) == (200, 1)


async def test_delete_options_that_are_none_delete_nothing(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("keep"))
    for raw in (b"5", b"[]", b'"All"', b"{"):
        status, _, _ = await running.request("DELETE", f"{WIDGETS}/keep", raw=raw)
        assert status == 400
    status, _, _ = await running.request("DELETE", f"{WIDGETS}/keep", raw=b"null")
    assert status == 200


async def test_objects_that_cannot_be_kept_are_refused(running: Running) -> None:
    meta = '{"metadata": {"name": "a"}, "spec": '
    deep = meta + '{"a":' * 950 + "1" + "}" * 951
    for text in (deep, meta + '{"colour": "\\ud800"}}', '{"metadata":' * 990 + "}" * 990):
        for content_type in ("application/json", "application/yaml"):
            status, answer, _ = await running.request(
                "POST", WIDGETS, raw=text.encode(), content_type=content_type, dryRun="All"
            )
            assert status in (201, 400), (text[:60], answer)
    status, _, _ = await running.request("GET", WIDGETS)
    assert status == 200


async def test_warnings_fit_into_a_header(running: Running) -> None:
    long = {"metadata": {"name": "a"}, "f" * 100_000: 1, **{f"{n:0200}": 1 for n in range(100)}}
    status, _, headers = await running.request("POST", WIDGETS, long)
    assert status == 201
    warnings = headers.getall("Warning")
    assert warnings[0].startswith('299 - "unknown field \\"fff')
    assert 10 < len(warnings)
    assert sum(map(len, warnings)) < 5000


async def test_a_scale_that_is_none(running: Running) -> None:
    await running.request("POST", WIDGETS, widget("a", replicas=1))
    for body in ({"spec": 5}, {"metadata": 5}, []):
        status, _, _ = await running.request("PUT", f"{WIDGETS}/a/scale", body)
        assert status == 400
