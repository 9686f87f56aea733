"""One Kappfile with 200 Deployments in one file: evaluation alone, after one of them was edited.

No cluster and no engine. The peer is what any program must do with such a file: parse it, with
libyaml.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployments
from kapp.kappfile.caches import EvaluationCache
from kapp.kappfile.context import KubeContextInfo
from kapp.kappfile.evaluate import evaluate

COUNT = 200
EDITS = 20


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Evaluate once from nothing, then after each of several edits."""
    del kubeconfig  # nothing is applied
    context = KubeContextInfo("embedded", is_local=True)
    cache = EvaluationCache()
    with tempfile.TemporaryDirectory() as directory:
        kappfile, manifests = Path(directory, "Kappfile"), Path(directory, "all.yaml")
        kappfile.write_text("k8s_yaml('all.yaml')\nport_forward('web-199', 8000)\n")
        times, peer = [], []
        for number in range(EDITS + 1):
            manifests.write_text(deployments(COUNT, edited=str(number)))
            started = time.perf_counter()
            result = evaluate(kappfile, context=context, env={}, cache=cache)
            times.append(time.perf_counter() - started)
            assert len(result.resources) == COUNT
            started = time.perf_counter()
            list(yaml.load_all(manifests.read_text(), Loader=yaml.CSafeLoader))
            peer.append(time.perf_counter() - started)
    first, *edits = times
    return [
        Figure(
            f"evaluation of {COUNT} Deployments after one edit, median of {EDITS}",
            median(edits) * 1000,
            "ms",
            budget=50,
            peer="libyaml reads the same file",
            peer_value=median(peer) * 1000,
        ),
        Figure(f"first evaluation of {COUNT} Deployments", first * 1000, "ms"),
    ]


if __name__ == "__main__":
    main(measure)
