"""Ways to send a step: to an API server over HTTP, and to the same machinery without sockets."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from kapp.cluster import kubeconfig
from kapp.machinery.documents import ServerVersion
from kapp.machinery.patch import merge_patch
from kapp.machinery.registry import Registry
from kapp.machinery.requests import Request, Response
from kapp.machinery.rest import RestApi
from kapp.machinery.store import Store
from kapp.minicluster.admission import Admission
from kapp.minicluster.kinds import new_scheme

from .sequences import Step

Answer = tuple[int, Any]
Send = Callable[[str, str, dict[str, str], bytes], Answer]
"""Method, path with query, headers, body; gives the status and the decoded answer."""

MEDIA_TYPES = {
    "create": "application/json",
    "put": "application/json",
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
COLLECTIONS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
}


@contextmanager
def over_http(kubeconfig_path: str) -> Iterator[Send]:
    """A server that a kubeconfig names, by certificate or token; one connection."""
    context = kubeconfig.load(kubeconfig_path)
    trust = ssl.create_default_context(cadata=context.ca.decode())
    if context.cert:
        with tempfile.TemporaryDirectory() as directory:
            pair = Path(directory, "crt"), Path(directory, "key")
            pair[0].write_bytes(context.cert)
            pair[1].write_bytes(context.key)
            trust.load_cert_chain(*pair)
    credentials = {"Authorization": f"Bearer {context.token}"} if context.token else {}
    where = urlsplit(context.server)
    connection = http.client.HTTPSConnection(
        where.hostname or "", where.port, context=trust, timeout=30
    )

    def send(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection.request(method, path, body or None, {**headers, **credentials})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    with closing(connection):
        yield send


def in_process() -> Send:
    """The embedded cluster's API without its controllers."""
    store = Store()
    registry = Registry(
        new_scheme(), store, now=lambda: datetime.now(UTC), admit=[Admission(store)]
    )
    api = RestApi(registry, version=ServerVersion("1", "36", "v1.36.0"))

    def send(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        url = urlsplit(path)
        query = dict(pair.split("=") for pair in url.query.split("&") if pair)
        lower = {name.lower(): value for name, value in headers.items()}
        answer = api.handle(Request(method, url.path, query, lower, body))
        assert isinstance(answer, Response)
        return answer.status, json.loads(answer.body)

    return send


class Target:
    """One object on one server."""

    def __init__(self, send: Send, kind: str, namespace: str, name: str) -> None:
        self._send = send
        self._collection = COLLECTIONS[kind].format(namespace)
        self._name = name
        self._path = f"{self._collection}/{name}"

    def take(self, step: Step) -> Answer:
        """Send a step."""
        verb, body = step["verb"], step["body"]
        if verb in ("create", "apply"):
            body = {**body, "metadata": {**body.get("metadata", {}), "name": self._name}}
        if verb == "put":
            live = self.read()
            live.get("metadata", {}).pop("resourceVersion", None)
            body = merge_patch(live, body)
        method = {"create": "POST", "put": "PUT"}.get(verb, "PATCH")
        query = {"fieldManager": step["manager"]}
        if verb == "apply":
            query["force"] = "true" if step["force"] else "false"
        path = self._collection if verb == "create" else self._path
        return self._send(
            method,
            f"{path}?{urlencode(query)}",
            {"Content-Type": MEDIA_TYPES[verb], "Accept": "application/json"},
            json.dumps(body).encode(),
        )

    def read(self) -> Any:
        """The object, or the Status that says why not."""
        return self._send("GET", self._path, {"Accept": "application/json"}, b"")[1]

    def remove(self) -> None:
        """Delete it, finalizers or not."""
        patch = {"metadata": {"finalizers": None}}
        headers = {"Content-Type": MEDIA_TYPES["merge"]}
        self._send("PATCH", self._path, headers, json.dumps(patch).encode())
        self._send("DELETE", self._path, {}, b"")
