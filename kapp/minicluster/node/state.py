"""What the node knows about its pods: handles and facts, rebuildable from objects.

One `PodState` for each pod (by uid), one `ContainerState` for each of its containers. Changed by
the kubelet and by what it starts (probes, stops); read by `status` to write the pod's status.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from kapp.aio.supervise import TaskGroup
from kapp.machinery.objects import Object, ObjectKey
from kapp.minicluster.node.logfile import LogFile

Phase = Literal["waiting", "running", "terminated"]


@dataclass
class Ended:
    """How an instance of a container ended."""

    exit_code: int
    reason: str
    started_at: datetime
    finished_at: datetime
    container_id: str
    message: str = ""
    signal: int = 0


@dataclass
class ContainerState:
    """A container, through all of its restarts.

    Attributes:
        reason: why it waits, and what to do about it (`message`).
        key: names its present process to the runtime.
        attempts: instances so far; `restart_count` of the running one is one less.
        delay_s: the backoff that the next crash earns.
        not_before: loop time before which it is not restarted.
        hopeless: starting it again is pointless until the pod changes.
    """

    name: str
    phase: Phase = "waiting"
    reason: str = "ContainerCreating"
    message: str = ""
    key: str = ""
    container_id: str = ""
    attempts: int = 0
    started_at: datetime | None = None
    started_loop_s: float = 0.0
    ended: Ended | None = None
    last: Ended | None = None
    ready: bool = False
    started: bool = False
    delay_s: float = 0.0
    not_before: float = 0.0
    hopeless: bool = False
    log: LogFile | None = None
    terminal: int = -1
    stdin: int = -1
    stdin_once: bool = False
    tasks: TaskGroup | None = None
    stopping: asyncio.Task[None] | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def restart_count(self) -> int:
        """Restarts so far, as the pod's status tells it."""
        return max(0, self.attempts - 1)

    def wait(self, reason: str, message: str = "") -> None:
        """It cannot run yet."""
        self.phase, self.reason, self.message = "waiting", reason, message


@dataclass
class PodState:
    """A pod that the node runs, or has run and not yet forgotten.

    `claims` are the directories of its claims, by their names.
    """

    uid: str
    key: ObjectKey
    pod: Object
    containers: dict[str, ContainerState]
    address: str = ""
    started_at: datetime | None = None
    sandbox: bool = False
    terminating: bool = False
    failed_reason: str = ""
    failed_message: str = ""
    problem: str = ""
    written: dict[str, Any] | None = None
    claims: dict[str, str] = field(default_factory=dict)

    def running(self) -> list[ContainerState]:
        """The containers that have a process."""
        return [c for c in self.containers.values() if c.phase == "running"]
