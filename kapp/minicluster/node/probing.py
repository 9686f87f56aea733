"""The probes of running containers: which run when, and what their results change.

Source: k8s.io/kubernetes/pkg/kubelet/prober. One `Probes` for a node; the tasks belong to the
containers. What a probe does is `kapp.minicluster.node.probes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from kapp.minicluster.node import actions, podspec
from kapp.minicluster.node.actions import Target
from kapp.minicluster.node.events import Recorder
from kapp.minicluster.node.probes import Probe
from kapp.minicluster.node.state import ContainerState, PodState

Stop: TypeAlias = Callable[[PodState, ContainerState, int], None]
"""Begins to stop a container, within seconds of grace."""


class Probes:
    """Makes containers started and ready, and stops those whose probes say so.

    Args:
        recorder: where events go.
        changed: called after each change of a container's state.
        stop: see `Stop`.
    """

    def __init__(
        self, recorder: Recorder, *, changed: Callable[[PodState], None], stop: Stop
    ) -> None:
        self._recorder = recorder
        self._changed = changed
        self._stop = stop

    def begin(
        self, state: PodState, container: ContainerState, spec: dict[str, Any], target: Target
    ) -> None:
        """Begin probing; without a startup probe the container has started now."""
        if "startupProbe" in spec:
            self._run_probe(state, container, spec, target, "startup")
        else:
            self._started(state, container, spec, target)

    def _started(
        self, state: PodState, container: ContainerState, spec: dict[str, Any], target: Target
    ) -> None:
        container.started = True
        container.ready = "readinessProbe" not in spec
        for kind in ("readiness", "liveness"):
            if f"{kind}Probe" in spec:
                self._run_probe(state, container, spec, target, kind)
        self._changed(state)

    def _run_probe(
        self,
        state: PodState,
        container: ContainerState,
        spec: dict[str, Any],
        target: Target,
        kind: str,
    ) -> None:
        def on_failure(what: str, message: str) -> None:
            text = f"{what.capitalize()} probe failed: {message}"
            self._recorder.pod(state.pod, "Unhealthy", text, warning=True, container=container.name)

        def on_result(what: str, ok: bool, _message: str) -> None:
            if what == "readiness":
                container.ready = ok
                self._changed(state)
            elif ok and what == "startup":
                self._started(state, container, spec, target)
            elif not ok:
                self._recorder.pod(
                    state.pod, "Killing",
                    f"Container {container.name} failed {what} probe, will be restarted",
                    container=container.name,
                )  # fmt: skip
                grace = spec[f"{kind}Probe"].get("terminationGracePeriodSeconds")
                grace_s = podspec.grace_period_s(state.pod) if grace is None else int(grace)
                self._stop(state, container, grace_s)

        probe = Probe(kind, spec[f"{kind}Probe"], target, on_result, on_failure)
        assert container.tasks is not None
        container.tasks.spawn(self._guarded(state, container, probe), f"{kind}-probe")

    async def _guarded(self, state: PodState, container: ContainerState, probe: Probe) -> None:
        try:
            await probe.run()
        except actions.Unsupported as error:
            self._recorder.pod(
                state.pod, "Unhealthy", error.message, warning=True, container=container.name
            )
