"""managedFields and conflicts are those of a real API server, after any sequence of writes.

`recorded.json.gz` holds sequences and what a real server made of each step; with
KAPP_TEST_KUBECONFIG fresh ones are sent to both. KAPP_TEST_SEED chooses other sequences.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kapp.minicluster import process

from .comparing import LENGTH, SEQUENCES, difference, make_namespace, outcomes
from .servers import Send, in_process, over_http

RECORDED = Path(__file__).parent / "recorded.json.gz"
REAL_KUBECONFIG = os.environ.get("KAPP_TEST_KUBECONFIG", "")
STEPS = 500


def recorded() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(gzip.decompress(RECORDED.read_bytes()))
    return found


@pytest.mark.parametrize("kind", SEQUENCES)
def test_writes_end_as_they_did_on_a_real_server(kind: str) -> None:
    send = in_process()
    make_namespace(send, "test")
    steps = 0
    for number, case in enumerate(case for case in recorded() if case["kind"] == kind):
        found = outcomes(send, kind, "test", f"object{number}", case["steps"])
        for position, (ours, theirs) in enumerate(zip(found, case["outcomes"], strict=True)):
            step = case["steps"][position]
            assert difference(theirs, ours) == "", f"{case['seed']} step {position}: {step}"
            steps += 1
    assert steps >= STEPS / 2


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    directory = tmp_path_factory.mktemp("cluster")
    with over_http(str(process.start(directory))) as send:
        yield send
    process.stop(directory)


@pytest.fixture(scope="module")
def real() -> Iterator[Send]:
    with over_http(REAL_KUBECONFIG) as send:
        yield send


# Without a cluster to compare with, there is nothing that could be asked of it.
if REAL_KUBECONFIG:

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("kind", SEQUENCES)
    def test_writes_end_alike_on_both(kind: str, embedded: Send, real: Send) -> None:
        seed = os.environ.get("KAPP_TEST_SEED") or str(random.randrange(10**6))
        print(f"KAPP_TEST_SEED={seed}")
        namespace = f"kapp-test-{uuid.uuid4().hex[:8]}"
        for send in (real, embedded):
            make_namespace(send, namespace)
        try:
            for number in range(STEPS // LENGTH):
                steps = SEQUENCES[kind](f"{seed}/{number}", LENGTH)
                theirs = outcomes(real, kind, namespace, f"object{number}", steps)
                ours = outcomes(embedded, kind, namespace, f"object{number}", steps)
                for position, pair in enumerate(zip(theirs, ours, strict=True)):
                    at = f"{seed}/{number} step {position}: {steps[position]}"
                    assert difference(*pair) == "", at
        finally:
            for send in (real, embedded):
                send("DELETE", f"/api/v1/namespaces/{namespace}", {}, b"")
