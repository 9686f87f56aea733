"""logs, exec, attach and port-forward, as a client on the wire meets them."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from kapp.machinery.status import ApiError
from kapp.minicluster.node.logfile import timestamp
from kapp.minicluster.node.streams import handlers
from kapp.wire import channels, spdy

from .conftest import Cluster, container, shell, until

Client = TestClient[web.Request, web.Application]

ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 8000))
while True:
    connection, _ = server.accept()
    received = b""
    while data := connection.recv(65536):
        received += data
    connection.sendall(b"got " + received)
    connection.close()
"""


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    await cluster.start_node()

    async def dispatch(request: web.Request) -> web.StreamResponse:
        pod = await cluster.pod(request.match_info["pod"])
        try:
            return await handlers(cluster.node)["pods", request.match_info["what"]](request, pod)
        except ApiError as error:
            return web.json_response(error.status(), status=error.code)

    app = web.Application()
    app.router.add_get("/{pod}/{what}", dispatch)
    async with TestClient(TestServer(app)) as made:
        yield made


async def _text(client: Client, path: str) -> str:
    async with client.get(path) as response:
        assert response.status == 200
        return await response.text()


async def _refused(client: Client, path: str) -> str:
    async with client.get(path) as response:
        assert response.status == 400
        return str((await response.json())["message"])


async def test_logs(cluster: Cluster, client: Client) -> None:
    await cluster.run(shell("for i in 1 2 3 4; do echo line $i; done; printf end; exit 0"),
                      restartPolicy="Never")  # fmt: skip
    await cluster.phase("Succeeded")
    whole = "line 1\nline 2\nline 3\nline 4\nend"
    assert await _text(client, "/pod/log") == whole
    assert await _text(client, "/pod/log?follow=true") == whole
    assert await _text(client, "/pod/log?tailLines=2") == "line 4\nend"
    assert await _text(client, "/pod/log?limitBytes=8") == "line 1\nl"
    assert await _text(client, "/pod/log?sinceSeconds=3600") == whole
    stamped = (await _text(client, "/pod/log?timestamps=true")).splitlines()
    moment, text = stamped[1].split(" ", 1)
    assert text == "line 2"
    later = await _text(client, f"/pod/log?sinceTime={moment}")
    assert later == "line 2\nline 3\nline 4\nend"
    assert moment > timestamp(0).decode()


async def test_following_a_running_container(cluster: Cluster, client: Client) -> None:
    script = "trap 'echo two; exit 0' TERM; echo one; while :; do sleep 0.02; done"
    pod = await cluster.run(shell(script), restartPolicy="Never")
    await cluster.ready()
    async with client.get("/pod/log?follow=true") as response:
        assert await response.content.readline() == b"one\n"
        state = cluster.node.state_of(pod)
        assert state is not None
        await cluster.node.runtime.signal(state.containers["main"].key, signal.SIGTERM)
        assert await response.content.readline() == b"two\n"
        assert await response.content.read() == b""


async def test_which_container_the_log_is_of(cluster: Cluster, client: Client) -> None:
    await cluster.run(
        shell("exec sleep 1000", name="one"), shell("exec sleep 1000", name="two"),
        initContainers=[shell("echo begun", name="before")],
    )  # fmt: skip
    await cluster.ready()
    assert await _refused(client, "/pod/log") == (
        "a container name must be specified for pod pod, choose one of: [one two] "
        "or one of the init containers: [before]"
    )
    assert await _refused(client, "/pod/log?container=x") == "container x is not valid for pod pod"
    assert await _refused(client, "/pod/log?container=one&previous=true") == (
        'previous terminated container "one" in pod "pod" not found'
    )
    assert await _text(client, "/pod/log?container=before") == "begun\n"


async def test_the_log_of_a_waiting_container(cluster: Cluster, client: Client) -> None:
    await cluster.run({"name": "main", "image": "nginx"})

    async def waiting() -> Any:
        found = (await cluster.status_of())["state"].get("waiting") or {}
        return found.get("reason") == "ImagePullBackOff"

    await until(waiting)
    message = await _refused(client, "/pod/log")
    assert message == (
        'container "main" in pod "pod" is waiting to start: trying and failing to pull image'
    )


async def test_previous_logs(cluster: Cluster, client: Client) -> None:
    await cluster.run(shell("echo run; exit 1"))

    async def restarted() -> bool:
        return (await cluster.status_of())["restartCount"] >= 1

    await until(restarted)
    assert await _text(client, "/pod/log?previous=true") == "run\n"


async def _exec(
    client: Client,
    query: str,
    send: Sequence[bytes] = (),
    protocol: str = channels.V5,
) -> dict[int, bytes]:
    """Run an exec to its end; what came on each channel."""
    received: dict[int, bytes] = {}
    async with client.ws_connect(f"/pod/{query}", protocols=(protocol,)) as ws:
        assert ws.protocol == protocol
        for message in send:
            await ws.send_bytes(message)
        async for message in ws:
            assert message.type is aiohttp.WSMsgType.BINARY
            channel, payload = channels.decode(message.data)
            received[channel] = received.get(channel, b"") + bytes(payload)
    return received


@pytest.fixture
async def sleeper(cluster: Cluster, client: Client) -> None:
    await cluster.run(shell("exec sleep 1000", env=[{"name": "WHO", "value": "container"}]))
    await cluster.ready()


async def test_exec(client: Client, sleeper: None) -> None:
    query = "exec?command=sh&command=-c&command=echo+$WHO;echo+bad+>%262;exit+5&stdout=1&stderr=1"
    got = await _exec(client, query)
    assert got[channels.STDOUT] == b"container\n"
    assert got[channels.STDERR] == b"bad\n"
    assert channels.decode_status(got[channels.ERROR]).code == 5


async def test_exec_with_input(client: Client, sleeper: None) -> None:
    send = [channels.encode(channels.STDIN, b"hello"), channels.encode_close(channels.STDIN)]
    got = await _exec(client, "exec?command=cat&stdin=1&stdout=1", send)
    assert got[channels.STDOUT] == b"hello"
    assert channels.decode_status(got[channels.ERROR]).code == 0


async def test_exec_in_a_terminal(client: Client, sleeper: None) -> None:
    size = channels.encode_resize(channels.TerminalSize(111, 22))
    send = [size, channels.encode(channels.STDIN, b"tty; stty size; exit 3\n")]
    got = await _exec(client, "exec?command=sh&stdin=1&stdout=1&tty=1", send, channels.V4)
    assert b"/dev/pts/" in got[channels.STDOUT]
    assert b"22 111" in got[channels.STDOUT]
    assert channels.decode_status(got[channels.ERROR]).code == 3


async def test_exec_of_what_is_not_there(client: Client, sleeper: None) -> None:
    got = await _exec(client, "exec?command=no-such&stdout=1")
    outcome = channels.decode_status(got[channels.ERROR])
    assert 'exec: "no-such": executable file not found in $PATH' in outcome.message
    assert "at least 1" in await _refused(client, "/pod/exec?command=true")


async def test_a_websocket_for_which_only_json_is_acceptable(client: Client, sleeper: None) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Accept": "application/json"}
    for path in ("/pod/exec?command=true&stdout=1", "/pod/attach?stdout=1", "/pod/portforward"):
        async with client.get(path, headers=headers) as response:
            assert response.status == 406


async def test_attach(cluster: Cluster, client: Client) -> None:
    await cluster.run(shell("while read line; do echo got $line; done; exit 4", stdin=True),
                      restartPolicy="Never")  # fmt: skip
    await cluster.ready()
    async with client.ws_connect(
        "/pod/attach?stdin=1&stdout=1&stderr=1", protocols=(channels.V5,)
    ) as ws:
        await ws.send_bytes(channels.encode(channels.STDIN, b"one\n"))
        channel, payload = channels.decode((await ws.receive()).data)
        assert (channel, bytes(payload)) == (channels.STDOUT, b"got one\n")


async def test_port_forward_over_the_tunnel(cluster: Cluster, client: Client, python: str) -> None:
    await cluster.run(
        container(python, "-c", ECHO, readinessProbe={"exec": {"command": [
            python, "-c", "import socket; socket.create_connection(('127.0.0.1', 8000)).close()",
        ]}})
    )  # fmt: skip
    await cluster.ready()
    session = spdy.SpdySession("client")
    async with client.ws_connect("/pod/portforward", protocols=(channels.TUNNEL,)) as ws:
        assert ws.protocol == channels.TUNNEL
        streams: dict[int, bytearray] = {}
        for request_id, port in enumerate(("8000", "81")):
            headers = {"port": port, "requestid": str(request_id)}
            error, frame = session.syn_stream(headers | {"streamtype": "error"}, fin=True)
            await ws.send_bytes(frame)
            data, frame = session.syn_stream(headers | {"streamtype": "data"})
            await ws.send_bytes(frame)
            streams |= {error: bytearray(), data: bytearray()}
        first_error, first_data, second_error, second_data = streams
        big = b"x" * 300_000
        await ws.send_bytes(session.data(first_data, big, fin=True))
        ended: set[int] = set()
        while ended != set(streams):
            async with asyncio.timeout(10):
                message = await ws.receive()
            for event in session.feed(message.data):
                if isinstance(event, spdy.Data):
                    streams[event.stream_id] += event.payload
                    if event.fin:
                        ended.add(event.stream_id)
        ping, frame = session.ping()
        await ws.send_bytes(frame)
        assert session.feed((await ws.receive()).data) == [spdy.Pong(ping)]
    assert bytes(streams[first_data]) == b"got " + big
    assert bytes(streams[first_error]) == b""
    assert bytes(streams[second_data]) == b""
    text = streams[second_error].decode()
    assert text.startswith("error forwarding port 81 to pod pod, uid : ")
    assert "connection refused" in text


async def test_port_forward_over_channels(cluster: Cluster, client: Client, python: str) -> None:
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 8000))\n"
        "print('up', flush=True)\n"
        "while True:\n"
        "    c = s.accept()[0]; c.sendall(b'hello ' + c.recv(100)); c.close()\n"
    )
    pod = await cluster.run(container(python, "-c", script))
    await until(lambda: cluster.log(pod) == "up\n")
    ports = channels.ForwardChannels([8000, 81])
    got: dict[int, bytes] = {}
    failures: dict[int, str] = {}
    async with client.ws_connect(
        "/pod/portforward?ports=8000&ports=81", protocols=(channels.V4,)
    ) as ws:
        await ws.send_bytes(ports.encode(0, b"world"))
        async for message in ws:
            event = ports.receive(message.data)
            if isinstance(event, channels.ForwardData):
                got[event.port_index] = got.get(event.port_index, b"") + bytes(event.payload)
            elif isinstance(event, channels.ForwardFailure):
                failures[event.port_index] = event.message
    assert ports.open
    assert got == {0: b"hello world"}
    assert "connection refused" in failures[1]


async def test_port_forward_to_a_pod_that_is_not_running(cluster: Cluster, client: Client) -> None:
    await cluster.run(shell("exit 0"), restartPolicy="Never")
    await cluster.phase("Succeeded")
    async with client.get(
        "/pod/portforward", headers={"Upgrade": "websocket", "Connection": "Upgrade"}
    ) as response:
        status = json.loads(await response.text())
    assert "pod is not running. Current status=Succeeded" in status["message"]
