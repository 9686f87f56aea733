"""Probes and lifecycle hooks."""

import os
from typing import Any

import pytest

from .conftest import Cluster, container, shell, until

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ok" else 500)
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
async def node(cluster: Cluster) -> None:
    await cluster.start_node()


def server(python: str, port: int, **more: Any) -> dict[str, Any]:
    return container(python, "-c", SERVER, str(port), **more)


async def test_readiness_over_http(cluster: Cluster, python: str) -> None:
    probe = {"httpGet": {"path": "/ok", "port": "http"}}
    ports = [{"name": "http", "containerPort": 18431}]
    await cluster.run(server(python, 18431, readinessProbe=probe, ports=ports), name="good")
    probe = {"httpGet": {"path": "/bad", "port": 18432}, "periodSeconds": 1}
    await cluster.run(server(python, 18432, readinessProbe=probe), name="bad")
    await cluster.ready("good")

    async def unhealthy() -> bool:
        messages = [event["message"] for event in await cluster.events("Unhealthy")]
        return "Readiness probe failed: HTTP probe failed with statuscode: 500" in messages

    await until(unhealthy)
    assert not await cluster.is_ready("bad")
    assert (await cluster.pod("bad"))["status"]["phase"] == "Running"


async def test_readiness_over_tcp_and_exec(cluster: Cluster, python: str) -> None:
    tcp = {"tcpSocket": {"port": 18433}}
    await cluster.run(server(python, 18433, readinessProbe=tcp), name="tcp")
    command = {"exec": {"command": ["/bin/sh", "-c", 'test -n "$MARK"']}}
    await cluster.run(
        shell("exec sleep 1000", readinessProbe=command, env=[{"name": "MARK", "value": "1"}]),
        name="exec",
    )
    await cluster.ready("tcp")
    await cluster.ready("exec")


async def test_a_failed_liveness_probe_restarts(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await cluster.run(shell("exec sleep 1000", livenessProbe=probe))

    async def restarted() -> bool:
        return (await cluster.status_of())["restartCount"] >= 1

    await until(restarted)
    assert await cluster.events("Unhealthy")
    messages = [event["message"] for event in await cluster.events("Killing")]
    assert "Container main failed liveness probe, will be restarted" in messages


async def test_nothing_is_ready_before_its_startup_probe(cluster: Cluster) -> None:
    flag = str(cluster.state_dir.parent / "started")
    probe = {"exec": {"command": ["/usr/bin/test", "-e", flag]}, "periodSeconds": 1,
             "failureThreshold": 100}  # fmt: skip
    pod = await cluster.run(shell("exec sleep 1000", startupProbe=probe))

    async def running() -> bool:
        return "running" in (await cluster.status_of())["state"]

    await until(running)
    assert not (await cluster.status_of())["started"]
    assert not await cluster.is_ready()
    state = cluster.node.state_of(pod)
    assert state is not None
    null = os.open(os.devnull, os.O_RDWR)
    await cluster.node.containers.execute(state, "main", ["touch", flag], [null] * 3)
    os.close(null)
    await cluster.ready()


async def test_grpc_probes_say_that_they_are_missing(cluster: Cluster) -> None:
    await cluster.run(shell("exec sleep 1000", readinessProbe={"grpc": {"port": 1}}))

    async def told() -> bool:
        return any("no grpc probes" in e["message"] for e in await cluster.events("Unhealthy"))

    await until(told)


@pytest.mark.root
async def test_hooks(cluster: Cluster) -> None:
    seen = cluster.state_dir.parent / "seen"
    seen.mkdir()

    def touch(name: str) -> dict[str, Any]:
        return {"exec": {"command": ["/usr/bin/touch", f"/seen/{name}"]}}

    await cluster.run(
        shell(
            "exec sleep 1000",
            lifecycle={"postStart": touch("post"), "preStop": touch("pre")},
            volumeMounts=[{"name": "seen", "mountPath": "/seen"}],
        ),
        volumes=[{"name": "seen", "hostPath": {"path": str(seen)}}],
    )
    await cluster.ready()
    assert (seen / "post").exists()
    assert not (seen / "pre").exists()
    await cluster.delete()
    await cluster.gone()
    assert (seen / "pre").exists()


async def test_a_failed_post_start_hook_restarts(cluster: Cluster) -> None:
    hook = {"postStart": {"exec": {"command": ["/bin/false"]}}}
    await cluster.run(shell("exec sleep 1000", lifecycle=hook))

    async def restarted() -> bool:
        return (await cluster.status_of())["restartCount"] >= 1

    await until(restarted)
    assert await cluster.events("FailedPostStartHook")
