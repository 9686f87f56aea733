"""An idle engine with 1 and with 200 Deployments: processor time over half a minute, and memory."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure, main
from benchmarks.manifests import deployments
from benchmarks.observer import Watch
from benchmarks.world import cpu_seconds, resident_mib, world

_SETTLE_S = 10.0
_WINDOW_S = 30.0
_PATIENCE_S = 180.0
# Deployments: (budget for CPU in percent of a core, budget for memory in MiB)
_BUDGETS = {1: (0.3, 110.0), 200: (0.5, 160.0)}


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Let everything be applied and settle; then count what the engine still uses."""
    figures = []
    for count, (processor, memory) in _BUDGETS.items():
        with world(kubeconfig) as here:
            here.save("Kappfile", "k8s_yaml('all.yaml')\n")
            here.save("all.yaml", deployments(count))
            events = here.cluster.watch(here.path("apis/apps/v1", "deployments"))
            seen: set[str] = set()

            def all_are_there(item, seen=seen, count=count) -> bool:
                seen.add(item["metadata"]["name"])
                return len(seen) == count

            with here.up() as engine:
                events.until(all_are_there)
                _until_quiet(events)
                before, started = cpu_seconds(engine.pid), time.perf_counter()
                time.sleep(_WINDOW_S)
                used = cpu_seconds(engine.pid) - before
                share = 100 * used / (time.perf_counter() - started)
                resident = resident_mib(engine.pid)
        label = f"{count} Deployment{'s' if count > 1 else ''}"
        figures.append(Figure(f"idle, {label}", share, "% of a core", budget=processor))
        figures.append(Figure(f"memory, {label}", resident, "MiB", budget=memory))
    return figures


def _until_quiet(events: Watch) -> None:
    """Until the cluster's own controllers are done too: while they write, nobody is idle."""
    deadline = time.perf_counter() + _PATIENCE_S
    while True:
        events.taken()
        time.sleep(_SETTLE_S)
        if not events.taken():
            return
        if time.perf_counter() > deadline:
            raise RuntimeError(f"the Deployments still change after {_PATIENCE_S:.0f} s")


if __name__ == "__main__":
    main(measure)
