"""`kapp list`: the projects kapp knows on this machine."""

from __future__ import annotations

from typing import Any

from kapp.cli.render import say, table
from kapp.instance import Instance, all_instances


def list_() -> None:
    """Show this machine's projects, and which of them run."""
    rows = [_row(instance) for instance in all_instances()]
    if not rows:
        say("no project has been run yet; start one with `kapp up`")
        return
    print(table(["PROJECT", "STATE", "PID", "CLUSTER", "NAMESPACE"], rows))


def _row(instance: Instance) -> list[str]:
    description: dict[str, Any] = instance.describe()
    cluster = description.get("cluster") or {}
    running = instance.is_running()
    return [
        instance.kappfile,
        "Running" if running else "Stopped",
        str(description.get("pid", "")) if running else "-",
        str(cluster.get("context", "-")),
        str(cluster.get("namespace", "-")),
    ]
