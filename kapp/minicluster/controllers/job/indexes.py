"""Indexed Jobs: which indexes are done, and what a pod is told of its own. Pure.

Source: pkg/controller/job/indexed_job_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapp.machinery.objects import Object, annotations_of, name_of

INDEX = "batch.kubernetes.io/job-completion-index"
_VARIABLE = "JOB_COMPLETION_INDEX"
_MAX_NAME_CHARS = 63 - 5


def is_indexed(job: Object) -> bool:
    """Whether each pod has an index of its own."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int:
    """The pod's index; -1 for none."""
    text = annotations_of(pod).get(INDEX, "")
    return int(text) if text.isdecimal() else -1


def parse_indexes(text: str) -> set[int]:
    """`1,3-5` as numbers."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: Iterable[int]) -> str:
    """Numbers as `1,3-5`; two in a row are written one by one."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    parts = []
    for run in runs:
        long = len(run) > 2
        parts.append(f"{run[0]}-{run[-1]}" if long else ",".join(map(str, run)))
    return ",".join(parts)


def missing_indexes(job: Object, done: set[int], active: Iterable[Object], count: int) -> list[int]:
    """The first `count` indexes that are neither done nor running."""
    running = {index_of(pod) for pod in active}
    wanted = range(int(job["spec"].get("completions") or 0))
    return [index for index in wanted if index not in done and index not in running][:count]


def give_index(job: Object, pod: Object, index: int) -> None:
    """Tell a new pod its index: annotation, label, host name and environment, in place."""
    meta = pod["metadata"]
    meta["annotations"] = {**(meta.get("annotations") or {}), INDEX: str(index)}
    meta["labels"] = {**(meta.get("labels") or {}), INDEX: str(index)}
    suffix = f"-{index}-"
    meta["generateName"] = name_of(job)[: _MAX_NAME_CHARS - len(suffix)] + suffix
    pod["spec"]["hostname"] = f"{name_of(job)}-{index}"
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    for field in ("initContainers", "containers"):
        for container in pod["spec"].get(field) or ():
            env: list[dict[str, Any]] = container.setdefault("env", [])
            if all(variable.get("name") != _VARIABLE for variable in env):
                env.append({"name": _VARIABLE, "valueFrom": source})
