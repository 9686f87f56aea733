"""Connections: credentials of every sort, their refresh, and plain words when it fails."""

import asyncio
import json
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from kapp.cluster import connection as connection_module
from kapp.cluster import credentials as module
from kapp.cluster.connection import Connection
from kapp.cluster.credentials import credentials_for
from kapp.cluster.kubeconfig import KubeContext
from kapp.errors import ClusterError, ConfigError, Unreachable
from kapp.server.http import end
from tests.runtime.httpserver import self_signed, serving


class Clock:
    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.time

    def advance(self, **delta):
        self.time += timedelta(**delta)


@pytest.fixture
def clock():
    return Clock()


def context(**fields):
    fields = {"server": "http://127.0.0.1:1", **fields}
    return KubeContext(context="dev", cluster="one", namespace="default", **fields)


def plugin(directory, body):
    """A credential plugin that runs `body` of Python; `answer(**status)` prints a credential."""
    path = directory / "plugin"
    path.write_text(
        "#!/usr/bin/env python3\n"
        "import json, os, sys\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "def answer(**status):\n"
        "    print(json.dumps({**info, 'status': status}))\n" + body
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}


async def headers_of(kube_context, clock):
    return (await credentials_for(kube_context, clock).get()).headers


async def test_what_the_kubeconfig_holds(clock, tmp_path):
    assert await headers_of(context(), clock) == {}
    assert await headers_of(context(token="t"), clock) == {"Authorization": "Bearer t"}
    basic = await headers_of(context(username="u", password="p"), clock)
    assert basic == {"Authorization": "Basic dTpw"}


async def test_a_token_file_is_read_again_after_a_minute(clock, tmp_path):
    file = tmp_path / "token"
    file.write_text("one\n")
    cache = credentials_for(context(token_file=str(file)), clock)
    assert (await cache.get()).headers == {"Authorization": "Bearer one"}
    file.write_text("two\n")
    assert (await cache.get()).headers == {"Authorization": "Bearer one"}
    clock.advance(seconds=61)
    assert (await cache.get()).headers == {"Authorization": "Bearer two"}
    file.unlink()
    clock.advance(seconds=61)
    with pytest.raises(ConfigError, match="cannot read the token file"):
        await cache.get()


async def test_a_plugin_is_asked_once_until_its_credential_expires_or_is_refused(clock, tmp_path):
    body = (
        f"log = open({str(tmp_path / 'log')!r}, 'a'); log.write('x'); log.flush()\n"
        "answer(token='t' + os.environ['EXTRA'], expirationTimestamp='2026-01-01T01:00:00Z')\n"
    )
    spec = {**plugin(tmp_path, body), "env": [{"name": "EXTRA", "value": "5"}]}
    cache = credentials_for(context(exec=spec, directory=str(tmp_path)), clock)
    first = await cache.get()
    assert first.headers == {"Authorization": "Bearer t5"}
    assert await cache.get() is first
    clock.advance(minutes=59, seconds=55)
    second = await cache.get()
    assert second is not first
    await cache.get(refused=second)
    assert len((tmp_path / "log").read_text()) >= 3


async def test_a_plugin_is_told_about_the_cluster_when_it_asks(clock, tmp_path):
    spec = plugin(tmp_path, "answer(token=info['spec']['cluster']['server'])\n")
    spec["provideClusterInfo"] = True
    found = await headers_of(context(exec=spec, directory=str(tmp_path)), clock)
    assert found == {"Authorization": "Bearer http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('not logged in')", "plugin failed: not logged in"),
        ("sys.exit(3)", r"failed \(exit code 3\)"),
        ("print('hello')", "printed no ExecCredential"),
        ("answer()", "neither a token nor a certificate"),
    ],
)
async def test_a_plugin_that_fails_says_why_and_how_to_run_it(clock, tmp_path, body, message):
    spec = plugin(tmp_path, body)
    with pytest.raises(ClusterError, match=message) as e:
        await headers_of(context(exec=spec, directory=str(tmp_path)), clock)
    assert "run it by hand" in e.value.hint


async def test_a_plugin_that_is_missing_or_hangs(clock, tmp_path, monkeypatch):
    missing = {"command": "kapp-no-such-plugin", "installHint": "install it so"}
    with pytest.raises(ConfigError, match="cannot run the credential plugin") as e:
        await headers_of(context(exec=missing), clock)
    assert e.value.hint == "install it so"
    monkeypatch.setattr(module, "EXEC_TIMEOUT_S", 0.2)
    spec = plugin(tmp_path, "import time; time.sleep(60)\n")
    with pytest.raises(ClusterError, match="did not end within"):
        await headers_of(context(exec=spec, directory=str(tmp_path)), clock)


async def test_legacy_auth_providers_go_through_the_kubernetes_package(clock):
    token = "e30.eyJleHAiOjQxMDI0NDQ4MDB9.x"  # a JWT that expires in 2100
    provider = {"name": "oidc", "config": {"id-token": token}}
    found = await headers_of(context(auth_provider=provider), clock)
    assert found == {"Authorization": f"Bearer {token}"}
    with pytest.raises(ClusterError, match="gave no token"):
        await headers_of(context(auth_provider={"name": "azure"}), clock)


def api(version="v1.36.2", arch="arm64"):
    async def handler(request):
        if request.path == "/version":
            return web.json_response({"gitVersion": version})
        node = {"metadata": {"name": "n"}, "status": {"nodeInfo": {"architecture": arch}}}
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": [node]})

    return handler


async def test_connecting_tells_version_arch_and_product():
    async with serving(api()) as url:
        connection = Connection(context(server=url, product="kind"))
        assert tuple(await connection.connect()) == ("v1.36.2", "arm64", "kind")
        await connection.close()


async def test_a_cluster_that_is_away_heals_by_itself():
    async with serving(api()) as url:
        port = int(url.rpartition(":")[2])
    connection = Connection(context(server=url))
    with pytest.raises(Unreachable, match="connection refused"):
        await connection.connect()
    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/{tail:.*}", api())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    assert (await connection.connect()).version == "v1.36.2"
    await connection.close()
    await end(runner)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (401, ClusterError, "does not accept the credentials"),
        (403, ClusterError, "refuses this user"),
        (503, Unreachable, "is not well"),
    ],
)
async def test_refusals_in_plain_words(code, error, words):
    async def handler(request):
        return web.json_response({}, status=code)

    async with serving(handler) as url:
        connection = Connection(context(server=url))
        with pytest.raises(error, match=words):
            await connection.connect()
        await connection.close()


async def test_nodes_that_may_not_be_read_are_no_error():
    async def handler(request):
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1"})
        return web.json_response({}, status=403)

    async with serving(handler) as url:
        connection = Connection(context(server=url))
        assert tuple(await connection.connect()) == ("v1", "", "")
        await connection.close()


async def test_a_plugins_client_certificate_is_used_and_replaced(tmp_path, clock):
    for name in ("server", "first", "second"):
        (tmp_path / name).mkdir()
    server, ca, _ = self_signed(tmp_path / "server")
    clients = {n: self_signed(tmp_path / n, f"{n}.client")[1:] for n in ("first", "second")}
    server.verify_mode = ssl.CERT_REQUIRED
    for cert, _ in clients.values():
        server.load_verify_locations(cert)
    seen = []

    async def handler(request):
        subject = request.transport.get_extra_info("peercert")["subject"]
        name = subject[0][0][1]
        seen.append(name)
        if len(seen) == 2:
            return web.json_response({}, status=401)
        return web.json_response({"gitVersion": name})

    def answer(name):
        cert, key = (path.read_text() for path in clients[name])
        status = {"clientCertificateData": cert, "clientKeyData": key}
        (tmp_path / "answer").write_text(json.dumps(status))

    spec = plugin(tmp_path, f"answer(**json.load(open({str(tmp_path / 'answer')!r})))\n")
    answer("first")
    async with serving(handler, ssl_context=server) as url:
        connection = Connection(
            context(server=url, ca=ca.read_bytes(), exec=spec, directory=str(tmp_path)), now=clock
        )
        assert await connection.version() == "first.client"
        answer("second")
        assert await connection.version() == "second.client"
        assert seen == ["first.client", "first.client", "second.client"]
        await connection.close()


async def test_a_certificate_that_is_none_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="is not a PEM certificate"):
        Connection(context(server="https://127.0.0.1:1", ca=b"junk"))
    connection = Connection(context(server="https://127.0.0.1:1", cert=b"junk", key=b"junk"))
    with pytest.raises(ConfigError, match="client certificate or its key cannot be used"):
        await connection.version()
    await connection.close()


async def test_impersonation_and_insecure_clusters(tmp_path):
    server, _, _ = self_signed(tmp_path)
    seen = []

    async def handler(request):
        seen.append(request.headers.get("Impersonate-User"))
        return web.json_response({"gitVersion": "v1"})

    async with serving(handler, ssl_context=server) as url:
        strict = Connection(context(server=url))
        with pytest.raises(Unreachable, match="is not trusted"):
            await strict.version()
        await strict.close()
        lax = Connection(context(server=url, insecure_skip_tls_verify=True, impersonate="someone"))
        await lax.version()
        await lax.close()
    assert seen == ["someone"]


def test_making_a_connection_does_nothing():
    connection = Connection(context(product="kind", server="https://127.0.0.1:1"))
    assert (connection.name, connection.namespace, connection.is_local) == ("dev", "default", True)
    assert isinstance(connection.context, KubeContext)


async def test_no_request_goes_ahead_of_the_client_certificate(tmp_path, monkeypatch):
    for name in ("server", "client"):
        (tmp_path / name).mkdir()
    server, ca, _ = self_signed(tmp_path / "server")
    _, cert, key = self_signed(tmp_path / "client", "client")
    server.verify_mode = ssl.CERT_OPTIONAL
    server.load_verify_locations(cert)
    may_load = threading.Event()
    load = connection_module._load_certificate

    def load_late(*args):
        may_load.wait(5)
        load(*args)

    monkeypatch.setattr(connection_module, "_load_certificate", load_late)

    async def whoami(request):
        known = request.transport.get_extra_info("peercert")
        return web.json_response({"known": bool(known)})

    async with serving(whoami, ssl_context=server) as url:
        connection = Connection(
            context(server=url, ca=ca.read_bytes(), cert=cert.read_bytes(), key=key.read_bytes())
        )
        requests = [asyncio.ensure_future(connection.client.get_json("/")) for _ in range(5)]
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.1, may_load.set)
        answers = await asyncio.gather(*requests)
        await connection.close()
    assert answers == [{"known": True}] * 5
