"""Save of an input to evaluated: from the rename of the file to kapp's own watch event of it.

Every kind of input, several saves each; helm and kustomize are stand-ins that take no
time, so that what is measured is kapp.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, main, median
from benchmarks.observer import Observer, Watch
from benchmarks.world import KAPP, World, world

SAVES = 15
BUDGET_MS = 50
KAPPFILES = "/apis/kapp.dev/v1alpha1/kappfiles"
CONFIG_MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}, data: {mark: 'MARK'}}\n"
KAPPFILE = """\
include('lib.star')
k8s_yaml('manifest.yaml')
seen = [read_file('settings.txt'), str(len(listdir('listed'))), read_file('link/a.txt')]
k8s_yaml(helm('chart'))
k8s_yaml(kustomize('base'))
"""
HELM = '#!/bin/sh\nexec cat "$3"/templates/*.yaml\n'
KUSTOMIZE = '#!/bin/sh\nexec cat "$2"/one.yaml\n'


def measure(kubeconfig: Path | None) -> list[Figure]:
    """Save each kind of input, each time after the evaluation before it has ended."""
    with world(kubeconfig) as here:
        _write_project(here)
        here.environment["PATH"] = f"{here.directory}/bin{os.pathsep}{here.environment['PATH']}"
        with here.up():
            own = Observer(_kubeconfig(here))
            events = own.watch(KAPPFILES)
            _until_quiet(own)
            figures = []
            for name, save in _saves(here).items():
                times = [_evaluated_after(save, number, events, own) for number in range(SAVES)]
                figures.append(
                    Figure(f"save of {name} to evaluated", median(times), "ms", budget=BUDGET_MS)
                )
    return figures


def _write_project(here: World) -> None:
    for name in ("listed", "v0", "v1", "chart/templates", "base", "bin"):
        (here.directory / name).mkdir(parents=True)
    (here.directory / "link").symlink_to("v0")
    for name, text in {
        "lib.star": "",
        "manifest.yaml": _config_map("manifest", "first"),
        "settings.txt": "first",
        "v0/a.txt": "first",
        "v1/a.txt": "first",
        "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 0.1.0\n",
        "chart/templates/one.yaml": _config_map("chart", "first"),
        "base/kustomization.yaml": "resources: [one.yaml]\n",
        "base/one.yaml": _config_map("base", "first"),
        "bin/helm": HELM,
        "bin/kustomize": KUSTOMIZE,
        "Kappfile": KAPPFILE,
    }.items():
        (here.directory / name).write_text(text)
    for name in ("helm", "kustomize"):
        (here.directory / "bin" / name).chmod(0o755)


def _saves(here: World) -> dict[str, Callable[[int], None]]:
    """For each kind of input what saves it, given the number of the save."""

    def replace(name: str, text: str) -> None:
        temporary = here.directory / f"{name}.swp"
        temporary.write_text(text)
        temporary.replace(here.directory / name)

    def swap_link(number: int) -> None:
        new = here.directory / "link.swp"
        new.symlink_to(f"v{(number + 1) % 2}")
        new.replace(here.directory / "link")

    return {
        "the Kappfile": lambda number: replace("Kappfile", f"{KAPPFILE}# {number}\n"),
        "an included file": lambda number: replace("lib.star", f"# {number}\n"),
        "a manifest": lambda number: replace("manifest.yaml", _config_map("manifest", number)),
        "a file that is read": lambda number: replace("settings.txt", str(number)),
        "a new file of a listing": lambda number: (here.directory / f"listed/{number}").touch(),
        "a link on the way": swap_link,
        "a chart's template": lambda number: replace(
            "chart/templates/one.yaml", _config_map("chart", number)
        ),
        "a kustomization's resource": lambda number: replace(
            "base/one.yaml", _config_map("base", number)
        ),
    }


def _config_map(name: str, mark: object) -> str:
    return CONFIG_MAP.replace("NAME", name).replace("MARK", str(mark))


def _evaluated_after(
    save: Callable[[int], None], number: int, events: Watch, own: Observer
) -> float:
    """Milliseconds until the evaluation that the save led to has ended."""
    events.taken()
    before = _ended(_kappfile(own))
    started = time.perf_counter()
    save(number)
    arrived = events.until(lambda item: _ended(item) not in ("", before))
    _until_quiet(own)
    return (arrived - started) * 1000


def _kubeconfig(here: World) -> Path:
    """Of the engine's own API, as soon as there is an engine."""
    for _ in range(200):
        try:
            return Path(here.run(KAPP, "kubeconfig").strip())
        except RuntimeError:
            time.sleep(0.05)
    raise RuntimeError("the engine did not start")


def _kappfile(own: Observer) -> dict[str, Any]:
    found: dict[str, Any] = own.request("GET", KAPPFILES)["items"][0]
    return found


def _ended(item: dict[str, Any]) -> str:
    terminated = (item.get("status") or {}).get("terminated") or {}
    return str(terminated.get("finishedAt", ""))


def _until_quiet(own: Observer) -> None:
    """Until nothing was evaluated for a while: the next save must not join this one."""
    seen = ""
    for _ in range(100):
        time.sleep(0.1)
        ended = _ended(_kappfile(own))
        if ended and ended == seen:
            return
        seen = ended
    raise RuntimeError("the Kappfile is evaluated all the time")


if __name__ == "__main__":
    main(measure)
