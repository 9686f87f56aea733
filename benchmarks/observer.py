"""Looks at a cluster from outside: a raw HTTPS client of its own, no part of kapp in between.

Times are of `time.perf_counter`, taken when the bytes arrived.
"""

from __future__ import annotations

import base64
import http.client
import json
import queue
import ssl
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


class Observer:
    """One cluster, reached by its kubeconfig's current context."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        server = urllib.parse.urlsplit(cluster["server"])
        self._address = (server.hostname or "", server.port or 443)
        self._tls = ssl.create_default_context(
            cadata=_data(cluster, "certificate-authority").decode()
        )
        self._headers = {"Content-Type": "application/json"}
        if token := user.get("token"):
            self._headers["Authorization"] = f"Bearer {token}"
        if "client-certificate-data" in user or "client-certificate" in user:
            with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
                pair.write(_data(user, "client-certificate") + b"\n" + _data(user, "client-key"))
                pair.flush()
                self._tls.load_cert_chain(pair.name)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(*self._address, context=self._tls, timeout=60)
        connection.connect()
        return connection

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """One request on a warm connection; returns the decoded answer."""
        payload = None if body is None else json.dumps(body)
        headers = {**self._headers, "Content-Type": content_type}
        self._connection.request(method, path, payload, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def watch(self, path: str) -> Watch:
        """Follow a collection from now on."""
        version = self.request("GET", path)["metadata"]["resourceVersion"]
        return Watch(self._connect(), f"{path}?watch=true&resourceVersion={version}", self._headers)


class Watch:
    """The events of a collection, each with the time at which it arrived."""

    def __init__(
        self, connection: http.client.HTTPSConnection, path: str, headers: dict[str, str]
    ) -> None:
        self._events: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        connection.timeout = None
        connection.sock.settimeout(None)
        connection.request("GET", path, headers=headers)
        self._answer = connection.getresponse()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for line in self._answer:
            self._events.put((time.perf_counter(), json.loads(line)))

    def taken(self) -> list[tuple[float, dict[str, Any]]]:
        """What has arrived since the last call, each with its time; does not wait."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def until(self, wanted: Callable[[dict[str, Any]], bool], *, within_s: float = 60.0) -> float:
        """When the first event whose object is `wanted` arrived. Raises queue.Empty too late."""
        deadline = time.perf_counter() + within_s
        while True:
            arrived, event = self._events.get(timeout=max(0.0, deadline - time.perf_counter()))
            if wanted(event["object"]):
                return arrived


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _data(section: dict[str, Any], key: str) -> bytes:
    if inline := section.get(f"{key}-data"):
        return base64.b64decode(inline)
    return Path(section[key]).read_bytes()
