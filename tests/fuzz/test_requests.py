"""No request makes a server fail, whatever is in it: both servers' APIs, without their sockets.

KAPP_FUZZ_REQUESTS says how many requests are made, KAPP_FUZZ_SEED which; `make fuzz` makes many.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from kapp.api.v1alpha1.scheme import scheme as kapp_scheme
from kapp.machinery.documents import ServerVersion
from kapp.machinery.objects import ObjectKey
from kapp.machinery.options import WriteOptions
from kapp.machinery.registry import Registry
from kapp.machinery.requests import Request, Response, WatchResponse
from kapp.machinery.rest import RestApi
from kapp.machinery.store import Store
from kapp.minicluster import protobuf
from kapp.minicluster.admission import Admission
from kapp.minicluster.kinds import new_scheme

from .requests import Fuzzer

REQUESTS = int(os.environ.get("KAPP_FUZZ_REQUESTS") or 2500)
SEED = os.environ.get("KAPP_FUZZ_SEED") or "kapp"
VERSION = ServerVersion("1", "36", "v1.36.0")


def now() -> datetime:
    return datetime.now(UTC)


def kapp() -> RestApi:
    return RestApi(Registry(kapp_scheme(), Store(), now=now), version=VERSION)


def embedded() -> RestApi:
    store = Store()
    registry = Registry(new_scheme(), store, now=now, admit=[Admission(store)])
    namespaces = registry.scheme.by_path("", "v1", "namespaces")
    assert namespaces is not None
    registry.create(namespaces, "", {"metadata": {"name": "default"}}, WriteOptions(manager="test"))
    assert store.get("namespaces", ObjectKey("", "default"))
    streams = {("pods", name) for name in ("log", "exec", "attach", "portforward")}
    decoders = {protobuf.MEDIA_TYPE: protobuf.decode}
    return RestApi(registry, version=VERSION, streams=streams, decoders=decoders)


@pytest.mark.timeout(60 + REQUESTS // 10)
@pytest.mark.parametrize("make", [kapp, embedded])
def test_every_request_is_answered(make: Callable[[], RestApi]) -> None:
    api = make()
    print(f"KAPP_FUZZ_SEED={SEED}")
    fuzzer = Fuzzer(api._registry.scheme, random.Random(f"{SEED} {make.__name__}"))
    answers = {"2": 0, "4": 0}
    for number in range(REQUESTS):
        request = fuzzer.request()
        try:
            status = answered(api, request)
            # What was written can be shown: as a table, and to a watcher.
            if status in (200, 201) and request.method in ("POST", "PUT", "PATCH"):
                answered(api, shown(request))
        except Exception as error:
            error.add_note(f"request {number} of seed {SEED}: {request}")
            raise
        assert status < 500 or status in (501, 504), f"{number} of {SEED}: {status} {request}"
        answers[str(status)[0]] = answers.get(str(status)[0], 0) + 1
    assert answers["2"] > REQUESTS / 20, answers


def answered(api: RestApi, request: Request) -> int:
    """The status of the answer; a watch is read once."""
    answer = api.handle(request)
    if isinstance(answer, WatchResponse):
        events = answer.selection.take()
        if answer.lines is not None:
            answer.lines(events)
        answer.selection.close()
        return 200
    return answer.status if isinstance(answer, Response) else 101


def shown(request: Request) -> Request:
    """A list, as a table, of what a write was about."""
    parts = request.path.rstrip("/").split("/")
    end = 4 if parts[1] == "api" else 5
    path = "/".join(parts[: end + 2] if parts[end - 1] == "namespaces" else parts[:end])
    table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    return Request("GET", path, {}, {"accept": table})
