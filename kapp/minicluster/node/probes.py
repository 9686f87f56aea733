"""Startup, readiness and liveness probes of one running container.

Source: k8s.io/kubernetes/pkg/kubelet/prober/worker.go. One difference, for the inner loop's sake:
until a startup or readiness probe first succeeds, it is also tried early, at growing intervals
below its period, from the start. An early try can only succeed; its failures are not counted or
reported, so the first failure that counts is one period after the start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from kapp.minicluster.node import actions

_FIRST_EARLY_TRY_S = 0.05  # what a fast server needs to listen
_EARLY_GROWTH = 1.6

ResultHandler = Callable[[str, bool, str], None]
"""Called with the probe's kind, whether it now counts as passing, and the last message."""


class Probe:
    """Runs one probe for as long as its container instance runs.

    Args:
        kind: startup, readiness or liveness.
        spec: the probe as the container has it.
        target: the container.
        on_result: called when the probe's verdict changes.
        on_failure: called with a message for each failed try that counts.
    """

    def __init__(
        self,
        kind: str,
        spec: Mapping[str, Any],
        target: actions.Target,
        on_result: ResultHandler,
        on_failure: Callable[[str, str], None],
    ) -> None:
        self._kind = kind
        self._spec = spec
        self._target = target
        self._on_result = on_result
        self._on_failure = on_failure
        self._period_s = float(spec.get("periodSeconds") or 10)
        self._timeout_s = float(spec.get("timeoutSeconds") or 1)
        self._passes = int(spec.get("successThreshold") or 1)
        self._failures = int(spec.get("failureThreshold") or 3)
        self._verdict: bool | None = None
        self._streak = 0
        self._last_ok: bool | None = None

    async def run(self) -> None:
        """Probe until cancelled; a startup probe ends when it passes."""
        await asyncio.sleep(float(self._spec.get("initialDelaySeconds") or 0))
        loop = asyncio.get_running_loop()
        early_s = _FIRST_EARLY_TRY_S
        next_s = loop.time() + (0.0 if self._kind == "liveness" else self._period_s)
        while True:
            counts = loop.time() >= next_s
            if counts:
                next_s = loop.time() + self._period_s
            if await self._try(counts=counts) and self._kind == "startup" and self._verdict:
                return
            wait_s = max(0.0, next_s - loop.time())
            if self._verdict is None and self._kind != "liveness":
                wait_s = min(wait_s, early_s)
                early_s *= _EARLY_GROWTH
            await asyncio.sleep(wait_s)

    async def _try(self, *, counts: bool) -> bool:
        outcome = await actions.run(self._spec, self._target, self._timeout_s)
        if not outcome.ok and not counts:
            return False
        if not outcome.ok:
            self._on_failure(self._kind, outcome.message)
        self._streak = self._streak + 1 if outcome.ok == self._last_ok else 1
        self._last_ok = outcome.ok
        needed = self._passes if outcome.ok else self._failures
        if self._streak >= needed and outcome.ok != self._verdict:
            self._verdict = outcome.ok
            self._on_result(self._kind, outcome.ok, outcome.message)
        return outcome.ok
