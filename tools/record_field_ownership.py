"""Record what a real Kubernetes API server makes of random sequences of writes.

    python tools/record_field_ownership.py KUBECONFIG

Writes `tests/fieldownership/recorded.json.gz`, which the tests compare the embedded cluster's
machinery with. The sequences are the same each time; the answers are the server's. Works in a
namespace of its own, which it deletes.
"""

from __future__ import annotations

import gzip
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.fieldownership.comparing import (  # noqa: E402
    LENGTH,
    SEQUENCES,
    make_namespace,
    outcomes,
)
from tests.fieldownership.servers import Send, over_http  # noqa: E402

OBJECTS = 12
"""Of each kind: some 300 steps, 30 kB."""


def main(kubeconfig: str) -> None:
    """Send every step, and write what came of it."""
    namespace = f"kapp-record-{uuid.uuid4().hex[:8]}"
    with over_http(kubeconfig) as send:
        make_namespace(send, namespace)
        try:
            cases = list(record(send, namespace))
        finally:
            send("DELETE", f"/api/v1/namespaces/{namespace}", {}, b"")
    packed = gzip.compress(json.dumps(cases, separators=(",", ":")).encode(), 9, mtime=0)
    (ROOT / "tests" / "fieldownership" / "recorded.json.gz").write_bytes(packed)


def record(send: Send, namespace: str) -> Iterator[dict[str, Any]]:
    """The sequences and what the server makes of them."""
    for kind, sequence in SEQUENCES.items():
        for number in range(OBJECTS):
            seed = f"recorded {number}"
            steps = sequence(seed, LENGTH)
            found = outcomes(send, kind, namespace, f"object{number}", steps)
            yield {"kind": kind, "seed": seed, "steps": steps, "outcomes": found}


if __name__ == "__main__":
    main(sys.argv[1])
