"""Steady requests to a forward through rollouts, pod deletions, late listeners, flipping probes.

A pod serves while a watch of the benchmark's own shows it Ready and not being deleted, and once its
program says that it listens. A request may wait as long as no pod served, plus 250 ms. The programs
finish what they were asked before they end, as web servers do.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, main, median
from benchmarks.world import World, free_port, world
from tests.journeys import manifests
from tests.journeys.steady import Request, Steady

ROLLOUTS = 20
DELETIONS = 20
RECREATIONS = 3
LATE = 2
FLIPS_S = 12.0
_INTERVAL_S = 0.01
_PHASE_S = 120.0
_EXCESS_MS = 250.0

server = partial(manifests.server, drains=True)


class Serving:
    """Which pods of one Deployment served when, from watch events and the programs' own words."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ready: dict[str, list[tuple[float, bool]]] = {}
        self.first_ready: dict[str, float] = {}  # by page
        self.listening: dict[str, float] = {}

    def watch(self, events: list[tuple[float, dict[str, Any]]]) -> None:
        """Take in pod events."""
        for when, event in events:
            pod = event["object"]
            if pod["metadata"].get("labels", {}).get("app") != self._name:
                continue
            deleting = "deletionTimestamp" in pod["metadata"] or event["type"] == "DELETED"
            ready = not deleting and any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in pod.get("status", {}).get("conditions", ())
            )
            self._ready.setdefault(pod["metadata"]["name"], []).append((when, ready))
            if ready:
                environment = pod["spec"]["containers"][0]["env"]
                page = next(one["value"] for one in environment if one["name"] == "PAGE")
                self.first_ready.setdefault(page, when)

    def answered(self, requests: list[Request]) -> None:
        """Take in what the programs said."""
        for request in requests:
            if not request.error:
                _, pod, since = request.body.split()
                self.listening[pod] = float(since)

    def gaps(self, begin: float, end: float) -> list[tuple[float, float]]:
        """When no pod served, between two times."""
        served = sorted(
            (max(since, self.listening.get(pod, since)), until)
            for pod, changes in self._ready.items()
            for since, until in _true_intervals(changes, end)
        )
        gaps, free_since = [], begin
        for since, until in served:
            if since > free_since:
                gaps.append((free_since, since))
            free_since = max(free_since, until)
        if free_since < end:
            gaps.append((free_since, end))
        return gaps


def _true_intervals(changes: list[tuple[float, bool]], end: float) -> list[tuple[float, float]]:
    intervals: list[tuple[float, float]] = []
    since: float | None = None
    for when, ready in changes:
        if ready and since is None:
            since = when
        elif not ready and since is not None:
            intervals.append((since, when))
            since = None
    if since is not None:
        intervals.append((since, end))
    return intervals


def excess(request: Request, gaps: list[tuple[float, float]]) -> float:
    """How much longer a request waited than no pod served, in seconds."""
    overlap = sum(
        max(0.0, min(end, request.ended) - max(begin, request.started)) for begin, end in gaps
    )
    return request.waited - overlap


def measure(kubeconfig: Path | None) -> list[Figure]:
    """All phases, on two Deployments: one rolls, one recreates."""
    rolling, recreated = free_port(), free_port()
    with world(kubeconfig) as here:
        here.save("web.yaml", server("v0"))
        here.save("one.yaml", server("v0", name="one", recreate=True))
        here.save(
            "Kappfile",
            f"k8s_yaml(['web.yaml', 'one.yaml'])\n"
            f"port_forward('web', {rolling})\nport_forward('one', {recreated})\n",
        )
        events = here.cluster.watch(here.path("api/v1", "pods"))
        web = Steady(rolling, _INTERVAL_S)
        one = Steady(recreated, _INTERVAL_S)
        with here.up(), _asking(web), _asking(one):
            began = time.perf_counter()
            _phases(here, web, one)
            ended = time.perf_counter()
        seen = events.taken()
    return _figures(seen, web, one, began, ended)


@contextlib.contextmanager
def _asking(steady: Steady) -> Iterator[None]:
    """Requests, once the engine answers the first: before it listens, nothing is promised."""
    _until(lambda: _listens(steady.port), "the engine")
    with steady.asking():
        _until(lambda: steady.first("v0"), "the first pod")
        yield


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _phases(here: World, web: Steady, one: Steady) -> None:
    for number in range(1, ROLLOUTS + 1):
        here.save("web.yaml", server(f"v{number}"))
        _until(lambda number=number: web.first(f"v{number}"), f"rollout {number}")
    for number in range(DELETIONS):
        pod = web.requests[-1].body.split()[1]
        here.kubectl("delete", "pod", pod, "--wait=false")
        _until(lambda pod=pod: pod not in web.requests[-1].body, f"deletion {number}")
    for number in range(1, RECREATIONS + 1):
        here.save("one.yaml", server(f"v{number}", name="one", recreate=True))
        _until(lambda number=number: one.first(f"v{number}"), f"recreation {number}")
    for number in range(LATE):
        here.save("web.yaml", server(f"late{number}", probe=False, delay_s=5))
        _until(lambda number=number: web.first(f"late{number}"), "a late listener")
    here.save("web.yaml", server("flips", flip_s=2))
    _until(lambda: web.first("flips"), "flips")
    time.sleep(FLIPS_S)


def _until(condition: Callable[[], object], what: str) -> None:
    deadline = time.perf_counter() + _PHASE_S
    while not condition():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"not within {_PHASE_S:.0f} s: {what}")
        time.sleep(0.02)


def _figures(
    events: list[tuple[float, dict[str, Any]]],
    web: Steady,
    one: Steady,
    began: float,
    ended: float,
) -> list[Figure]:
    worst: list[tuple[float, Request]] = []
    first_bytes: list[float] = []
    for name, steady in (("web", web), ("one", one)):
        serving = Serving(name)
        serving.watch(events)
        serving.answered(steady.requests)
        during = [r for r in steady.requests if began <= r.started and r.ended <= ended]
        gaps = serving.gaps(began, ended)
        worst += [(excess(request, gaps), request) for request in during]
        for page, ready in serving.first_ready.items():
            first = steady.first(page)
            if first is not None and page.startswith("v") and page != "v0":
                first_bytes.append(max(first.ended - ready, 0.0))
    worst.sort(key=lambda one: -one[0])
    too_long = sum(more * 1000 > _EXCESS_MS for more, _ in worst)
    print(f"{too_long} requests waited more than {_EXCESS_MS:.0f} ms too long")
    for more, request in worst[:5]:
        print(f"{more:.3f} s too long: {request} (after {request.started - began:.1f} s)")
    print("Ready to first byte, s:", *(f"{one:.3f}" for one in first_bytes))
    requests = web.requests + one.requests
    failures = web.failures + one.failures
    for failure in failures[:10]:
        print(f"failed: {failure}")
    return [
        Figure("requests through rollouts and deletions", len(requests), "requests"),
        Figure("of them refused, reset or cut short", len(failures), "requests", budget=0),
        Figure(
            "longest wait beyond the time without a pod",
            worst[0][0] * 1000,
            "ms",
            budget=_EXCESS_MS,
        ),
        Figure("kept connections that a pod ended", web.reopened + one.reopened, "connections"),
        Figure(
            f"pod Ready to first byte, median of {len(first_bytes)} rollouts",
            median(first_bytes) * 1000,
            "ms",
            budget=250,
        ),
    ]


if __name__ == "__main__":
    main(measure)
