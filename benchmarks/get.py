"""`kapp get kapp NAME -o jsonpath=…` as a whole process.

In turn with kubectl reading the same object from the same API, and with a Python that does nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Figure, main, median
from benchmarks.manifests import deployment
from benchmarks.world import KAPP, KUBECTL, World, world

RUNS = 30


def measure(kubeconfig: Path | None) -> list[Figure]:
    """The three commands one after the other, thirty times; the first round warms the caches."""
    with world(kubeconfig) as here:
        here.save("Kappfile", "k8s_yaml('web.yaml')\n")
        here.save("web.yaml", deployment("web", "first"))
        events = here.cluster.watch(here.path("apis/apps/v1", "deployments"))
        with here.up():
            events.until(lambda item: item["metadata"]["name"] == "web")
            own = here.run(KAPP, "kubeconfig").strip()
            what = ("get", "kapp", "web", "-o", "jsonpath={.spec.yaml}")
            commands = {
                "kapp": (KAPP, *what),
                "kubectl": (KUBECTL, "--kubeconfig", own, *what),
                "python": (sys.executable, "-c", "pass"),
            }
            times: dict[str, list[float]] = {name: [] for name in commands}
            for number in range(RUNS + 1):
                for name, command in commands.items():
                    took = _run(here, command)
                    if number:
                        times[name].append(took)
    kapp, kubectl, python = (median(times[name]) * 1000 for name in ("kapp", "kubectl", "python"))
    return [
        Figure("kapp get -o jsonpath", kapp, "ms", kubectl, peer="kubectl get", peer_value=kubectl),
        Figure(
            "kapp get -o jsonpath, beside python",
            kapp,
            "ms",
            3 * python,
            peer="python -c pass",
            peer_value=python,
        ),
    ]


def _run(here: World, command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=here.directory,
        env=here.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main(measure)
