"""Nothing gets in: every listener against every kind of stranger."""

from __future__ import annotations

import asyncio
import ssl
import stat
from typing import TYPE_CHECKING

import aiohttp
import pytest

from kapp.machinery.status import ApiError
from kapp.server import tls
from kapp.server.auth import Guard

if TYPE_CHECKING:
    from conftest import Running

PATHS = [
    "/api",
    "/apis",
    "/apis/test.dev/v1/widgets",
    "/apis/test.dev/v1/namespaces/default/widgets/one",
    "/apis/test.dev/v1/namespaces/default/widgets/one/log",
    "/openapi/v3",
    "/version",
    "/healthz",
    "/metrics",
    "/nothing/here",
    "//readyz",
    "/readyz/",
    "/readyz%2f..%2fversion",
]


@pytest.fixture
async def tcp(running: Running) -> aiohttp.ClientSession:
    return running.session


@pytest.mark.parametrize("path", PATHS)
async def test_tls_refuses_requests_without_the_token(running: Running, path: str) -> None:
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {running.token}x",
        f"Bearer {running.token[:-1]}",
        f"Basic {running.token}",
        running.token,
        "Bearer \udcff",
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            async with running.session.get(f"{running.url}{path}", headers=headers) as response:
                assert response.status == 401
                assert (await response.json())["reason"] == "Unauthorized"
        except UnicodeEncodeError:
            pass  # the client refuses to send it


@pytest.mark.parametrize("path", ["/readyz", "/livez"])
async def test_health_is_anonymous_but_checks_the_host(running: Running, path: str) -> None:
    async with running.session.get(f"{running.url}{path}") as response:
        assert (response.status, await response.text()) == (200, "ok")
    async with running.session.get(
        f"{running.url}{path}", headers={"Host": "evil.example"}
    ) as response:
        assert response.status == 403


@pytest.mark.parametrize("path", [*PATHS, "/readyz", "/livez"])
async def test_tls_refuses_foreign_hosts_and_origins(running: Running, path: str) -> None:
    port = running.server.ports[0]
    token = {"Authorization": f"Bearer {running.token}"}
    foreign = [
        {"Host": f"evil.example:{port}"},
        {"Host": f"localhost.evil.example:{port}"},
        {"Host": "localhost"},
        {"Host": f"127.0.0.1:{port + 1}"},
        {"Host": "kapp"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{port}"},
        {"Origin": f"https://127.0.0.1:{port}.evil.example"},
    ]
    for headers in foreign:
        async with running.session.get(
            f"{running.url}{path}", headers={**token, **headers}
        ) as response:
            assert response.status == 403, headers
            assert (await response.json())["reason"] == "Forbidden"


async def test_tls_lets_its_own_names_and_origin_in(running: Running) -> None:
    port = running.server.ports[0]
    for headers in (
        {"Host": f"localhost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Origin": f"https://127.0.0.1:{port}"},
    ):
        status, _, _ = await running.request("GET", "/version", headers=headers)
        assert status == 200, headers


async def _raw(running: Running, request: bytes, *, unix: bool) -> bytes:
    if unix:
        reader, writer = await asyncio.open_unix_connection(running.unix_path)
    else:
        context = ssl.create_default_context(cafile=running.certificate)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", running.server.ports[0], ssl=context, server_hostname="localhost"
        )
    try:
        writer.write(request)
        async with asyncio.timeout(5):
            return await reader.readline()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "hosts",
    [b"", b"Host: evil.example\r\n", b"Host: kapp.evil\r\n", b"Host: kapp\r\nHost: evil\r\n"],
)
async def test_unix_socket_refuses_foreign_hosts(running: Running, hosts: bytes) -> None:
    for path in (b"/version", b"/extra", b"/readyz"):
        request = b"GET %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (path, hosts)
        status = (await _raw(running, request, unix=True)).split()[1]
        assert status in (b"400", b"403")


async def test_unix_socket_needs_no_token_and_has_the_extra_routes(running: Running) -> None:
    connector = aiohttp.UnixConnector(str(running.unix_path))
    async with aiohttp.ClientSession(connector=connector) as session:
        for path in ("/version", "/extra"):
            async with session.get(f"http://kapp{path}") as response:
                assert response.status == 200
            async with session.get(
                f"http://kapp{path}", headers={"Origin": "https://evil.example"}
            ) as response:
                assert response.status == 403
    status, _, _ = await running.request("GET", "/extra")
    assert status == 404
    assert stat.S_IMODE(running.unix_path.stat().st_mode) == 0o600


async def test_plain_http_to_the_tls_port_gets_no_answer(running: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.ports[0])
    token = running.token.encode()
    writer.write(
        b"GET /version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token
    )
    async with asyncio.timeout(5):
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
    writer.close()
    assert b"HTTP/1.1 200" not in answer
    assert b"gitVersion" not in answer


async def test_a_websocket_of_a_web_page_is_refused(running: Running) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await running.session.ws_connect(
            f"{running.url}/apis/test.dev/v1/namespaces/default/widgets/one/log",
            headers={"Authorization": f"Bearer {running.token}"},
            origin="https://evil.example",
        )
    assert refused.value.status == 403


async def test_another_certificate_is_not_trusted(running: Running) -> None:
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        async with aiohttp.ClientSession() as session:
            await session.get(f"{running.url}/readyz")


async def test_private_files_are_private(running: Running) -> None:
    key = running.certificate.with_name("tls.key")
    for path in (key, running.kubeconfig):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_tokens_differ() -> None:
    assert tls.new_token() != tls.new_token()
    assert len(tls.new_token()) >= 40


def test_a_guard_without_a_default_port_wants_the_port() -> None:
    guard = Guard("https", ["localhost"], 443, "t")
    guard.check("/livez", ["localhost"], [], [])
    guard.check("/livez", ["localhost:443"], ["https://localhost"], [])
    with pytest.raises(ApiError):
        Guard("https", ["localhost"], 4430, "t").check("/livez", ["localhost"], [], [])


@pytest.mark.parametrize(
    "ending", [b"\x01\r\n\r\n", b"a" * 10_000 + b"\r\n\r\n"], ids=["control", "long"]
)
async def test_no_token_is_logged_with_a_malformed_request(
    running: Running, caplog: pytest.LogCaptureFixture, ending: bytes
) -> None:
    context = ssl.create_default_context(cafile=running.certificate)
    port = running.server.ports[0]
    with caplog.at_level("DEBUG"):
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            head = f"GET /version HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer "
            writer.write(head.encode() + running.token.encode() + ending)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
    assert b" 400 " in answer
    assert "malformed request refused" in caplog.text
    assert running.token not in caplog.text


async def test_a_body_that_is_not_compressed_as_it_says(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    status, answer, _ = await running.request(
        "POST",
        "/apis/test.dev/v1/namespaces/default/widgets",
        raw=b"abcd",
        headers={"Content-Encoding": "gzip"},
    )
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert "request failed" not in caplog.text
