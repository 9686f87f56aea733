"""`kapp up` to the first apply, with the cluster already running.

From the start of the process to the cluster's watch event of the one Deployment. The peer is
`kubectl apply --server-side` of the same file, which keeps nothing in line afterwards.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployment, mark_of
from benchmarks.world import world

RUNS = 5


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Start and end the engine several times; the first warms the bytecode and is not counted."""
    times, peer = [], []
    with world(kubeconfig) as here:
        here.save("Kappfile", "k8s_yaml('web.yaml')\n")
        events = here.cluster.watch(here.path("apis/apps/v1", "deployments"))
        for number in range(RUNS + 1):
            mark = f"up-{number}"
            here.save("web.yaml", deployment("web", mark))
            started = time.perf_counter()
            with here.up():
                arrived = events.until(lambda item, mark=mark: mark_of(item) == mark)
            if number:
                times.append(arrived - started)
        for number in range(RUNS):
            mark = f"kubectl-{number}"
            here.save("web.yaml", deployment("web", mark))
            started = time.perf_counter()
            here.kubectl("apply", "--server-side", "-f", "web.yaml")
            arrived = events.until(lambda item, mark=mark: mark_of(item) == mark)
            peer.append(arrived - started)
    return [
        Figure(
            f"up to first apply, median of {RUNS}",
            median(times),
            "s",
            budget=0.6,
            peer="kubectl apply --server-side",
            peer_value=median(peer),
        )
    ]


if __name__ == "__main__":
    main(measure)
