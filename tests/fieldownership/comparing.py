"""Sends sequences to servers and compares the outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .outcomes import outcome
from .sequences import Step, config_map, deployment
from .servers import Send, Target

SEQUENCES: dict[str, Callable[[str, int], list[Step]]] = {
    "ConfigMap": config_map,
    "Deployment": deployment,
}
LENGTH = 25
"""Steps of one object; then a new one, so that refusals do not pile up."""


def make_namespace(send: Send, name: str) -> None:
    """Create it."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    headers = {"Content-Type": "application/json"}
    status, answer = send("POST", "/api/v1/namespaces", headers, json.dumps(body).encode())
    assert status == 201, answer


def outcomes(send: Send, kind: str, namespace: str, name: str, steps: list[Step]) -> list[Any]:
    """What a server makes of each step; the object is removed in the end."""
    target = Target(send, kind, namespace, name)
    found = [outcome(target.take(step)) for step in steps]
    target.remove()
    return found


def difference(one: Any, other: Any, path: str = "") -> str:
    """Where two outcomes differ first, and how; "" if they are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if name not in one or name not in other:
                where = "the second" if name in other else "the first"
                return f"{path}.{name} is there on {where} only: {one.get(name, other.get(name))}"
            if found := difference(one[name], other[name], f"{path}.{name}"):
                return found
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        found_in = (difference(a, b, f"{path}[{n}]") for n, (a, b) in pairs)
        return next(filter(None, found_in), "")
    return "" if one == other else f"{path}: {one!r} and {other!r}"
