"""200 Deployments in one Kappfile: the first apply of all, and one edit among them.

The peer is `kubectl apply --server-side` of the same file.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployments, mark_of
from benchmarks.world import world

COUNT = 200
EDITS = 10


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Apply all, then edit the last one several times."""
    with world(kubeconfig) as here:
        here.save("Kappfile", "k8s_yaml('all.yaml')\n")
        here.save("all.yaml", deployments(COUNT, edited="first"))
        path = here.path("apis/apps/v1", "deployments")
        events = here.cluster.watch(path)
        seen: set[str] = set()

        def all_are_there(item: dict[str, dict[str, str]]) -> bool:
            seen.add(item["metadata"]["name"])
            return len(seen) == COUNT

        started = time.perf_counter()
        with here.up():
            first = events.until(all_are_there) - started
            edits = []
            for number in range(EDITS):
                _until_quiet(here)
                mark = f"edit-{number}"
                text = deployments(COUNT, edited=mark)
                started = time.perf_counter()
                here.save("all.yaml", text)
                edits.append(events.until(lambda item, mark=mark: mark_of(item) == mark) - started)
        here.kubectl("delete", "deployments", "--all", "--wait=true")
        started = time.perf_counter()
        here.kubectl("apply", "--server-side", "-f", "all.yaml")
        peer = time.perf_counter() - started
    return [
        Figure(
            f"{COUNT} Deployments, first apply",
            first,
            "s",
            budget=3,
            peer="kubectl apply --server-side",
            peer_value=peer,
        ),
        Figure(
            f"one edit among {COUNT}, median of {EDITS}", median(edits) * 1000, "ms", budget=150
        ),
    ]


def _until_quiet(here) -> None:
    for _ in range(600):
        items = here.kapp_objects("uiresources")
        if len(items) >= COUNT and all(_up_to_date(item) for item in items):
            return
        time.sleep(0.05)
    raise RuntimeError("kapp did not come to rest")


def _up_to_date(item) -> bool:
    return any(
        condition["type"] == "UpToDate" and condition["status"] == "True"
        for condition in item.get("status", {}).get("conditions", [])
    )


if __name__ == "__main__":
    main(measure)
