"""Save to applied: from the rename of the saved file to the cluster's own watch event of it.

The peer is the floor: a raw server-side apply of the same Deployment on a warm connection, from
the request to the same watch event. What is above the peer is kapp's own work.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import yaml

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployment, mark_of
from benchmarks.world import World, world

SAVES = 20


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Save twenty times, each after the one before has been applied."""
    with world(kubeconfig) as here:
        here.save("Kappfile", "k8s_yaml('web.yaml')\n")
        here.save("web.yaml", deployment("web", "first"))
        path = here.path("apis/apps/v1", "deployments")
        events = here.cluster.watch(path)
        with here.up():
            events.until(lambda item: mark_of(item) == "first")
            _until_applied(here)
            saves = []
            for number in range(SAVES):
                mark = f"save-{number}"
                text = deployment("web", mark)
                started = time.perf_counter()
                here.save("web.yaml", text)
                saves.append(events.until(lambda item, mark=mark: mark_of(item) == mark) - started)
                _until_applied(here)
        raw = []
        for number in range(SAVES):
            mark = f"raw-{number}"
            body = yaml.safe_load(deployment("raw", mark))
            started = time.perf_counter()
            here.cluster.request(
                "PATCH",
                f"{path}/raw?fieldManager=raw&force=true",
                body,
                "application/apply-patch+yaml",
            )
            raw.append(events.until(lambda item, mark=mark: mark_of(item) == mark) - started)
    own = median(saves) - median(raw)
    return [
        Figure(
            f"save to applied, median of {SAVES}",
            median(saves) * 1000,
            "ms",
            budget=60,
            peer="a raw server-side apply",
            peer_value=median(raw) * 1000,
        ),
        Figure("of it kapp's own work", own * 1000, "ms", budget=25),
    ]


def _until_applied(here: World) -> None:
    """Until kapp has nothing left to do: the next save must not be coalesced with this one."""
    for _ in range(200):
        items = json.loads(here.run("kapp", "get", "uiresources", "-o", "json"))["items"]
        conditions = [
            condition
            for item in items
            for condition in item.get("status", {}).get("conditions", [])
            if condition["type"] == "UpToDate"
        ]
        if conditions and all(condition["status"] == "True" for condition in conditions):
            return
    raise RuntimeError("kapp did not say that it is up to date")


if __name__ == "__main__":
    main(measure)
