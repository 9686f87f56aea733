"""The embedded cluster: its start, and a Deployment from its creation to available.

A start is `kapp cluster start` to its return; available is the cluster's watch event that says so.
"""

from __future__ import annotations

import time
from pathlib import Path

import yaml

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployment
from benchmarks.world import KAPP, world

RUNS = 5


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Always of the embedded cluster, whichever was chosen."""
    with world(None) as here:
        path = here.path("apis/apps/v1", "deployments")
        events = here.cluster.watch(path)
        ready = []
        for number in range(RUNS):
            name = f"web-{number}"
            body = yaml.safe_load(deployment(name, "", replicas=1))
            started = time.perf_counter()
            here.cluster.request("POST", path, body)
            ready.append(
                events.until(
                    lambda item, name=name: (
                        item["metadata"]["name"] == name
                        and item.get("status", {}).get("availableReplicas") == 1
                    )
                )
                - started
            )
        starts = []
        for _ in range(RUNS):
            here.run(KAPP, "cluster", "stop")
            started = time.perf_counter()
            here.run(KAPP, "cluster", "start")
            starts.append(time.perf_counter() - started)
    return [
        Figure(f"embedded cluster, start, median of {RUNS}", median(starts), "s", budget=1),
        Figure(f"Deployment created to ready, median of {RUNS}", median(ready), "s", budget=1),
    ]


if __name__ == "__main__":
    main(measure)
