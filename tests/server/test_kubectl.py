"""The real kubectl as judge, over TLS with a token, with an empty home."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.slow

MANIFEST = """
apiVersion: test.dev/v1
kind: Widget
metadata:
  name: one
  labels: {app: web}
spec:
  size: 3
  colour: red
"""


async def test_discovery_is_understood(running: Running) -> None:
    text = await running.kubectl("api-resources")
    assert [line.split() for line in text.splitlines()] == [
        ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"],
        ["notes", "v1", "false", "Note"],
        ["widgets", "wd", "test.dev/v1", "true", "Widget"],
    ]
    assert "Server Version: v1.36.0+kapp" in await running.kubectl("version")
    assert "test.dev/v1" in await running.kubectl("api-versions")


async def test_get_in_every_form(running: Running) -> None:
    assert await running.kubectl("create", "-f", "-", stdin=MANIFEST) == (
        "widget.test.dev/one created\n"
    )
    rows = [line.split() for line in (await running.kubectl("get", "wd")).splitlines()]
    assert rows[0] == ["NAME", "SIZE", "AGE"]
    assert rows[1][:2] == ["one", "3"]
    wide = await running.kubectl("get", "widgets", "-A", "-o", "wide")
    assert wide.splitlines()[0].split() == ["NAMESPACE", "NAME", "SIZE", "COLOUR", "AGE"]
    assert wide.splitlines()[1].split()[:4] == ["default", "one", "3", "red"]
    found = json.loads(await running.kubectl("get", "widget", "one", "-o", "json"))
    assert found["spec"] == {"size": 3, "colour": "red"}
    assert "size: 3" in await running.kubectl("get", "widgets.test.dev/one", "-o", "yaml")
    size = await running.kubectl("get", "wd", "one", "-o", "jsonpath={.spec.size}")
    assert size == "3"
    assert "one" in await running.kubectl("get", "all")
    assert "one" in await running.kubectl("get", "wd", "-l", "app=web", "--show-labels")
    assert "No resources" in await running.kubectl("get", "wd", "-l", "app!=web")
    assert "one" in await running.kubectl("get", "wd", "--field-selector", "spec.colour=red")
    missing = await running.kubectl("get", "wd", "two", ok=False)
    assert missing == 'Error from server (NotFound): widgets.test.dev "two" not found\n'
    unsupported = await running.kubectl("get", "wd", "--field-selector", "spec.x=1", ok=False)
    assert "field label not supported: spec.x" in unsupported


async def test_apply_both_ways(running: Running) -> None:
    changed = MANIFEST.replace("size: 3", "size: 4")
    apply = ("apply", "-f", "-")
    assert "one created" in await running.kubectl(*apply, stdin=MANIFEST)
    assert "one unchanged" in await running.kubectl(*apply, stdin=MANIFEST)
    assert "one configured" in await running.kubectl(*apply, stdin=changed)
    assert "configured" in await running.kubectl(*apply, "--dry-run=server", stdin=MANIFEST)
    ssa = ("apply", "--server-side", "-f", "-")
    assert "serverside-applied" in await running.kubectl(*ssa, "--field-manager=a", stdin=changed)
    refused = await running.kubectl(*ssa, "--field-manager=b", stdin=MANIFEST, ok=False)
    assert "conflict" in refused
    assert ".spec.size" in refused
    forced = await running.kubectl(*ssa, "--field-manager=b", "--force-conflicts", stdin=MANIFEST)
    assert "serverside-applied" in forced
    assert await running.kubectl("get", "wd", "one", "-o", "jsonpath={.spec.size}") == "3"


async def test_invalid_objects_are_explained(running: Running) -> None:
    unknown = await running.kubectl("create", "-f", "-", stdin=MANIFEST + "  foo: 1\n", ok=False)
    assert 'strict decoding error: unknown field "spec.foo"' in unknown
    warned = await running.kubectl(
        "create", "-f", "-", "--validate=warn", "--dry-run=server", stdin=MANIFEST + "  foo: 1\n"
    )
    assert 'Warning: unknown field "spec.foo"' in warned
    wrong = await running.kubectl(
        "create", "-f", "-", stdin=MANIFEST.replace("colour: red", "colour: blue"), ok=False
    )
    assert 'spec.colour: Unsupported value: "blue": supported values: "red", "green"' in wrong
    bad_name = await running.kubectl(
        "create", "-f", "-", stdin=MANIFEST.replace("name: one", "name: One"), ok=False
    )
    assert "a lowercase RFC 1123 subdomain must consist of" in bad_name


async def test_changes(running: Running) -> None:
    kubectl = running.kubectl
    await kubectl("create", "-f", "-", stdin=MANIFEST)
    patched = await kubectl("patch", "wd", "one", "--type=merge", "-p", '{"spec":{"size":5}}')
    assert patched == "widget.test.dev/one patched\n"
    operation = '[{"op":"replace","path":"/spec/size","value":6}]'
    await kubectl("patch", "wd", "one", "--type=json", "-p", operation)
    strategic = await kubectl("patch", "wd", "one", "-p", '{"spec":{"size":7}}', ok=False)
    assert "application/merge-patch+json" in strategic
    await kubectl("label", "wd", "one", "tier=front")
    await kubectl("annotate", "wd", "one", "note=hello")
    found = json.loads(await kubectl("get", "wd", "one", "-o", "json"))
    assert found["spec"]["size"] == 6
    assert found["metadata"]["labels"] == {"app": "web", "tier": "front"}
    assert found["metadata"]["generation"] == 3
    await kubectl(
        "patch",
        "wd",
        "one",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{"phase":"Up"},"spec":{"size":9}}',
    )
    found = json.loads(await kubectl("get", "wd", "one", "-o", "json"))
    assert (found["spec"]["size"], found["status"]) == (6, {"phase": "Up"})
    assert "replaced" in await kubectl("replace", "-f", "-", stdin=MANIFEST)
    await kubectl("scale", "wd", "one", "--replicas=4")
    assert await kubectl("get", "wd", "one", "-o", "jsonpath={.spec.replicas}") == "4"
    assert "-  size: 3\n+  size: 8" in await kubectl(
        "diff", "-f", "-", stdin=MANIFEST.replace("size: 3", "size: 8"), ok=False
    )


async def test_explain_and_describe(running: Running) -> None:
    await running.kubectl("create", "-f", "-", stdin=MANIFEST)
    explained = await running.kubectl("explain", "widget.spec")
    assert "What the widget should be." in explained
    assert "size\t<integer>" in explained
    assert "finalizers" in await running.kubectl("explain", "widget.metadata")
    described = await running.kubectl("describe", "wd", "one")
    assert "Name:         one" in described
    assert "Colour:  red" in described


async def test_delete_and_wait(running: Running) -> None:
    kubectl = running.kubectl
    await kubectl("create", "-f", "-", stdin=MANIFEST)
    waiting = asyncio.create_task(kubectl("wait", "wd/one", "--for=condition=Ready"))
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await kubectl(
        "patch", "wd", "one", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    assert await waiting == "widget.test.dev/one condition met\n"
    deleted = await kubectl("delete", "wd", "one")
    assert deleted.startswith('widget.test.dev "one" deleted')
    await kubectl("create", "-f", "-", stdin=MANIFEST)
    assert "deleted" in await kubectl("delete", "wd", "--all")
    assert "No resources found" in await kubectl("get", "wd")
    gone = asyncio.create_task(kubectl("wait", "wd/one", "--for=create"))
    await kubectl("create", "-f", "-", stdin=MANIFEST)
    await gone


async def test_get_watch_prints_changes(running: Running) -> None:
    await running.kubectl("create", "-f", "-", stdin=MANIFEST)
    watching = asyncio.create_task(
        running.kubectl("get", "wd", "-w", "--request-timeout=3s", ok=True)
    )
    while not running.server._watches and not watching.done():
        await asyncio.sleep(0.01)
    await running.kubectl("patch", "wd", "one", "--type=merge", "-p", '{"spec":{"size":5}}')
    lines = [line.split()[:2] for line in (await watching).splitlines()]
    assert lines[:3] == [["NAME", "SIZE"], ["one", "3"], ["one", "5"]]


async def test_strategic_patches_where_a_kind_takes_them(running: Running) -> None:
    note = {
        "apiVersion": "v1",
        "kind": "Note",
        "metadata": {"name": "n"},
        "entries": [{"name": "a"}],
    }
    await running.kubectl("create", "-f", "-", stdin=json.dumps(note))
    await running.kubectl("patch", "note", "n", "-p", '{"entries":[{"name":"b"}]}')
    names = await running.kubectl("get", "note", "n", "-o", "jsonpath={.entries[*].name}")
    assert sorted(names.split()) == ["a", "b"]
